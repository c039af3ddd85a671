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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
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

/* 1 when @fd is ready, 0 to end, -errno */
static int wait_for(const struct kassign_agent *agent, int fd)
{
	struct pollfd fds[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = agent->keeper_fd, .events = POLLIN },
	};

	for (;;) {
		if (told_to_end)
			return 0;
		if (poll(fds, 2, 1000) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents && keeper_ends(agent))
			return 0;
		if (fds[0].revents)
			return 1;
	}
}

static int session(const struct kassign_agent *agent, struct vfu_device *vdev,
		   struct vfu_msg *msg)
{
	int ret;

	while ((ret = wait_for(agent, vdev->sock)) > 0) {
		ret = vfu_recv(vdev->sock, msg);
		if (ret > 0)
			ret = vfu_device_serve(vdev, msg);
		else if (ret == 0 || ret == -ECONNRESET)
			ret = 1;	/* hung up */
		vfu_msg_done(msg);
		if (ret)
			break;
		if (vdev->gone)
			return AGENT_DEVICE_GONE;
	}
	if (ret == 1 || ret == 0 || ret == -EPIPE)
		return AGENT_DONE;
	return ret == -EPROTO ? AGENT_PROTOCOL : AGENT_FAILED;
}

static int serve_one(const struct kassign_agent *agent, struct vfu_msg *msg)
{
	struct vfu_device vdev = {
		.dev_fd = agent->dev_fd,
		.guest_fd = agent->guest_fd,
		.inject = agent->inject,
		.event = send_event,
		.event_ctx = (void *)agent,
	};
	int ret;

	if (vfu_device_init(&vdev))
		return AGENT_DEVICE_GONE;
	ret = wait_for(agent, agent->listen_fd);
	if (ret <= 0)
		return ret ? AGENT_FAILED : AGENT_DONE;
	vdev.sock = accept4(agent->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (vdev.sock < 0)
		return AGENT_FAILED;
	send_event((void *)agent, "connected\n");
	ret = session(agent, &vdev, msg);
	close(vdev.sock);
	send_event((void *)agent, "disconnected\n");
	return ret;
}

int kassign_agent_run(const struct kassign_agent *agent)
{
	struct vfu_msg *msg = calloc(1, sizeof(*msg));
	int ret;

	if (!msg)
		return AGENT_FAILED;
	catch_signals();
	ret = serve_one(agent, msg);
	free(msg);
	return ret;
}
