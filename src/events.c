// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to a device from outside: errors of the hardware, and the host that
 * takes it back. A VMM is told by eventfds, which it sets up like interrupts: ERR,
 * REQ.
 *
 * An error that is not fatal is counted and told; the guest goes on. One that is
 * costs a reset of the link, after which the device has lost what its driver knows of
 * it. So the guest is cut off at once, and when the link is up again the device is
 * taken from it, as if it had been pulled out.
 *
 * PCI error recovery: Documentation/PCI/pci-error-recovery.rst of the kernel. Its
 * callbacks come with the device lock held.
 */
#include <linux/eventfd.h>
#include <linux/pci.h>

#include "kassign.h"

static struct kassign_vector *event(struct kassign_device *dev, u32 index)
{
	return &dev->events[index - KASSIGN_IRQ_ERR];
}

void kassign_events_init(struct kassign_device *dev)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dev->events); i++)
		dev->events[i].dev = dev;
}

static void event_redirect(struct kassign_device *dev, u32 index,
			   struct eventfd_ctx *ctx)
{
	ctx = kassign_vector_redirect(event(dev, index), ctx);
	if (ctx)
		eventfd_ctx_put(ctx);
}

/**
 * kassign_event_set - tell of an event by an eventfd
 * @dev:   the device
 * @index: KASSIGN_IRQ_ERR or KASSIGN_IRQ_REQ
 * @fd:    eventfd, -1 for none; what happens then waits for the next one
 */
int kassign_event_set(struct kassign_device *dev, u32 index, s32 fd)
{
	struct eventfd_ctx *ctx = NULL;

	if (fd != -1)
		ctx = eventfd_ctx_fdget(fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	event_redirect(dev, index, ctx);
	return 0;
}

void kassign_event_off(struct kassign_device *dev, u32 index)
{
	event_redirect(dev, index, NULL);
	atomic_set(&event(dev, index)->pending, 0);
}

int kassign_event_loopback(struct kassign_device *dev, u32 index, u32 start,
			   u32 count)
{
	if (start || count != 1)
		return -EINVAL;
	kassign_vector_signal(event(dev, index));
	return 0;
}

/**
 * kassign_events_end - the last one: the device is the guest's no more
 * @dev: the device, dev->lock held
 */
void kassign_events_end(struct kassign_device *dev)
{
	kassign_vector_signal(event(dev, KASSIGN_IRQ_REQ));
	kassign_event_off(dev, KASSIGN_IRQ_ERR);
	kassign_event_off(dev, KASSIGN_IRQ_REQ);
}

/* ---- errors ---- */

/*
 * Memslots go before the mappings behind them: a guest that accesses a slot with nothing
 * behind it is stopped by KVM (EFAULT), while an access to none is an exit.
 */
static void cut_off(struct kassign_device *dev)
{
	mutex_lock(&dev->lock);
	dev->broken = true;
	pci_clear_master(dev->pdev);
	kassign_bars_update(dev);
	mutex_unlock(&dev->lock);
	kassign_bars_zap(dev);
}

static void error_happened(struct kassign_device *dev, bool fatal)
{
	atomic64_inc(&dev->errors);
	kassign_vector_signal(event(dev, KASSIGN_IRQ_ERR));
	pci_warn(dev->pdev, "%s error%s\n", fatal ? "fatal" : "recoverable",
		 fatal ? "; it will be taken from its guest" : "");
	if (fatal)
		cut_off(dev);
}

static pci_ers_result_t error_detected(struct pci_dev *pdev,
				       pci_channel_state_t state)
{
	struct kassign_device *dev = kassign_device_assigned(pdev);

	if (dev && state == pci_channel_io_perm_failure) {
		cut_off(dev);
		kassign_device_release_locked(dev);
	} else if (dev) {
		error_happened(dev, state == pci_channel_io_frozen);
	}
	if (dev)
		kassign_device_put(dev);
	switch (state) {
	case pci_channel_io_normal:
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

/* The link is up again; the function has nothing of its configuration left. */
static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	struct kassign_device *dev = kassign_device_assigned(pdev);

	if (dev) {
		kassign_device_release_locked(dev);
		kassign_device_put(dev);
	} else {
		pci_restore_state(pdev);
		pci_save_state(pdev);
	}
	return PCI_ERS_RESULT_RECOVERED;
}

const struct pci_error_handlers kassign_error_handlers = {
	.error_detected	= error_detected,
	.slot_reset	= slot_reset,
};
