// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded: an agent that takes AGENT_TAKES seconds to start, in the first call
 * that shuts it in; with AGENT_STAYS one that hangs up there and does not end.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEPER_FD	6	/* cli/keeper.c: AGENT_KEEPER_FD */

int unshare(int flags)
{
	const char *takes = getenv("AGENT_TAKES");

	if (getenv("AGENT_STAYS")) {
		close(KEEPER_FD);
		for (;;)
			pause();
	}
	sleep(takes ? atoi(takes) : 0);
	return syscall(SYS_unshare, flags);
}
