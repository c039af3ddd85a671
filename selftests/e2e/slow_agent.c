// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded: an agent that takes AGENT_TAKES seconds to start, in the first call
 * that shuts it in; with AGENT_STAYS one that hangs up there and does not end. With
 * AGENT_RESTS it rests 2 s after the answer to the VMM that has this number.
 */
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEPER_FD	6	/* cli/keeper.c: AGENT_KEEPER_FD */

static int rests;

int unshare(int flags)
{
	const char *takes = getenv("AGENT_TAKES"), *nr = getenv("AGENT_RESTS");

	rests = nr ? atoi(nr) : 0;
	if (getenv("AGENT_STAYS")) {
		close(KEEPER_FD);
		for (;;)
			pause();
	}
	sleep(takes ? atoi(takes) : 0);
	return syscall(SYS_unshare, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t n = syscall(SYS_sendmsg, fd, msg, flags);

	if (rests && !--rests)
		poll(NULL, 0, 2000);
	return n;
}
