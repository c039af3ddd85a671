// SPDX-License-Identifier: GPL-2.0-only
/*
 * INTx, the interrupt line of a device.
 *
 * A line is level triggered: it stays up until the guest's driver has served the
 * device. So the host masks it when it comes, and opens it again when the guest
 * is done: the VMM says so (UNMASK), or an eventfd that KVM signals at the guest's
 * end of interrupt (RESAMPLE). If the device still has its line up then, that is
 * the next interrupt.
 *
 * Devices that can (PCI 2.3) are masked by their own command register, so that
 * others may share the line; the rest have the line for themselves, and it is
 * masked at the interrupt controller.
 *
 * The line is apart from the vectors of MSI and MSI-X (irq.c): a VMM may keep it
 * set up while the guest has those enabled, as QEMU does when the module injects
 * MSI-X. Meanwhile it is suspended.
 *
 * Functions run under dev->lock unless said otherwise. The handler, and whoever
 * signals the resample eventfd, take @lock only. They change the command register
 * by one atomic step each; the kernel's pci_set_master() does not, so
 * kassign_intx_sync() has the last word after those.
 */
#include <linux/file.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/poll.h>

#include "kassign.h"

static bool intx_exclusive;
module_param(intx_exclusive, bool, 0644);
MODULE_PARM_DESC(intx_exclusive,
		 "Mask INTx at the interrupt controller, not in the device: for devices whose own mask does not work");

/* ---- the line itself, under intx->lock ---- */

static bool may_pass(const struct kassign_intx *intx)
{
	return intx->irq && !intx->masked && !intx->guest_off &&
	       !intx->suspended;
}

static void close_line(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;

	if (intx->shared) {
		/* With MSI on it is silent, and on some its bit turns MSI off. */
		if (!intx->suspended)
			pci_intx(dev->pdev, 0);
	} else if (intx->irq && !intx->closed) {
		disable_irq_nosync(intx->irq);
		intx->closed = true;
	}
}

/* False if the device has its line up still: then it is not opened. */
static bool open_line(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;

	if (intx->shared)
		return pci_check_and_unmask_intx(dev->pdev);
	if (intx->closed) {
		intx->closed = false;
		enable_irq(intx->irq);
	}
	return true;
}

/* Makes the hardware as it should be. */
static void apply(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;

	if (!may_pass(intx)) {
		close_line(dev);
	} else if (!open_line(dev)) {
		intx->masked = true;
		intx->raised = true;
		irq_wake_thread(intx->irq, dev);
	}
}

/* The device has its line up: masks it. False if it was another device. */
static bool take(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;

	if (intx->shared)
		return pci_check_and_mask_intx(dev->pdev);
	close_line(dev);
	return true;
}

/* Is there an interrupt that was found at the end of the last one? Once. */
static bool take_raised(struct kassign_intx *intx)
{
	bool raised = intx->raised;

	intx->raised = false;
	return raised;
}

/*
 * With threadirqs this is what irq_wake_thread() wakes, so it may be called for what is
 * raised already.
 */
static irqreturn_t intx_hard(int irq, void *data)
{
	struct kassign_device *dev = data;
	struct kassign_intx *intx = &dev->intx;
	bool deliver, ours = false;
	unsigned long flags;

	spin_lock_irqsave(&intx->lock, flags);
	deliver = take_raised(intx);
	/* With MSI on it is another device's. */
	if (!intx->shared || !intx->suspended)
		ours = take(dev);
	if (ours && may_pass(intx)) {
		intx->masked = true;
		deliver = true;
	}
	spin_unlock_irqrestore(&intx->lock, flags);
	if (deliver)
		kassign_vector_signal(&intx->vec);
	return ours || deliver ? IRQ_HANDLED : IRQ_NONE;
}

