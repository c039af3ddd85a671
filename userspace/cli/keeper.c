// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keeper's life: its start, the agent it parents, and the wait for the end
 * of the attachment.
 *
 * The agent alone holds the device fd. However it ends, the kernel releases the
 * device before waitpid() here returns; then the host gets it back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../agent/agent.h"
#include "keeper.h"

/* ---- the agent process ---- */

#define UNPLUG_DEAD_MS	60000
#define AGENT_END_MS	5000

/* Fixed numbers in the agent, so that its arguments need not tell them */
enum { AGENT_DEV_FD = 3, AGENT_GUEST_FD, AGENT_LISTEN_FD, AGENT_KEEPER_FD };

static void exec_agent(const struct keeper *k, int keeper_end)
{
	int from[] = { k->dev_fd, k->guest_fd, k->listen_fd, keeper_end };
	char *argv[] = { (char *)"kassign-agent", (char *)k->state.dev.name,
			 (char *)(k->irq && !strcmp(k->irq, "irqfd") ?
				  "irqfd" : "inject"),
			 (char *)(k->rom && strcmp(k->rom, "auto") ?
				  "norom" : "rom"), NULL };
	int i;

	/* Out of the way of the fixed numbers first */
	for (i = 0; i < 4; i++)
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16);
	for (i = 0; i < 4; i++)
		dup2(from[i], AGENT_DEV_FD + i);
	close_range(AGENT_KEEPER_FD + 1, ~0U, 0);
	execv("/proc/self/exe", argv);
	_exit(AGENT_FAILED);
}

int agent_start(struct keeper *k, struct problem *p)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return problem(p, EXIT_FAILED, NULL, "socketpair: %s",
			       strerror(errno));
	pid = fork();
	if (pid == 0)
		exec_agent(k, pair[1]);
	close(pair[1]);
	k->agent_fd = pair[0];
	if (pid < 0)
		return problem(p, EXIT_FAILED, NULL, "fork: %s", strerror(errno));
	k->state.agent = pid;
	k->state.agent_start = proc_start(pid);
	/* From here the device lives and dies with the agent. */
	close(k->dev_fd);
	close(k->guest_fd);
	close(k->listen_fd);
	k->dev_fd = -1;
	k->guest_fd = -1;
	k->listen_fd = -1;
	return state_write(&k->state, p);
}

/* Until it says something, or ends */
static int hear_agent(const struct keeper *k, struct problem *p)
{
	struct pollfd pfd = { .fd = k->agent_fd, .events = POLLIN };
	double end = now_ms() + ANSWER_MS;

	while (poll(&pfd, 1, 100) <= 0) {
		if (keeper_cancelled(k))
			return problem(p, EXIT_FAILED, NULL, "interrupted");
		if (now_ms() > end)
			return problem(p, EXIT_FAILED,
				       "the host may be overloaded: try again later",
				       "the agent, process %d, has not started in %d s",
				       k->state.agent, ANSWER_MS / 1000);
	}
	return 0;
}

int agent_ready(struct keeper *k, struct problem *p)
{
	char line[256] = "it ended at once";
	ssize_t n;

	if (hear_agent(k, p))
		return -1;
	n = recv(k->agent_fd, line, sizeof(line) - 1, MSG_DONTWAIT);
	if (n > 0)
		line[n] = '\0';
	if (n > 0 && !strncmp(line, "ready\n", 6))
		return 0;
	line[strcspn(line, "\n")] = '\0';
	return problem(p, EXIT_FAILED, NULL, "the agent cannot start: %s",
		       strncmp(line, "error ", 6) ? line : line + 6);
}

/* Our own child, not yet waited for, so the pid cannot be somebody else's. */
static bool agent_ends_within(const struct keeper *k, int ms)
{
	double end = now_ms() + ms;

	while (waitpid(k->state.agent, NULL, WNOHANG) == 0) {
		if (now_ms() > end)
			return false;
		poll(NULL, 0, 5);
	}
	return true;
}

/* One that can neither end nor be killed loses the device when it is unbound. */
void agent_end(struct keeper *k)
{
	if (k->state.agent <= 0)
		return;
	if (k->agent_fd >= 0)
		shutdown(k->agent_fd, SHUT_WR);
	if (!agent_ends_within(k, AGENT_END_MS)) {
		kill(k->state.agent, SIGKILL);
		agent_ends_within(k, AGENT_END_MS);
	}
	if (k->agent_fd >= 0)
		close(k->agent_fd);
	k->agent_fd = -1;
	k->state.agent = 0;
}

int agent_main(int argc, char **argv)
{
	struct kassign_agent agent = {
		.dev_fd = AGENT_DEV_FD,
		.guest_fd = AGENT_GUEST_FD,
		.listen_fd = AGENT_LISTEN_FD,
		.keeper_fd = AGENT_KEEPER_FD,
	};

	agent.inject = argc > 2 && !strcmp(argv[2], "inject");
	agent.no_rom = argc > 3 && !strcmp(argv[3], "norom");
	prctl(PR_SET_NAME, "kassign-agent");
	return kassign_agent_run(&agent);
}

/* ---- after the attach ---- */

static void give_back(struct keeper *k)
{
	struct problem p;

	if (host_give_back(&k->state, &p)) {
		report_problem(k->report, &p);
		return;		/* the state stays, for recover */
	}
	state_remove(k->state.dev.name);
}

/* True when the VMM has no such device any more */
static bool unplug_once(const struct keeper *k)
{
	struct problem p;
	struct qmp *qmp = qmp_open(k->state.guest.qmp, &p);
	bool gone = false;

	if (qmp)
		gone = !vmm_has_device(qmp, k->state.id) ||
		       !vmm_unplug(qmp, k->state.id, 2000, &p);
	qmp_close(qmp);
	return gone;
}

