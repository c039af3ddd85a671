// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent: shows one kassign device to one VMM over vfio-user.
 *
 * It holds the device fd, so the device is released by the kernel whenever and
 * however the agent ends.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../cli/cli.h"
#include "agent.h"
#include "faults.h"
#include "sandbox.h"
#include "vfu_device.h"

static volatile sig_atomic_t told_to_end;

static void on_term(int sig)
{
	(void)sig;
	told_to_end = 1;
}

static void catch_signals(void)
{
	struct sigaction term = { .sa_handler = on_term };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

/* Never blocks: a slow keeper loses events, not the guest. */
static void send_event(void *ctx, const char *line)
{
	const struct kassign_agent *agent = ctx;
	ssize_t n = send(agent->keeper_fd, line, strlen(line),
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)n;
}

/* Did the keeper go, or say quit? */
static bool keeper_ends(const struct kassign_agent *agent)
{
	char buf[64];
	ssize_t n = recv(agent->keeper_fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0)
		return errno != EAGAIN && errno != EINTR;
	return n == 0 || memmem(buf, n, "quit", 4);
}

/**
 * struct session - one VMM, from its connection to its end
 * @agent:	what there is to work with
 * @vdev:	the device
 * @msg:	the message being served
 * @kmsg_fd:	kernel log, -1 none
 * @told_gone:	the keeper knows that the device was taken away
 * @over:	AGENT_* once it is to end, else -1
 * @deadline:	ms: latest end of a plug-in that is waited for
 */
struct session {
	const struct kassign_agent *agent;
	struct vfu_device vdev;
	struct vfu_msg *msg;
	int kmsg_fd;
	bool told_gone;
	int over;
	double deadline;
};

/* The keeper waits 5 s for an agent it has told to end. */
#define PLUG_MS		4000
#define POLL_MS		1000
#define STALL_S		20

static void end_with(struct session *s, int how)
{
	if (s->over >= 0)
		return;
	s->over = how;
	s->deadline = now_ms() + PLUG_MS;
}

/*
 * The device was taken away. A VMM whose guest uses it just then may not survive a
 * closed socket: it goes on being answered (vfu_device.c) until it hangs up, or the
 * keeper, which takes the device from it, has enough.
 */
static void lose_device(struct session *s)
{
	if (s->told_gone)
		return;
	s->told_gone = true;
	s->vdev.gone = true;
	send_event((void *)s->agent, "gone\n");
	if (s->vdev.sock < 0)
		end_with(s, AGENT_DEVICE_GONE);
}

/* A VMM that is just plugging the device in would not survive our going. */
static bool ended(const struct session *s)
{
	return s->over >= 0 &&
	       (!s->vdev.plugging || now_ms() > s->deadline);
}

static void read_faults(struct session *s)
{
	char line[64];
	const struct kassign_device_info *info = &s->vdev.info;
	const struct kassign_bdf bdf = {
		.domain = info->domain,
		.bus = info->bus,
		.dev = info->devfn >> 3,
		.fn = info->devfn & 7,
	};
	uint64_t nr = faults_read(s->kmsg_fd, s->vdev.dev_fd, &bdf);

	if (!nr)
		return;
	snprintf(line, sizeof(line), "faults %llu\n", (unsigned long long)nr);
	send_event((void *)s->agent, line);
}

/* Waits for something to happen; true when it is @fd. */
static bool wait_for(struct session *s, int fd)
{
	bool over = s->over >= 0;
	struct pollfd fds[4] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = over ? -1 : s->agent->keeper_fd, .events = POLLIN },
		{ .fd = over || s->told_gone ? -1 : s->vdev.dev_fd },
		{ .fd = s->kmsg_fd, .events = POLLIN },
	};

	if (told_to_end)
		end_with(s, AGENT_DONE);
	if (poll(fds, 4, over ? 50 : POLL_MS) <= 0)
		return false;
	if (fds[1].revents && keeper_ends(s->agent))
		end_with(s, AGENT_DONE);
	if (fds[2].revents)
		lose_device(s);
	if (fds[3].revents)
		read_faults(s);
	return fds[0].revents;
}

static void serve_one(struct session *s)
{
	int ret = vfu_recv(s->vdev.sock, s->msg);

	if (ret == 0 || ret == -ECONNRESET) {
		s->vdev.plugging = false;	/* hung up */
		end_with(s, AGENT_DONE);
		return;
	}
	if (ret > 0)
		ret = vfu_device_serve(&s->vdev, s->msg);
	vfu_msg_done(s->msg);
	if (ret) {
		s->vdev.plugging = false;
		end_with(s, ret == -EPIPE ? AGENT_DONE :
			    ret == -EPROTO ? AGENT_PROTOCOL : AGENT_FAILED);
	} else if (s->vdev.gone) {
		lose_device(s);
	}
}

/* A VMM that stops in the middle of a message must not hold us for ever. */
static void bound_stalls(int sock)
{
	struct timeval limit = { .tv_sec = STALL_S };

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void accept_vmm(struct session *s)
{
	s->vdev.sock = accept4(s->agent->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (s->vdev.sock < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			end_with(s, AGENT_FAILED);
		return;
	}
	bound_stalls(s->vdev.sock);
	send_event((void *)s->agent, "connected\n");
}

static int session(struct session *s)
{
	if (vfu_device_init(&s->vdev)) {
		send_event((void *)s->agent, "error the device is not ready\n");
		return AGENT_DEVICE_GONE;
	}
	send_event((void *)s->agent, "ready\n");
	while (!ended(s)) {
		if (s->vdev.sock < 0) {
			if (wait_for(s, s->agent->listen_fd))
				accept_vmm(s);
		} else if (wait_for(s, s->vdev.sock)) {
			serve_one(s);
		}
	}
	if (s->vdev.sock >= 0) {
		close(s->vdev.sock);
		send_event((void *)s->agent, "disconnected\n");
	}
	return s->over;
}

static int sandboxed(const struct kassign_agent *agent)
{
	const char *why;
	char line[128];
	int err = sandbox_enter(&why);

	if (!err)
		return 0;
	snprintf(line, sizeof(line), "error the agent cannot get %s: %s\n", why,
		 strerror(-err));
	send_event((void *)agent, line);
	return err;
}

int kassign_agent_run(const struct kassign_agent *agent)
{
	struct session s = {
		.agent = agent,
		.vdev = {
			.sock = -1,
			.dev_fd = agent->dev_fd,
			.guest_fd = agent->guest_fd,
			.inject = agent->inject,
			.no_rom = agent->no_rom,
			.event = send_event,
			.event_ctx = (void *)agent,
		},
		.msg = calloc(1, sizeof(*s.msg)),
		.over = -1,
	};

	if (!s.msg)
		return AGENT_FAILED;
	catch_signals();
	s.kmsg_fd = faults_open();
	return sandboxed(agent) ? AGENT_FAILED : session(&s);
}
