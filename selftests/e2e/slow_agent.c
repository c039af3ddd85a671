// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded: an agent that takes AGENT_TAKES seconds to start, in the first call
 * that shuts it in.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int unshare(int flags)
{
	const char *takes = getenv("AGENT_TAKES");

	sleep(takes ? atoi(takes) : 0);
	return syscall(SYS_unshare, flags);
}
