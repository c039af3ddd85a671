// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts into the guest without the VMM: KVM_SIGNAL_MSI on the VM file,
 * from the interrupt's own thread, under the VMM's address space. The argument
 * stands in a scratch page, one entry per vector, so threads do not meet.
 */
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/kvm.h>

#include "kassign.h"

static int probe(struct kassign_guest *guest, void *arg)
{
	const struct kassign_scratch *scratch = arg;
	struct kvm_irq_level *line = scratch->kaddr;

	/* Behind every table of routes: nothing happens to it. */
	line->irq = INT_MAX;
	return kassign_vm_ioctl(guest, KVM_IRQ_LINE, scratch->uaddr);
}

/**
 * kassign_inject_possible - does KVM have the guest's local APICs?
 * @guest: its VMM may have them instead
 *
 * Returns 0, EOPNOTSUPP if it has not, or why it could not be asked.
 */
int kassign_inject_possible(struct kassign_guest *guest)
{
	struct kassign_scratch scratch;
	int err;

	err = kassign_scratch_map(guest, &scratch, sizeof(struct kvm_irq_level));
	if (err)
		return err;
	err = kassign_vmm_run(guest, probe, &scratch);
	kassign_scratch_unmap(guest, &scratch);
	return err == -ENXIO ? -EOPNOTSUPP : err;
}

/**
 * kassign_inject_prepare - room for the arguments
 * @dev: dev->lock held
 * @nr:  vectors
 */
int kassign_inject_prepare(struct kassign_device *dev, unsigned int nr)
{
	return kassign_scratch_map(dev->guest, &dev->irqs.scratch,
				   nr * sizeof(struct kvm_msi));
}

/* What the guest wants to see; false while it has the vector masked. */
static bool get_message(struct kassign_vector *vec, struct kassign_msg *msg)
{
	struct kassign_device *dev = vec->dev;

	if (dev->irqs.index == KASSIGN_IRQ_MSIX)
		return kassign_msix_get(dev, vec->index, msg);
	spin_lock_irq(&dev->msix.lock);
	*msg = dev->irqs.msi;
	spin_unlock_irq(&dev->msix.lock);
	msg->data = (msg->data & ~(dev->irqs.nr - 1)) | vec->index;
	return true;
}

static long signal_msi(struct kassign_guest *guest,
		       const struct kassign_scratch *scratch,
		       unsigned int index, const struct kassign_msg *msg)
{
	struct kvm_msi *arg = (struct kvm_msi *)scratch->kaddr + index;
	long ret;

	*arg = (struct kvm_msi) {
		.address_lo = msg->addr_lo,
		.address_hi = msg->addr_hi,
		.data = msg->data,
	};
	ret = kassign_vmm_enter(guest);
	if (ret)
		return ret;
	ret = kassign_vm_ioctl(guest, KVM_SIGNAL_MSI,
			       scratch->uaddr + index * sizeof(*arg));
	kassign_vmm_leave(guest);
	return ret;
}

/**
 * kassign_inject - deliver one vector
 * @vec: called in its interrupt thread
 */
void kassign_inject(struct kassign_vector *vec)
{
	struct kassign_device *dev = vec->dev;
	struct kassign_msg msg;

	if (kassign_vector_held(vec) || !get_message(vec, &msg))
		return;
	if (signal_msi(dev->guest, &dev->irqs.scratch, vec->index, &msg) < 0)
		vec->failed++;
	else
		vec->count++;
}

/**
 * kassign_inject_kick - deliver what came while an entry was masked
 * @dev:   dev->lock held
 * @entry: MSI-X entry, its vector in use
 */
void kassign_inject_kick(struct kassign_device *dev, unsigned int entry)
{
	struct kassign_irqs *irqs = &dev->irqs;

	if (kassign_msix_pending(dev, entry))
		irq_wake_thread(irqs->vec[entry].irq, &irqs->vec[entry]);
}
