// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking a device from the host, and giving it back.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

/* Binds kassign in place of the host driver. */
int host_take(struct state *state, struct problem *p)
{
	struct pci_dev_info *dev = &state->dev;

	if (pci_unbind(dev, p) || pci_set_override(dev, "kassign", p))
		return -1;
	return pci_bind(dev, "kassign", p);
}

/* The driver's interface may take a moment to appear. */
static void wait_iface(struct pci_dev_info *now)
{
	struct timespec ts = { .tv_nsec = 20 * 1000 * 1000 };
	int i;

	for (i = 0; i < 100 && !now->iface[0]; i++) {
		nanosleep(&ts, NULL);
		pci_refresh(now);
	}
}

/*
 * Idempotent, and as far as possible: each part is tried whatever became of the
 * one before. The first problem is reported.
 */
int host_give_back(const struct state *state, struct problem *p)
{
	struct pci_dev_info now = { .bdf = state->dev.bdf };
	struct problem later;
	int err = 0;

	if (pci_refresh(&now))
		return 0;	/* unplugged meanwhile */
	if (!strcmp(now.driver, "kassign") && pci_unbind(&now, p))
		err = -1;
	if (strcmp(now.override, state->dev.override) &&
	    pci_set_override(&now, state->dev.override, err ? &later : p))
		err = -1;
	pci_refresh(&now);
	if (state->dev.driver[0] && !now.driver[0] &&
	    pci_bind(&now, state->dev.driver, err ? &later : p))
		err = -1;
	pci_refresh(&now);
	if (!state->link.name[0])
		return err;
	wait_iface(&now);
	if (now.iface[0] &&
	    link_restore(&state->link, now.iface, err ? &later : p))
		err = -1;
	return err;
}
