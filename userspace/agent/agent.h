/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KASSIGN_AGENT_H
#define KASSIGN_AGENT_H

/**
 * struct kassign_agent - what an agent works with; all descriptors are open
 * @dev_fd:	kassign device fd
 * @guest_fd:	kassign guest fd
 * @listen_fd:	listening Unix stream socket the VMM connects to
 * @keeper_fd:	socket to the parent: events go out as lines; its end or the
 *		line "quit" ends the agent
 * @inject:	MSI-X by in-kernel injection (QEMU), else by irqfd
 * @no_rom:	the device's option ROM is not shown
 */
struct kassign_agent {
	int dev_fd;
	int guest_fd;
	int listen_fd;
	int keeper_fd;
	int inject;
	int no_rom;
};

enum {
	AGENT_DONE,		/* the VMM hung up, or told to quit */
	AGENT_FAILED,
	AGENT_DEVICE_GONE,
	AGENT_PROTOCOL,
};

/* Serves one VMM until it ends; returns one of AGENT_*. */
int kassign_agent_run(const struct kassign_agent *agent);

#endif /* KASSIGN_AGENT_H */
