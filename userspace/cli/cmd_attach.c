// SPDX-License-Identifier: GPL-2.0-only
/*
 * kassign attach, kassign detach
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"

static const char *guest_label(const struct guest *guest)
{
	return guest->name[0] ? guest->name : guest->exe;
}

static int fail(const struct problem *p, const struct options *opt)
{
	problem_print(p, opt->json);
	return p->code;
}

static void print_start(const struct request *req)
{
	printf("%s%s%s%s  %s  ->  guest %s (pid %d)\n",
	       req->dev.iface, req->dev.iface[0] ? " (" : "", req->dev.name,
	       req->dev.iface[0] ? ")" : "", req->dev.title,
	       guest_label(&req->guest), req->guest.pid);
	fflush(stdout);
}

/* Is the device in that very guest already? */
static bool already_there(const char *dev_text, const char *guest_text,
			  struct state *state)
{
	struct pci_dev_info dev;
	struct guest guest;
	struct problem p;

	return !device_find(dev_text, &dev, &p) && !state_read(dev.name, state) &&
	       guest_alive(state->keeper, state->keeper_start) &&
	       !strcmp(state->phase, "attached") &&
	       !guest_find(guest_text, &guest, &p) &&
	       guest.pid == state->guest.pid;
}

static void print_result(const struct request *req)
{
	printf("%s is now in guest %s. Take it back with: kassign detach %s\n",
	       req->dev.iface[0] ? req->dev.iface : req->dev.name,
	       guest_label(&req->guest), req->dev.name);
}

/* A progress bar only where it can be drawn over itself */
static bool can_draw(const struct options *opt)
{
	const char *term = getenv("TERM");

	return !opt->json && isatty(2) && term && strcmp(term, "dumb");
}

/*
 * Under the device's lock: is it still as it was looked at before? What is recorded of
 * the host's side is all there is to give it back by.
 */
static int check_unchanged(const struct request *req, struct problem *p)
{
	struct pci_dev_info now = req->dev;
	char path[PATH_LEN];

	state_path(req->dev.name, ".json", path);
	if (!access(path, F_OK))
		return problem(p, EXIT_REFUSED, "kassign recover",
			       "%s has not come back to the host from its last guest",
			       req->dev.name);
	if (pci_refresh(&now) || strcmp(now.driver, req->dev.driver) ||
	    strcmp(now.override, req->dev.override) ||
	    strcmp(now.iface, req->dev.iface))
		return problem(p, EXIT_REFUSED, "try again in a moment",
			       "%s is just changing its driver", req->dev.name);
	return 0;
}

static int start_attach(struct request *req)
{
	const struct options *opt = req->opt;
	struct problem p = { 0 };
	int lock, sock, code;

	lock = state_lock(req->dev.name);
	if (lock < 0) {
		problem(&p, EXIT_REFUSED, "kassign status shows it",
			"%s is being attached or detached by another kassign",
			req->dev.name);
		return fail(&p, opt);
	}
	if (check_unchanged(req, &p)) {
		close(lock);
		return fail(&p, opt);
	}
	if (!opt->json)
		print_start(req);
	sock = keeper_start(req, lock, &p);
	close(lock);
	if (sock < 0)
		return fail(&p, opt);
	code = keeper_follow(sock, opt->json, can_draw(opt), true);
	if (code == EXIT_OK && !opt->json)
		print_result(req);
	return code;
}

int cmd_attach(int argc, char **argv, struct options *opt)
{
	struct request req = { .opt = opt };
	struct problem p = { 0 };
	struct state state;

	if (argc != 2) {
		problem(&p, EXIT_USAGE, "kassign attach DEV GUEST",
			"attach needs a device and a guest");
		return fail(&p, opt);
	}
	if (geteuid() == 0) {
		recover(NULL);
		if (already_there(argv[0], argv[1], &state)) {
			print_done(opt->json, "attached",
				   "%s is in guest %s already.", state.dev.name,
				   guest_label(&state.guest));
			return EXIT_OK;
		}
	}
	if (check_all(argv[0], argv[1], &req, &p))
		return fail(&p, opt);
	return start_attach(&req);
}

/* ---- detach ---- */

static int ask_keeper(const char *bdf)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	state_path(bdf, ".ctl", addr.sun_path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

int cmd_detach(int argc, char **argv, struct options *opt)
{
	struct problem p = { 0 };
	struct pci_dev_info dev;
	struct state state;
	char line[64];
	int sock, code;

	if (argc != 1) {
		problem(&p, EXIT_USAGE, "kassign detach DEV", "detach needs a device");
		return fail(&p, opt);
	}
	if (geteuid()) {
		problem(&p, EXIT_NOT_ROOT, "try it with sudo",
			"devices can only be taken back by root");
		return fail(&p, opt);
	}
	if (device_find(argv[0], &dev, &p))
		return fail(&p, opt);
	recover(dev.name);
	if (state_read(dev.name, &state)) {
		print_done(opt->json, "is back on the host",
			   "%s is not assigned; nothing to do.", dev.name);
		return EXIT_OK;
	}
	sock = ask_keeper(dev.name);
	if (sock < 0) {
		problem(&p, EXIT_FAILED, "try again in a moment",
			"the keeper of %s is busy: %s", dev.name, state.phase);
		return fail(&p, opt);
	}
	snprintf(line, sizeof(line), "detach %d %d\n", opt->timeout, opt->force);
	if (send(sock, line, strlen(line), MSG_NOSIGNAL) < 0) {
		problem(&p, EXIT_FAILED, NULL, "the keeper hung up");
		return fail(&p, opt);
	}
	code = keeper_follow(sock, opt->json, false, false);
	if (code == EXIT_OK && !opt->json)
		printf("%s is back on the host%s%s.\n", dev.name,
		       state.link.name[0] ? " as " : "", state.link.name);
	return code;
}