/*
 * The VMM lost its server but may live: take the dead device from the guest. It
 * may be stopped or busy, so for a while. The host has its device meanwhile, and
 * may give it away again: the id is this attachment's alone.
 */
static void unplug_dead(struct keeper *k)
{
	double end = now_ms() + UNPLUG_DEAD_MS;

	close(k->lock);
	k->lock = -1;
	close(k->ctl_fd);
	k->ctl_fd = -1;
	while (guest_alive(k->state.guest.pid, k->state.guest.start) &&
	       now_ms() < end && !unplug_once(k))
		poll(NULL, 0, 500);
}

static int unplug(struct keeper *k, int timeout, struct problem *p)
{
	struct qmp *qmp = qmp_open(k->state.guest.qmp, p);
	int err;

	if (!qmp)
		return -1;
	err = vmm_unplug(qmp, k->state.id, timeout * 1000, p);
	k->plugged = err;
	qmp_close(qmp);
	return err;
}

/* One "detach TIMEOUT FORCE" request. True when the device is the host's. */
static bool serve_detach(struct keeper *k, int sock)
{
	int timeout = 30, force = 0;
	double start = now_ms();
	struct problem p = { 0 };
	char line[64];
	ssize_t n = recv(sock, line, sizeof(line) - 1, 0);

	if (n <= 0)
		return false;
	line[n] = '\0';
	if (sscanf(line, "detach %d %d", &timeout, &force) != 2)
		return false;
	k->report = sock;
	if (unplug(k, timeout, &p) && !force) {
		report_problem(sock, &p);
		return false;
	}
	report_step(sock, p.text[0] ? "Taking it without the guest's consent" :
				      "Unplugging from the guest",
		    now_ms() - start);
	start = now_ms();
	agent_end(k);
	report_step(sock, "Releasing the device", now_ms() - start);
	start = now_ms();
	give_back(k);
	report_step(sock, "Back to the host's driver", now_ms() - start);
	return true;
}

static void accept_detach(struct keeper *k, bool *ended)
{
	int sock = accept4(k->ctl_fd, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0)
		return;
	*ended = serve_detach(k, sock);
	if (*ended)
		report_done(sock, "is back on the host");
	k->report = -1;
	close(sock);
}

enum heard agent_heard(const struct keeper *k)
{
	char buf[256];
	ssize_t n = recv(k->agent_fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return HEARD_NOTHING;
	if (n <= 0)
		return HEARD_END;
	return memmem(buf, n, "gone\n", 5) ? HEARD_GONE : HEARD_NOTHING;
}

/* True when the device is the host's. One without a device still answers its VMM. */
static bool listen_to_agent(struct keeper *k)
{
	switch (agent_heard(k)) {
	case HEARD_NOTHING:
		return false;
	case HEARD_END:
		agent_end(k);
		break;
	case HEARD_GONE:
		break;
	}
	give_back(k);
	return true;
}

int keeper_watch(struct keeper *k)
{
	bool ended = false;

	while (!ended) {
		struct pollfd fds[2] = {
			{ .fd = k->agent_fd, .events = POLLIN },
			{ .fd = k->ctl_fd, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			accept_detach(k, &ended);
		else if (fds[0].revents)
			ended = listen_to_agent(k);
	}
	if (k->plugged)
		unplug_dead(k);
	agent_end(k);
	return EXIT_OK;
}

/* ---- start ---- */

int keeper_listen(struct keeper *k, struct problem *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	state_path(k->state.dev.name, ".ctl", addr.sun_path);
	unlink(addr.sun_path);
	k->ctl_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (k->ctl_fd < 0 || fchmod(k->ctl_fd, 0600) ||
	    bind(k->ctl_fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(k->ctl_fd, 4))
		return problem(p, EXIT_FAILED, NULL, "socket %s: %s",
			       addr.sun_path, strerror(errno));
	return 0;
}

static void detach_from_terminal(void)
{
	int null = open("/dev/null", O_RDWR);

	setsid();
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	if (null > 2)
		close(null);
	if (chdir("/"))
		return;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "kassign-keeper");
}

/* What the command had from its caller is not ours: a lock of a script, for one. */
static void close_others(int a, int b)
{
	unsigned int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

static int keeper_main(const struct request *req, int lock, int report)
{
	struct keeper k = {
		.irq = req->opt->irq, .bus = req->opt->bus,
		.rom = req->rom,
		.timeout = req->opt->no_wait ? 0 : req->opt->timeout,
		.report = report, .lock = lock, .guest_fd = -1, .dev_fd = -1,
		.listen_fd = -1, .agent_fd = -1, .ctl_fd = -1,
	};
	int code;

	detach_from_terminal();
	close_others(lock, report);
	k.state.dev = req->dev;
	k.state.link = req->link;
	k.state.guest = req->guest;
	copy_str(k.state.port, sizeof(k.state.port), req->port);
	code = keeper_attach(&k);
	close(report);
	k.report = -1;
	if (code == EXIT_OK)
		return keeper_watch(&k);
	if (k.plugged)
		unplug_dead(&k);
	return code;
}

int keeper_start(const struct request *req, int lock, struct problem *p)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return problem(p, EXIT_FAILED, NULL, "socketpair: %s",
			       strerror(errno));
	pid = fork();
	if (pid < 0)
		return problem(p, EXIT_FAILED, NULL, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(pair[0]);
		_exit(keeper_main(req, lock, pair[1]));
	}
	close(pair[1]);
	return pair[0];
}
