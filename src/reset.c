// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets of the hardware.
 *
 * The kernel resets a function in the best way the function has by itself: FLR, AF, PM,
 * or its bus if nothing else is on it. Functions without any of these that share a bus
 * are reset here, all at once by the bus (or the slot it is), and only if nobody would
 * notice: each of the others is bound to us and free, or the same guest's and not used
 * since that guest asked for its reset. So a guest that reboots resets the bus with the
 * last of them. That a function has no driver does not mean that the host does not use it.
 *
 * The locks of the others are only tried, since whoever resets one of them holds that
 * one's and tries ours.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci_hotplug.h>

#include "kassign.h"

#define MAX_OTHERS	31
#define TRY_MS		20

/**
 * struct bus_reset - the functions that a reset of a bus would hit
 * @self:	on whose behalf; its device lock is held
 * @guest:	may have others of them too
 * @nr:		how many of @other
 * @other:	locked
 */
struct bus_reset {
	struct pci_dev *self;
	struct kassign_guest *guest;
	unsigned int nr;
	struct pci_dev *other[MAX_OTHERS];
};

static bool is_bound(const struct pci_dev *pdev)
{
	return pdev->dev.driver == &kassign_pci_driver.driver;
}

/* Its assignment; does not change while its device lock is held */
static struct kassign_device *assignment(struct pci_dev *pdev)
{
	struct kassign_bound *bound = is_bound(pdev) ? pci_get_drvdata(pdev) : NULL;

	return bound ? bound->assigned : NULL;
}

/* ---- who would notice ---- */

/* On success it stays quiet: its lock is held. */
static int lock_quiet(struct kassign_device *dev, struct kassign_guest *guest)
{
	if (dev->guest != guest)
		return -EBUSY;
	if (!mutex_trylock(&dev->lock))
		return -EAGAIN;
	if (dev->quiet && !dev->broken && dev->irqs.index < 0)
		return 0;
	mutex_unlock(&dev->lock);
	return -EBUSY;
}

static int lock_unused(struct pci_dev *pdev, struct kassign_guest *guest)
{
	struct kassign_device *dev;
	int err = 0;

	if (!pci_dev_trylock(pdev))
		return -EAGAIN;
	dev = assignment(pdev);
	if (dev)
		err = lock_quiet(dev, guest);
	else if (!is_bound(pdev) || pci_num_vf(pdev))
		err = -EBUSY;
	if (err)
		pci_dev_unlock(pdev);
	return err;
}

static int take_other(struct bus_reset *reset, struct pci_dev *pdev)
{
	int err;

	if (pdev->subordinate || pdev->is_virtfn || reset->nr == MAX_OTHERS ||
	    pdev->dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET)
		return -ENOTTY;
	err = lock_unused(pdev, reset->guest);
	if (!err)
		reset->other[reset->nr++] = pci_dev_get(pdev);
	return err;
}

/* Not by pci_walk_bus(), whose lock an error handler that we wait for may hold. */
static int take_others(struct bus_reset *reset)
{
	struct pci_dev *pdev = NULL;
	int err = 0;

	for_each_pci_dev(pdev) {
		if (pdev->bus != reset->self->bus || pdev == reset->self)
			continue;
		err = take_other(reset, pdev);
		if (err)
			break;
	}
	pci_dev_put(pdev);
	return err;
}

static void give_back(struct bus_reset *reset)
{
	struct kassign_device *dev;
	unsigned int i;

	for (i = 0; i < reset->nr; i++) {
		dev = assignment(reset->other[i]);
		if (dev)
			mutex_unlock(&dev->lock);
		pci_dev_unlock(reset->other[i]);
		pci_dev_put(reset->other[i]);
	}
}

/* ---- the reset ---- */

