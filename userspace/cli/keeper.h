/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keeper: the process that has a device in its care from the moment an
 * attach starts until the host has it back.
 */
#ifndef KASSIGN_KEEPER_H
#define KASSIGN_KEEPER_H

#include "cli.h"

/*
 * Milliseconds a process of ours may take for its answer: a host without a free
 * processor or page needs many. One that has ended hangs up at once.
 */
#define ANSWER_MS	60000

/**
 * struct keeper - its world
 * @state:	what is written to /run/kassign
 * @irq:	--irq as given
 * @bus:	--bus as given
 * @rom:	"auto", "off", or the path of a file
 * @timeout:	seconds to wait for the guest to enable the device, 0: do not
 * @report:	to the command that started the attach, or asked for a detach
 * @lock:	open while the device is in its care
 * @guest_fd:	kassign guest fd while attaching
 * @dev_fd:	kassign device fd while attaching; afterwards the agent's alone
 * @listen_fd:	the agent's socket for the VMM
 * @agent_fd:	the keeper's end of the socket to the agent
 * @ctl_fd:	where detach requests come
 * @plugged:	the VMM has the device
 * @kept:	why the host has not got its device back; no text: it has
 */
struct keeper {
	struct state state;
	const char *irq;
	const char *bus;
	const char *rom;
	int timeout;
	int report;
	int lock;
	int guest_fd;
	int dev_fd;
	int listen_fd;
	int agent_fd;
	int ctl_fd;
	bool plugged;
	struct problem kept;
};

/* ---- attach.steps ---- */

/* Runs the steps; on failure all is undone and the problem reported. */
int keeper_attach(struct keeper *k);
/* Has the command gone, or been interrupted? */
bool keeper_cancelled(const struct keeper *k);

/* ---- agent process ---- */

int agent_start(struct keeper *k, struct problem *p);
/* Waits until it is in its sandbox and has the device, or the attach is cancelled. */
int agent_ready(struct keeper *k, struct problem *p);
/*
 * Ends it, waits; the kernel has released the device when this returns, unless the agent
 * cannot even be killed.
 */
void agent_end(struct keeper *k);

/* What it has said: that it ends, or that the device was taken away */
enum heard { HEARD_NOTHING, HEARD_END, HEARD_GONE };
enum heard agent_heard(const struct keeper *k);

/* ---- after the attach ---- */

/* Opens the socket that detach requests come to. */
int keeper_listen(struct keeper *k, struct problem *p);
/* Until the device is back on the host; exit code of the keeper. */
int keeper_watch(struct keeper *k);

#endif /* KASSIGN_KEEPER_H */
