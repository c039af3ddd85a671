/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KASSIGN_SANDBOX_H
#define KASSIGN_SANDBOX_H

/**
 * sandbox_enter - give up everything an agent does not need, for good
 * @why: out: the step that failed
 *
 * Afterwards: an unprivileged user without capabilities and no way to new ones,
 * an empty read-only root, mount, network, IPC and UTS namespaces of its own, no
 * new files or processes, and a short list of system calls; any other one ends
 * the process. Open descriptors stay. Needs root. 0 or -errno; after a failure
 * the process must end.
 */
int sandbox_enter(const char **why);

#endif /* KASSIGN_SANDBOX_H */
