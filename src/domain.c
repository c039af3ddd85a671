// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU groups and the guest's one domain.
 *
 * A group is claimed for the guest before anything else: from then on DMA of
 * all its devices is blocked, and no host driver can bind to any of them. Then
 * it is attached to the guest's domain; further devices of the guest join the
 * same domain, so memory is mapped once.
 */
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "kassign.h"

static atomic64_t domain_ids = ATOMIC64_INIT(0);

/* Finds a group member that a host driver uses for DMA. */
static int find_foreign(struct device *dev, void *data)
{
	struct device **found = data;

	if (!dev->driver || dev->driver == &kassign_pci_driver.driver)
		return 0;
	if (dev_is_pci(dev) && to_pci_driver(dev->driver)->driver_managed_dma)
		return 0;
	*found = dev;
	return 1;
}

static int explain_claim(struct kassign_device *dev, struct iommu_group *group,
			 int err, struct kassign_reason *reason)
{
	struct device *foreign = NULL;

	iommu_group_for_each_dev(group, &foreign, find_foreign);
	if (foreign)
		return kassign_fail(reason, -EBUSY,
				    "IOMMU group %d of %s also holds %s, which the host uses with driver %s; unbind that too",
				    iommu_group_id(group), pci_name(dev->pdev),
				    dev_name(foreign), dev_driver_string(foreign));
	if (err == -EPERM || err == -EBUSY)
		return kassign_fail(reason, -EBUSY,
				    "IOMMU group %d of %s belongs to another guest or to VFIO",
				    iommu_group_id(group), pci_name(dev->pdev));
	return kassign_fail(reason, err,
			    "IOMMU group %d of %s cannot be claimed (errno %d)",
			    iommu_group_id(group), pci_name(dev->pdev), -err);
}

static int check_msi(struct kassign_device *dev, struct iommu_group *group,
		     struct kassign_reason *reason)
{
	if (kassign_isolated_msi(&dev->pdev->dev, group))
		return 0;
	if (!kassign_unsafe_interrupts)
		return kassign_fail(reason, -EPERM,
				    "the IOMMU does not remap interrupts, so the guest could raise any host interrupt; enable interrupt remapping in the firmware, or load kassign with allow_unsafe_interrupts=1");
	pci_warn(dev->pdev, "assigned without interrupt remapping\n");
	add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	return 0;
}

static struct kassign_group *find_group(struct kassign_guest *guest,
					struct iommu_group *group)
{
	struct kassign_group *kg;

	list_for_each_entry(kg, &guest->groups, node)
		if (kg->group == group)
			return kg;
	return NULL;
}

/* Takes over the caller's reference to @group. */
static struct kassign_group *claim_group(struct kassign_device *dev,
					 struct iommu_group *group,
					 struct kassign_reason *reason)
{
	struct kassign_group *kg;
	int err;

	if (!device_iommu_capable(&dev->pdev->dev, IOMMU_CAP_CACHE_COHERENCY))
		return ERR_PTR(kassign_fail(reason, -EOPNOTSUPP,
					    "DMA of %s is not coherent with the caches",
					    pci_name(dev->pdev)));
	err = check_msi(dev, group, reason);
	if (err)
		return ERR_PTR(err);
	kg = kzalloc(sizeof(*kg), GFP_KERNEL_ACCOUNT);
	if (!kg)
		return ERR_PTR(-ENOMEM);
	err = iommu_group_claim_dma_owner(group, dev->guest);
	if (err) {
		kfree(kg);
		return ERR_PTR(explain_claim(dev, group, err, reason));
	}
	kg->group = group;
	list_add_tail(&kg->node, &dev->guest->groups);
	return kg;
}

/**
 * kassign_domain_join - own the device's group
 * @dev:    the device; guest->lock held
 * @reason: out: why not
 *
 * On success DMA of the group is blocked, or already translated when the group
 * was the guest's before. Undone by kassign_domain_leave().
 */
int kassign_domain_join(struct kassign_device *dev,
			struct kassign_reason *reason)
{
	struct iommu_group *group = iommu_group_get(&dev->pdev->dev);
	struct kassign_group *kg;

	if (!group)
		return kassign_fail(reason, -EOPNOTSUPP,
				    "no IOMMU translates %s; enable VT-d or AMD-Vi in the firmware and boot with intel_iommu=on",
				    pci_name(dev->pdev));
	kg = find_group(dev->guest, group);
	if (kg) {
		iommu_group_put(group);
	} else {
		kg = claim_group(dev, group, reason);
		if (IS_ERR(kg)) {
			iommu_group_put(group);
			return PTR_ERR(kg);
		}
	}
	kg->devices++;
	dev->group = kg;
	return 0;
}

