// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device to device: where the guest sees a BAR directly, its other devices see it too,
 * at the same guest-physical address. As in a machine, a driver may then let one device
 * write into another.
 *
 * The mapping goes before the memslot does, hence before the BAR is moved or switched
 * off, before every reset and before the device is taken from the guest. Pages that are
 * trapped (MSI-X table and PBA) are in no memslot, so no peer reaches them either.
 */
#include <linux/iommu.h>

#include "kassign.h"

/*
 * Memory that was there may still be mapped (removals wait for a quiet moment); what the
 * IOMMU wants for itself never is, nor what it does not translate.
 */
static bool is_free(struct kassign_guest *guest, u64 start, u64 end)
{
	struct kassign_mirror *mirror = &guest->mirror;

	return end - 1 <= guest->domain->geometry.aperture_end &&
	       !kassign_regions_find(&mirror->cur, start, end) &&
	       !kassign_regions_find(&mirror->resv, start, end) &&
	       !kassign_regions_find(&mirror->peers, start, end);
}

/*
 * Listed before it is mapped, and as long: a VMM that puts memory there, in place of the
 * memslot that we made, finds it left out. The notifier may watch more than is mapped,
 * and would take what is there now for memory that has changed.
 */
static int map_listed(struct kassign_guest *guest, const struct kassign_vmslot *slot,
		      u64 phys)
{
	const struct kassign_region r = {
		.gpa = slot->gpa,
		.npages = slot->size >> PAGE_SHIFT,
	};
	struct kassign_regions *peers = &guest->mirror.peers;
	int err;

	err = kassign_regions_add(peers, &r);
	if (err)
		return err;
	err = kassign_follow_publish(&guest->mirror);
	if (!err)
		err = kassign_iommu_map(guest->domain, slot->gpa, phys, slot->size,
					IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO);
	if (err)
		kassign_regions_del(peers, slot->gpa);
	return err;
}

/**
 * kassign_peer_map - let the guest's devices reach a piece of a BAR
 * @guest: the guest
 * @slot:  shows it to the guest
 * @phys:  where it is
 *
 * Where that is not possible, devices do not reach it: no error for the guest, whose
 * CPUs do.
 */
void kassign_peer_map(struct kassign_guest *guest, struct kassign_vmslot *slot,
		      u64 phys)
{
	struct kassign_mirror *mirror = &guest->mirror;

	mutex_lock(&mirror->lock);
	if (mirror->active && is_free(guest, slot->gpa, slot->gpa + slot->size))
		slot->peers = !map_listed(guest, slot, phys);
	mutex_unlock(&mirror->lock);
}

/**
 * kassign_peer_unmap - undo kassign_peer_map(), if it did something
 * @guest: the guest
 * @slot:  the same
 *
 * No DMA of another device is under way to it when this returns.
 */
void kassign_peer_unmap(struct kassign_guest *guest, struct kassign_vmslot *slot)
{
	struct kassign_mirror *mirror = &guest->mirror;

	if (!slot->peers)
		return;
	mutex_lock(&mirror->lock);
	iommu_unmap(guest->domain, slot->gpa, slot->size);
	kassign_regions_del(&mirror->peers, slot->gpa);
	kassign_mirror_put_off(mirror);	/* Is there memory by now? */
	mutex_unlock(&mirror->lock);
	slot->peers = false;
}