static irqreturn_t intx_thread(int irq, void *data)
{
	struct kassign_device *dev = data;
	struct kassign_intx *intx = &dev->intx;
	unsigned long flags;
	bool deliver;

	spin_lock_irqsave(&intx->lock, flags);
	deliver = take_raised(intx);
	spin_unlock_irqrestore(&intx->lock, flags);
	if (deliver)
		kassign_vector_signal(&intx->vec);
	return IRQ_HANDLED;
}

/* ---- the end of an interrupt ---- */

static void set_masked(struct kassign_device *dev, bool mask)
{
	struct kassign_intx *intx = &dev->intx;
	unsigned long flags;

	spin_lock_irqsave(&intx->lock, flags);
	intx->masked = mask;
	apply(dev);
	spin_unlock_irqrestore(&intx->lock, flags);
}

/* In whatever context somebody signals the eventfd, its lock held */
static int resampled(wait_queue_entry_t *wait, unsigned int mode, int sync,
		     void *key)
{
	struct kassign_device *dev = container_of(wait, struct kassign_device,
						  intx.wait);
	u64 count;

	if (!(key_to_poll(key) & EPOLLIN))
		return 0;
	eventfd_ctx_do_read(dev->intx.resample, &count);
	set_masked(dev, false);
	return 0;
}

struct resample_poll {
	poll_table table;
	struct kassign_device *dev;
};

static void resample_queue(struct file *file, wait_queue_head_t *head,
			   poll_table *table)
{
	struct resample_poll *poll = container_of(table, struct resample_poll,
						  table);

	add_wait_queue(head, &poll->dev->intx.wait);
}

static void drop_resample(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;
	u64 count;

	if (!intx->resample)
		return;
	eventfd_ctx_remove_wait_queue(intx->resample, &intx->wait, &count);
	eventfd_ctx_put(intx->resample);
	intx->resample = NULL;
}