static void turn_off(struct pci_dev *pdev)
{
	pci_write_config_word(pdev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
}

static void prepare(struct pci_dev *pdev)
{
	pci_set_power_state(pdev, PCI_D0);
	pci_save_state(pdev);
	turn_off(pdev);
}

static void prepare_other(struct pci_dev *pdev)
{
	struct kassign_device *dev = assignment(pdev);

	if (dev) {
		/* Nobody may touch the BARs while the reset has decoding off. */
		kassign_bars_zap(dev);
		kassign_intx_suspend(dev);
		prepare(pdev);
	} else if (pdev->state_saved) {
		/* Good since it was bound; the hardware may have lost it by an error. */
		turn_off(pdev);
	} else {
		prepare(pdev);
	}
}

static void finish_other(struct pci_dev *pdev, bool done)
{
	struct kassign_device *dev = assignment(pdev);
	struct kassign_bound *bound;

	pci_restore_state(pdev);
	if (dev) {
		dev->resets += done;
		kassign_intx_sync(dev);
		kassign_bars_revive(dev);
	} else if (is_bound(pdev)) {
		bound = pci_get_drvdata(pdev);
		bound->clean |= done;
		pci_save_state(pdev);	/* for kassign_error_handlers */
	}
}

/* A slot that can be plugged must not take it for unplugging, so it does it itself. */
static int reset_bus_or_slot(struct pci_dev *pdev)
{
	struct hotplug_slot *slot = pdev->slot ? pdev->slot->hotplug : NULL;
	int err = -ENOTTY;

	if (!slot || !slot->ops->reset_slot)
		return pci_bridge_secondary_bus_reset(pdev->bus->self);
	if (try_module_get(slot->owner)) {
		err = slot->ops->reset_slot(slot, false);
		module_put(slot->owner);
	}
	return err;
}

static int reset_all(struct bus_reset *reset)
{
	struct pci_dev *bridge = reset->self->bus->self;
	unsigned int i;
	int err;

	/* Held by whoever resets below this bridge, perhaps waiting for us. */
	if (!pci_cfg_access_trylock(bridge))
		return -EAGAIN;
	for (i = 0; i < reset->nr; i++)
		prepare_other(reset->other[i]);
	prepare(reset->self);
	err = reset_bus_or_slot(reset->self);
	pci_restore_state(reset->self);
	for (i = 0; i < reset->nr; i++)
		finish_other(reset->other[i], !err);
	pci_cfg_access_unlock(bridge);
	return err;
}

static int try_reset_bus(struct kassign_device *dev)
{
	struct bus_reset reset = { .self = dev->pdev, .guest = dev->guest };
	int err = take_others(&reset);

	/* Alone on its bus the kernel has tried. */
	if (!err)
		err = reset.nr ? reset_all(&reset) : -ENOTTY;
	give_back(&reset);
	return err;
}

/*
 * Of two functions that wait for each other, the one with the higher number gives up
 * first; if it is to be released, it is free then, and reset with the other.
 */
static int reset_bus(struct kassign_device *dev)
{
	struct pci_dev *pdev = dev->pdev, *bridge = pdev->bus->self;
	unsigned int tries = 5 * (8 - PCI_FUNC(pdev->devfn));
	int err;

	if (pci_is_root_bus(pdev->bus) || !bridge || pdev->is_virtfn ||
	    (bridge->dev_flags | pdev->dev_flags) & PCI_DEV_FLAGS_NO_BUS_RESET)
		return -ENOTTY;
	if (pci_num_vf(pdev))
		return -EBUSY;
	for (;;) {
		err = try_reset_bus(dev);
		if (err != -EAGAIN)
			return err;
		if (!--tries)
			return -EBUSY;
		msleep(TRY_MS);
	}
}

/**
 * kassign_reset_hardware - reset a function
 * @dev: device lock held; nothing of the guest reaches its BARs, its interrupts are off
 *
 * Errors: ENOTTY (it has no reset), EBUSY (it is reset together with others, and one of
 * them is in use), ENODEV (it was pulled out), EIO (its link is broken, and the kernel's
 * error handling resets that), or what the kernel says.
 */
int kassign_reset_hardware(struct kassign_device *dev)
{
	int err;

	/* One that was pulled out is not waited for. */
	if (!pci_device_is_present(dev->pdev))
		return -ENODEV;
	if (dev->broken)
		return -EIO;
	err = pci_reset_function_locked(dev->pdev);
	if (err == -ENOTTY)
		err = reset_bus(dev);
	if (!err)
		dev->resets++;
	return err;
}