/* RMRRs and the MSI window must never be mapped as memory. */
static int reserve_ranges(struct kassign_guest *guest, struct iommu_group *group)
{
	struct iommu_resv_region *resv, *next;
	LIST_HEAD(list);
	int err;

	err = iommu_get_group_resv_regions(group, &list);
	list_for_each_entry_safe(resv, next, &list, list) {
		if (!err && resv->type != IOMMU_RESV_DIRECT_RELAXABLE)
			err = kassign_mirror_reserve(guest, resv->start,
						     resv->length);
		list_del(&resv->list);
		kfree(resv);
	}
	return err;
}

/* Called by AMD's driver; Intel's only writes to the kernel log. Atomic. */
static int dma_fault(struct iommu_domain *domain, struct device *faulty,
		     unsigned long iova, int flags, void *token)
{
	struct kassign_guest *guest = token;
	struct kassign_device *dev;
	unsigned long irq_flags;

	spin_lock_irqsave(&guest->fault_lock, irq_flags);
	list_for_each_entry(dev, &guest->devices, guest_node)
		if (&dev->pdev->dev == faulty)
			kassign_device_fault(dev, 1, iova);
	spin_unlock_irqrestore(&guest->fault_lock, irq_flags);
	/* Not handled: the driver goes on to log it. */
	return -ENOSYS;
}

static int attach_group(struct kassign_device *dev, struct kassign_reason *reason)
{
	struct kassign_guest *guest = dev->guest;
	int err;

	err = reserve_ranges(guest, dev->group->group);
	if (err)
		return err;
	err = iommu_attach_group(guest->domain, dev->group->group);
	if (err == -EINVAL)
		return kassign_fail(reason, -EXDEV,
				    "%s cannot join the guest's IOMMU domain: it sits behind an IOMMU of another kind than the guest's other devices",
				    pci_name(dev->pdev));
	if (err)
		return kassign_fail(reason, err,
				    "%s cannot join the guest's IOMMU domain (errno %d)",
				    pci_name(dev->pdev), -err);
	dev->group->attached = true;
	return 0;
}

static void detach_group(struct kassign_guest *guest, struct kassign_group *kg)
{
	if (kg->attached)
		iommu_detach_group(guest->domain, kg->group);
	kg->attached = false;
}

/**
 * kassign_domain_attach - let the device reach the guest's memory
 * @dev:    a device that joined; guest->lock held
 * @reason: out: why not
 *
 * The first device makes the domain, pins and maps everything (which takes
 * time and can be interrupted).
 */
int kassign_domain_attach(struct kassign_device *dev,
			  struct kassign_reason *reason)
{
	struct kassign_guest *guest = dev->guest;
	bool first = !guest->domain;
	int err;

	if (dev->group->attached)
		return 0;
	if (first) {
		guest->domain = kassign_iommu_domain_alloc(&dev->pdev->dev);
		if (IS_ERR(guest->domain)) {
			err = PTR_ERR(guest->domain);
			guest->domain = NULL;
			return kassign_fail(reason, err,
					    "no IOMMU domain could be made (errno %d)",
					    -err);
		}
		iommu_set_fault_handler(guest->domain, dma_fault, guest);
		guest->domain_id = atomic64_inc_return(&domain_ids);
	}
	err = attach_group(dev, reason);
	if (err)
		goto err_domain;
	if (first)
		err = kassign_mirror_start(guest, reason);
	else
		err = kassign_mirror_sync(guest, true, reason);
	if (!err)
		return 0;
	detach_group(guest, dev->group);
err_domain:
	if (first) {
		kassign_mirror_stop(guest);
		iommu_domain_free(guest->domain);
		guest->domain = NULL;
	}
	return err;
}

/**
 * kassign_domain_leave - undo join and attach
 * @dev: quiesced and reset; guest->lock held
 *
 * The device's DMA is blocked first; the last one then has everything unmapped
 * and unpinned; then the group goes back to the host.
 */
void kassign_domain_leave(struct kassign_device *dev)
{
	struct kassign_guest *guest = dev->guest;
	struct kassign_group *kg = dev->group;

	dev->group = NULL;
	if (--kg->devices)
		return;
	detach_group(guest, kg);
	list_del(&kg->node);
	if (guest->domain && list_empty(&guest->groups)) {
		kassign_mirror_stop(guest);
		iommu_domain_free(guest->domain);
		guest->domain = NULL;
	}
	iommu_group_release_dma_owner(kg->group);
	iommu_group_put(kg->group);
	kfree(kg);
}
