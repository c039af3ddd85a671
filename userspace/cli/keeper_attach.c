// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attach, step by step, each with what undoes it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"

#define MAX_VM_FDS	16
#define POLL_MS		20

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void sleep_ms(int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
			       .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

bool keeper_cancelled(const struct keeper *k)
{
	struct pollfd pfd = { .fd = k->report, .events = POLLIN };
	char c;

	if (poll(&pfd, 1, 0) <= 0)
		return false;
	/* The command never writes while attaching: readable means closed. */
	return recv(k->report, &c, 1, MSG_DONTWAIT) <= 0;
}

/* ---- record, and the host's side ---- */

static int do_record(struct keeper *k, struct problem *p)
{
	copy_str(k->state.phase, NAME_LEN, "attaching");
	k->state.keeper = getpid();
	k->state.keeper_start = proc_start(getpid());
	return state_write(&k->state, p) ? -1 : keeper_listen(k, p);
}

/* What the host has not got back is for recover to find. */
static void undo_record(struct keeper *k)
{
	if (!k->kept.text[0])
		state_remove(k->state.dev.name);
}

static int do_module(struct keeper *k, struct problem *p)
{
	(void)k;
	return module_load(p);
}

static int do_take(struct keeper *k, struct problem *p)
{
	if (k->state.link.up && link_down(k->state.link.name, p))
		return -1;
	return host_take(&k->state, p);
}

/* Also when do_take() failed half way */
static void undo_take(struct keeper *k)
{
	host_give_back(&k->state, &k->kept);
}

/* ---- the guest ---- */

static int open_guest(struct keeper *k, int ctl, const int *vm_fds, int nr,
		      struct problem *p)
{
	char why[256] = "";
	int i, fd = -ENOENT;

	for (i = 0; i < nr; i++) {
		fd = kassign_guest_open(ctl, vm_fds[i], why, sizeof(why));
		if (fd >= 0)
			break;
	}
	if (fd < 0)
		return problem(p, EXIT_FAILED, NULL,
			       "the guest's VM cannot be used: %s",
			       why[0] ? why : strerror(-fd));
	k->guest_fd = fd;
	return 0;
}

static int do_guest(struct keeper *k, struct problem *p)
{
	int vm_fds[MAX_VM_FDS], nr, i, ctl, err;

	nr = guest_vm_fds(k->state.guest.pid, vm_fds, MAX_VM_FDS, p);
	if (nr < 0)
		return -1;
	ctl = kassign_open();
	if (ctl < 0)
		err = problem(p, EXIT_FAILED, NULL, "cannot open %s: %s",
			      KASSIGN_DEV_PATH, strerror(-ctl));
	else
		err = open_guest(k, ctl, vm_fds, nr, p);
	for (i = 0; i < nr; i++)
		close(vm_fds[i]);
	if (ctl >= 0)
		close(ctl);
	return err;
}

static void undo_guest(struct keeper *k)
{
	close_fd(&k->guest_fd);
}

/* ---- memory: the one call that takes long, so it has a thread ---- */

struct mapping {
	struct keeper *k;
	int ret;
	volatile bool finished;
	char why[256];
};

static void on_wake(int sig)
{
	(void)sig;
}

static void *map_thread(void *arg)
{
	struct mapping *m = arg;

	m->ret = kassign_add_device(m->k->guest_fd, &m->k->state.dev.bdf, m->why,
				    sizeof(m->why));
	m->finished = true;
	return NULL;
}

static void show_progress(struct keeper *k)
{
	struct kassign_guest_status st;

	if (!kassign_guest_get_status(k->guest_fd, &st) && st.todo_bytes)
		report_progress(k->report, st.mapped_bytes,
				st.mapped_bytes + st.todo_bytes);
}

static int do_map(struct keeper *k, struct problem *p)
{
	struct sigaction wake = { .sa_handler = on_wake };
	struct mapping m = { .k = k };
	pthread_t thread;

	sigaction(SIGUSR1, &wake, NULL);
	if (pthread_create(&thread, NULL, map_thread, &m))
		return problem(p, EXIT_FAILED, NULL, "no thread can be made");
	while (!m.finished) {
		sleep_ms(POLL_MS);
		show_progress(k);
		if (keeper_cancelled(k))
			pthread_kill(thread, SIGUSR1);
	}
	pthread_join(thread, NULL);
	if (m.ret < 0)
		return problem(p, EXIT_FAILED, NULL, "%s%s",
			       m.why[0] ? "" : "the device cannot be given to the guest: ",
			       m.why[0] ? m.why : strerror(-m.ret));
	k->dev_fd = m.ret;
	return 0;
}

static void undo_map(struct keeper *k)
{
	close_fd(&k->dev_fd);
}

/* ---- agent and VMM ---- */

/* Only the VMM's user may connect. */
static int do_socket(struct keeper *k, struct problem *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char proc[64];
	struct stat st;

	state_path(k->state.dev.name, ".sock", addr.sun_path);
	unlink(addr.sun_path);
	k->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(proc, sizeof(proc), "/proc/%d", k->state.guest.pid);
	if (k->listen_fd < 0 || fchmod(k->listen_fd, 0600) ||
	    bind(k->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    stat(proc, &st) || chown(addr.sun_path, st.st_uid, st.st_gid) ||
	    listen(k->listen_fd, 1))
		return problem(p, EXIT_FAILED, NULL, "socket %s: %s",
			       addr.sun_path, strerror(errno));
	return agent_start(k, p) ? -1 : agent_ready(k, p);
}

static void undo_socket(struct keeper *k)
{
	agent_end(k);
	close_fd(&k->listen_fd);
}

/* Two attaches to one guest must not choose the same port. */
static int lock_guest(const struct keeper *k)
{
	char name[NAME_LEN];
	int fd, i;

	snprintf(name, sizeof(name), "guest-%d", k->state.guest.pid);
	for (i = 0; i < 500; i++) {
		fd = state_lock(name);
		if (fd >= 0)
			return fd;
		sleep_ms(POLL_MS);
	}
	return -1;
}

static int plug(struct keeper *k, struct qmp *qmp, struct problem *p)
{
	char sock[PATH_LEN];

	state_name_device(&k->state);
	vmm_unplug_stale(qmp, k->state.dev.name);
	/* Perhaps taken since the check; one that was asked for is not replaced. */
	if (!k->bus && vmm_free_port(qmp, k->state.port, p))
		return -1;
	if (state_write(&k->state, p))
		return -1;
	state_path(k->state.dev.name, ".sock", sock);
	return vmm_plug(qmp, k->state.id, k->state.port, sock, k->rom, p);
}

static int do_plug(struct keeper *k, struct problem *p)
{
	int lock = lock_guest(k), err = -1;
	struct qmp *qmp;

	if (lock < 0)
		return problem(p, EXIT_FAILED, NULL,
			       "another attach to this guest does not end");
	qmp = qmp_open(k->state.guest.qmp, p);
	if (qmp)
		err = plug(k, qmp, p);
	qmp_close(qmp);
	close(lock);
	k->plugged = !err;
	if (err)
		return err;
	copy_str(k->state.phase, NAME_LEN, "attached");
	return state_write(&k->state, p);
}

static void undo_plug(struct keeper *k)
{
	struct problem p;
	struct qmp *qmp;

	if (!k->plugged)
		return;
	qmp = qmp_open(k->state.guest.qmp, &p);
	if (qmp && !vmm_unplug(qmp, k->state.id, 5000, &p))
		k->plugged = false;
	qmp_close(qmp);
}

static bool guest_enabled(const struct keeper *k)
{
	struct kassign_device_entry *entries;
	int nr = kassign_list_devices(&entries), i;
	bool on = false;

	for (i = 0; i < nr; i++)
		if (!memcmp(&entries[i].bdf, &k->state.dev.bdf,
			    sizeof(entries[i].bdf)))
			on = entries[i].flags & KASSIGN_STATUS_MEMORY &&
			     entries[i].flags & KASSIGN_STATUS_MASTER;
	if (nr > 0)
		free(entries);
	return on;
}

/* A guest without a driver for it keeps it disabled: no failure. */
static int do_wait(struct keeper *k, struct problem *p)
{
	double end = now_ms() + k->timeout * 1000.0;

	while (k->timeout && now_ms() < end) {
		if (guest_enabled(k))
			return 0;
		if (keeper_cancelled(k))
			return problem(p, EXIT_FAILED, NULL, "interrupted");
		if (agent_heard(k) != HEARD_NOTHING)
			return problem(p, EXIT_FAILED, "dmesg may tell more",
				       "the device was taken away, or its agent has ended");
		if (!guest_alive(k->state.guest.pid, k->state.guest.start))
			return problem(p, EXIT_FAILED, NULL,
				       "the guest has exited");
		sleep_ms(POLL_MS);
	}
	if (k->timeout)
		report_note(k->report,
			    "The guest has not enabled the device yet; has it a driver for it?");
	return 0;
}

/*
 * The command says that it has seen the result. One that was killed or
 * interrupted at the last moment has not, and then all is undone: an attach
 * either says that it is done, or is not.
 */
static int do_commit(struct keeper *k, struct problem *p)
{
	struct pollfd pfd = { .fd = k->report, .events = POLLIN };
	char c;

	report_done(k->report, "attached");
	if (poll(&pfd, 1, ANSWER_MS) == 1 && recv(k->report, &c, 1, 0) == 1)
		return 0;
	return problem(p, EXIT_FAILED, NULL, "interrupted");
}

/* ---- the sequence ---- */

static const struct step {
	const char *text;	/* %1 device, %2 guest, %3 host driver */
	int (*todo)(struct keeper *k, struct problem *p);
	void (*undo)(struct keeper *k);
} steps[] = {
	{ NULL, do_record, undo_record },
	{ NULL, do_module, NULL },
	{ "Taking the link down, binding kassign", do_take, undo_take },
	{ "Finding the guest's memory", do_guest, undo_guest },
	{ "Mapping guest memory into the IOMMU", do_map, undo_map },
	{ "Starting the agent", do_socket, undo_socket },
	{ "Hot-plugging into the guest", do_plug, undo_plug },
	{ "Guest enables the device", do_wait, NULL },
	{ NULL, do_commit, NULL },
};

#define NR_STEPS (sizeof(steps) / sizeof(steps[0]))

static void undo_steps(struct keeper *k, size_t failed)
{
	size_t i = failed + 1;	/* the failed one too: it may be half done */

	while (i--)
		if (steps[i].undo)
			steps[i].undo(k);
}

static int run_step(struct keeper *k, const struct step *step,
		    struct problem *p)
{
	double start = now_ms();

	if (keeper_cancelled(k))
		return problem(p, EXIT_FAILED, NULL, "interrupted");
	if (step->todo(k, p))
		return -1;
	if (step->text)
		report_step(k->report, step->text, now_ms() - start);
	return 0;
}

/* A person sees only what is done to the machine. */
static bool has_changed_something(size_t failed)
{
	size_t i;

	for (i = 0; i <= failed; i++)
		if (steps[i].text)
			return true;
	return false;
}

/* Why it failed, and what the undoing could not undo */
static void report_failure(const struct keeper *k, const struct problem *why)
{
	struct problem p;

	if (!k->kept.text[0]) {
		report_problem(k->report, why);
		return;
	}
	problem(&p, EXIT_FAILED, "try again: kassign recover",
		"%s; and the host has not got its device back: %s",
		why->text, k->kept.text);
	report_problem(k->report, &p);
}

int keeper_attach(struct keeper *k)
{
	struct problem p = { 0 };
	size_t i;

	for (i = 0; i < NR_STEPS; i++) {
		if (!run_step(k, &steps[i], &p))
			continue;
		undo_steps(k, i);
		/* "Refused" promises that nothing was changed. */
		if (p.code == EXIT_REFUSED && has_changed_something(i))
			p.code = EXIT_FAILED;
		report_failure(k, &p);
		return p.code;
	}
	return EXIT_OK;
}