static int add_resample(struct kassign_device *dev, s32 fd)
{
	struct kassign_intx *intx = &dev->intx;
	struct resample_poll poll = { .dev = dev };
	struct eventfd_ctx *ctx;
	struct file *file;

	file = eventfd_fget(fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ctx = eventfd_ctx_fileget(file);
	/* One that it signals itself would never end. */
	if (ctx == rcu_access_pointer(intx->vec.trigger)) {
		eventfd_ctx_put(ctx);
		fput(file);
		return -EINVAL;
	}
	intx->resample = ctx;
	init_waitqueue_func_entry(&intx->wait, resampled);
	init_poll_funcptr(&poll.table, resample_queue);
	/* It may have been signalled already. */
	if (vfs_poll(file, &poll.table) & EPOLLIN)
		set_masked(dev, false);
	fput(file);
	return 0;
}

/**
 * kassign_intx_resample - let an eventfd tell that the guest is done
 * @dev: the device
 * @fd:  eventfd, -1 for none
 *
 * Without one the BARs are trapped while INTx is in use, since a VMM that
 * cannot know the guest's end of interrupt takes an access for it.
 */
int kassign_intx_resample(struct kassign_device *dev, s32 fd)
{
	int err = 0;

	if (!dev->intx.irq)
		return -EINVAL;
	drop_resample(dev);
	if (fd != -1)
		err = add_resample(dev, fd);
	kassign_bars_update(dev);
	return err;
}

/**
 * kassign_intx_mask - what the VMM wants
 * @dev:  the device
 * @mask: true: no interrupt until further notice; false: the guest is done
 */
int kassign_intx_mask(struct kassign_device *dev, bool mask)
{
	if (!dev->intx.irq)
		return -EINVAL;
	set_masked(dev, mask);
	return 0;
}

/* As if the device had raised it */
int kassign_intx_loopback(struct kassign_device *dev, u32 start, u32 count)
{
	if (!dev->intx.irq || start || count != 1)
		return -EINVAL;
	kassign_vector_signal(&dev->intx.vec);
	return 0;
}

/* ---- on and off ---- */

static int request_line(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;
	int err;

	snprintf(intx->vec.name, sizeof(intx->vec.name), "kassign-%s-intx",
		 pci_name(dev->pdev));
	intx->vec.dev = dev;
	intx->masked = false;
	intx->closed = false;
	intx->irq = intx->line;		/* it may come at once */
	err = request_threaded_irq(intx->line, intx_hard, intx_thread,
				   intx->shared ? IRQF_SHARED : 0,
				   intx->vec.name, dev);
	if (err)
		intx->irq = 0;
	return err;
}

/**
 * kassign_intx_set - deliver the line to an eventfd
 * @dev: the device
 * @fd:  eventfd; -1 for none: an interrupt waits until there is one
 *
 * Returns -EBUSY if the line is used by another device on the host and this one
 * cannot share it.
 */
int kassign_intx_set(struct kassign_device *dev, s32 fd)
{
	struct kassign_intx *intx = &dev->intx;
	struct eventfd_ctx *ctx = NULL;
	int err = 0;

	if (!intx->line)
		return -EINVAL;
	if (fd != -1)
		ctx = eventfd_ctx_fdget(fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	if (ctx && ctx == intx->resample)
		err = -EINVAL;
	if (!err && !intx->irq)
		err = request_line(dev);
	if (!err)
		ctx = kassign_vector_redirect(&intx->vec, ctx);
	if (ctx)
		eventfd_ctx_put(ctx);
	if (err)
		return err;
	kassign_intx_sync(dev);
	kassign_bars_update(dev);
	return 0;
}

/**
 * kassign_intx_off - no more interrupts of the line
 * @dev: the device
 */
void kassign_intx_off(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;
	struct eventfd_ctx *ctx;

	if (!intx->irq)
		return;
	drop_resample(dev);
	set_masked(dev, true);
	free_irq(intx->irq, dev);
	intx->irq = 0;
	intx->raised = false;
	ctx = kassign_vector_redirect(&intx->vec, NULL);
	if (ctx)
		eventfd_ctx_put(ctx);
	atomic_set(&intx->vec.pending, 0);
	dev->irqs.irqs += intx->vec.count;
	intx->vec.count = 0;
}

/**
 * kassign_intx_suspend - what the device says of its line means nothing for a while
 * @dev: the device, about to be reset
 *
 * Until kassign_intx_sync().
 */
void kassign_intx_suspend(struct kassign_device *dev)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->intx.lock, flags);
	dev->intx.suspended = true;
	spin_unlock_irqrestore(&dev->intx.lock, flags);
}

/**
 * kassign_intx_sync - the hardware's own view of the line may have changed
 * @dev: the device
 *
 * After a reset, after MSI has gone, and after every write of the guest to its
 * command register.
 */
void kassign_intx_sync(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;
	bool traps = kassign_intx_needs_traps(dev);
	unsigned long flags;

	spin_lock_irqsave(&intx->lock, flags);
	intx->guest_off = kassign_config_command(dev) & PCI_COMMAND_INTX_DISABLE;
	intx->suspended = dev->irqs.index >= 0;
	apply(dev);
	spin_unlock_irqrestore(&intx->lock, flags);
	if (traps != kassign_intx_needs_traps(dev))
		kassign_bars_update(dev);
}

/**
 * kassign_intx_needs_traps - must every access to the BARs be seen by the VMM?
 * @dev: the device
 */
bool kassign_intx_needs_traps(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;

	return intx->irq && !intx->resample && !intx->suspended;
}

/**
 * kassign_intx_init - find the line of a function
 * @dev: enabled
 *
 * The function is left with its line masked.
 */
void kassign_intx_init(struct kassign_device *dev)
{
	struct kassign_intx *intx = &dev->intx;
	struct pci_dev *pdev = dev->pdev;

	if (pdev->pin && pdev->irq > 0 && pdev->irq != IRQ_NOTCONNECTED)
		intx->line = pdev->irq;
	intx->shared = pci_intx_mask_supported(pdev) && !intx_exclusive;
	if (intx->shared)
		pci_intx(pdev, 0);
}
