// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs: trapped accesses, mappings, and the memslots that let the guest reach
 * them without an exit.
 *
 * The pages that hold the MSI-X table or PBA are never mapped by anybody: with
 * them a guest could program host interrupts. They are served from the virtual
 * table (msix.c). A mapping is filled by page faults, so that all of them, the
 * guest's included, can be taken back at once (kassign_bars_zap()).
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "kassign.h"

#define BAR_PGOFF_SHIFT		(KASSIGN_REGION_SHIFT - PAGE_SHIFT)

/* ---- mappings ---- */

static unsigned long fault_pfn(const struct vm_fault *vmf)
{
	struct kassign_device *dev = vmf->vma->vm_private_data;
	unsigned int index = vmf->pgoff >> BAR_PGOFF_SHIFT;

	return PHYS_PFN(pci_resource_start(dev->pdev, index)) +
	       (vmf->pgoff & ((1UL << BAR_PGOFF_SHIFT) - 1));
}

static vm_fault_t bar_fault(struct vm_fault *vmf)
{
	struct kassign_device *dev = vmf->vma->vm_private_data;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&dev->bar_sem);
	if (dev->bars_live)
		ret = vmf_insert_pfn(vmf->vma, vmf->address, fault_pfn(vmf));
	up_read(&dev->bar_sem);
	return ret;
}

/* One entry for 2 MiB or 1 GiB, if all of it lies in the mapping */
static vm_fault_t __maybe_unused bar_huge_fault(struct vm_fault *vmf,
						unsigned int order)
{
	struct kassign_device *dev = vmf->vma->vm_private_data;
	unsigned long size = PAGE_SIZE << order;
	unsigned long addr = ALIGN_DOWN(vmf->address, size);
	unsigned long pfn = fault_pfn(vmf) - PHYS_PFN(vmf->address - addr);
	vm_fault_t ret = VM_FAULT_FALLBACK;

	if (addr < vmf->vma->vm_start || size > vmf->vma->vm_end - addr ||
	    !IS_ALIGNED(pfn, 1UL << order))
		return ret;
	down_read(&dev->bar_sem);
	if (dev->bars_live)
		ret = kassign_insert_huge(vmf, pfn, order);
	up_read(&dev->bar_sem);
	return ret;
}

static const struct vm_operations_struct bar_vm_ops = {
	.fault = bar_fault,
	KASSIGN_HUGE_FAULT(bar_huge_fault)
};

static bool in_area(const struct kassign_bar *bar, u64 off, u64 size)
{
	unsigned int i;

	for (i = 0; i < bar->nr_areas; i++)
		if (off >= bar->areas[i].offset &&
		    size <= bar->areas[i].size &&
		    off - bar->areas[i].offset <= bar->areas[i].size - size)
			return true;
	return false;
}

/**
 * kassign_bar_mmap - map a piece of a BAR
 * @dev: the device
 * @vma: offset and size must lie in one of the areas of the region's info
 *
 * Called with the mmap_lock held, so takes no lock of ours; what it reads does
 * not change during an assignment.
 */
int kassign_bar_mmap(struct kassign_device *dev, struct vm_area_struct *vma)
{
	unsigned int index = vma->vm_pgoff >> BAR_PGOFF_SHIFT;
	u64 off = (u64)(vma->vm_pgoff & ((1UL << BAR_PGOFF_SHIFT) - 1)) << PAGE_SHIFT;

	if (index > KASSIGN_REGION_BAR5 || !(vma->vm_flags & VM_SHARED) ||
	    !in_area(&dev->bar[index], off, vma->vm_end - vma->vm_start))
		return -EINVAL;
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND |
			  VM_DONTDUMP);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_private_data = dev;
	vma->vm_ops = &bar_vm_ops;
	return 0;
}

static int bar_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	return kassign_bar_mmap(file->private_data, vma);
}

static int bar_file_release(struct inode *inode, struct file *file)
{
	kassign_device_put(file->private_data);
	return 0;
}

/* What the VMM has mapped must not keep the device fd open: a file apart. */
static const struct file_operations bar_file_fops = {
	.owner	 = THIS_MODULE,
	.mmap	 = bar_file_mmap,
	.release = bar_file_release,
};

/**
 * kassign_bars_zap - take all mappings of the device's BARs back
 * @dev: dev->lock may be held, mmap_lock not
 *
 * Afterwards an access gives SIGBUS. There must be no memslots of it any more: a guest's
 * access would end KVM_RUN with EFAULT.
 */
void kassign_bars_zap(struct kassign_device *dev)
{
	down_write(&dev->bar_sem);
	dev->bars_live = false;
	up_write(&dev->bar_sem);
	if (dev->inode)
		unmap_mapping_range(dev->inode->i_mapping, 0, 0, true);
}

void kassign_bars_revive(struct kassign_device *dev)
{
	down_write(&dev->bar_sem);
	dev->bars_live = !dev->broken;
	up_write(&dev->bar_sem);
}

/* ---- trapped accesses ---- */

/* @wide: 8 bytes in one piece, which ports cannot */
static void mmio_read(void __iomem *addr, void *buf, size_t len, bool wide)
{
	switch (len) {
	case 1:
		*(u8 *)buf = ioread8(addr);
		break;
	case 2:
		*(u16 *)buf = ioread16(addr);
		break;
	case 4:
		*(u32 *)buf = ioread32(addr);
		break;
	case 8:
		if (wide) {
			*(u64 *)buf = readq(addr);
			break;
		}
		((u32 *)buf)[0] = ioread32(addr);
		((u32 *)buf)[1] = ioread32(addr + 4);
		break;
	}
}

static void mmio_write(void __iomem *addr, const void *buf, size_t len,
		       bool wide)
{
	switch (len) {
	case 1:
		iowrite8(*(u8 *)buf, addr);
		break;
	case 2:
		iowrite16(*(u16 *)buf, addr);
		break;
	case 4:
		iowrite32(*(u32 *)buf, addr);
		break;
	case 8:
		if (wide) {
			writeq(*(u64 *)buf, addr);
			break;
		}
		iowrite32(((u32 *)buf)[0], addr);
		iowrite32(((u32 *)buf)[1], addr + 4);
		break;
	}
}

/**
 * kassign_bar_access - one access to a BAR
 * @dev:   dev->lock held
 * @index: BAR number
 * @off:   in the BAR
 * @buf:   data, 8-byte aligned
 * @len:   1, 2, 4 or 8; @off is a multiple of it
 * @write: direction
 */
int kassign_bar_access(struct kassign_device *dev, unsigned int index, u64 off,
		       void *buf, size_t len, bool write)
{
	struct kassign_bar *bar = &dev->bar[index];
	bool wide = bar->flags & IORESOURCE_MEM;

	if (len > 8 || !is_power_of_2(len) || off % len)
		return -EINVAL;
	if (off >= bar->size || len > bar->size - off || !bar->vaddr)
		return -EINVAL;
	dev->trapped++;
	if (dev->broken)
		return -EIO;
	if (kassign_msix_hit(dev, index, off, len))
		kassign_msix_access(dev, index, off, buf, len, write);
	else if (write)
		mmio_write(bar->vaddr + off, buf, len, wide);
	else
		mmio_read(bar->vaddr + off, buf, len, wide);
	return 0;
}

/* ---- memslots ---- */

static void bar_unslot(struct kassign_device *dev, struct kassign_bar *bar,
		       bool keep, u64 gpa)
{
	unsigned int i;

	for (i = 0; i < bar->nr_areas; i++) {
		if (keep && bar->slots[i].gpa == gpa + bar->areas[i].offset)
			continue;
		kassign_peer_unmap(dev->guest, &bar->slots[i]);
		kassign_vmslot_del(dev->guest, &bar->slots[i]);
	}
}

static void bar_slot(struct kassign_device *dev, unsigned int index, u64 gpa)
{
	struct kassign_bar *bar = &dev->bar[index];
	unsigned int i;
	u64 pgoff, phys;
	int err;

	for (i = 0; i < bar->nr_areas; i++) {
		if (bar->slots[i].id >= 0)
			continue;
		phys = pci_resource_start(dev->pdev, index) + bar->areas[i].offset;
		pgoff = ((u64)index << BAR_PGOFF_SHIFT) +
			(bar->areas[i].offset >> PAGE_SHIFT);
		err = kassign_vmslot_add(dev->guest, &bar->slots[i],
					 dev->bar_file, pgoff,
					 gpa + bar->areas[i].offset,
					 bar->areas[i].size, phys);
		if (!err)
			kassign_peer_map(dev->guest, &bar->slots[i], phys);
		/* Over RAM, or a sizing value: accesses trap, as on hardware. */
		if (err && err != -EEXIST && err != -EINVAL && err != -ESRCH)
			dev_warn_ratelimited(&dev->pdev->dev,
					     "BAR %u at 0x%llx is not shown to the guest directly (errno %d)\n",
					     index, gpa, -err);
	}
}

/**
 * kassign_bars_update - let the memslots follow the guest's BARs and command
 * @dev: dev->lock held
 *
 * Old slots go before new ones come, and both before the config write that
 * caused it is answered: a VMM that finds a foreign slot in its way may abort.
 */
void kassign_bars_update(struct kassign_device *dev)
{
	bool decode = kassign_config_command(dev) & PCI_COMMAND_MEMORY &&
		      !kassign_intx_needs_traps(dev) && !dev->broken;
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		bar_unslot(dev, &dev->bar[i], decode, kassign_config_bar(dev, i));
	for (i = 0; decode && i < PCI_STD_NUM_BARS; i++) {
		u64 gpa = kassign_config_bar(dev, i);

		if (gpa && PAGE_ALIGNED(gpa))
			bar_slot(dev, i, gpa);
	}
}

void kassign_bars_unslot(struct kassign_device *dev)
{
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		bar_unslot(dev, &dev->bar[i], false, 0);
}

u32 kassign_bars_slots(struct kassign_device *dev)
{
	unsigned int i, j;
	u32 nr = 0;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		for (j = 0; j < dev->bar[i].nr_areas; j++)
			nr += dev->bar[i].slots[j].id >= 0;
	return nr;
}

/* ---- set-up ---- */

static void area_add(struct kassign_bar *bar, u64 start, u64 end)
{
	if (start >= end)
		return;
	bar->areas[bar->nr_areas].offset = start;
	bar->areas[bar->nr_areas].size = end - start;
	bar->slots[bar->nr_areas].id = -1;
	bar->nr_areas++;
}

struct span {
	u64 start;
	u64 end;
};

static struct span page_span(u64 off, u64 size)
{
	return (struct span) { round_down(off, PAGE_SIZE),
			       round_up(off + size, PAGE_SIZE) };
}

/* The BAR without the pages of the MSI-X table and PBA */
static void bar_areas(struct kassign_device *dev, unsigned int index)
{
	struct kassign_bar *bar = &dev->bar[index];
	struct kassign_msix *msix = &dev->msix;
	struct span holes[2];
	unsigned int nr = 0, i;
	u64 at = 0;

	if (bar->size < PAGE_SIZE || bar->size % PAGE_SIZE ||
	    !PAGE_ALIGNED(pci_resource_start(dev->pdev, index)))
		return;
	if (msix->nr && msix->table_bar == index)
		holes[nr++] = page_span(msix->table_off, msix->nr * 16);
	if (msix->nr && msix->pba_bar == index)
		holes[nr++] = page_span(msix->pba_off,
					BITS_TO_U64(msix->nr) * 8);
	if (nr == 2 && holes[1].start < holes[0].start)
		swap(holes[0], holes[1]);
	for (i = 0; i < nr; i++) {
		area_add(bar, at, min(holes[i].start, bar->size));
		at = max(at, holes[i].end);
	}
	area_add(bar, at, bar->size);
}

static int bar_init(struct kassign_device *dev, unsigned int index)
{
	struct kassign_bar *bar = &dev->bar[index];
	struct pci_dev *pdev = dev->pdev;

	if (!pci_resource_len(pdev, index) ||
	    (pci_resource_flags(pdev, index) & IORESOURCE_UNSET))
		return 0;
	bar->flags = pci_resource_flags(pdev, index);
	bar->vaddr = pci_iomap(pdev, index, 0);
	if (!bar->vaddr)
		return -ENOMEM;
	bar->size = pci_resource_len(pdev, index);
	if (bar->flags & IORESOURCE_MEM)
		bar_areas(dev, index);
	return 0;
}

static int bar_file_init(struct kassign_device *dev)
{
	struct inode *inode = kassign_inode_new();

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	dev->inode = inode;
	kassign_device_get(dev);	/* the file's */
	dev->bar_file = kassign_file_new(inode, "[kassign-bar]", O_RDWR,
					 &bar_file_fops, dev);
	if (IS_ERR(dev->bar_file)) {
		int err = PTR_ERR(dev->bar_file);

		dev->bar_file = NULL;
		kassign_device_put(dev);
		return err;
	}
	return 0;
}

/**
 * kassign_bars_init - reserve and map the function's BARs
 * @dev:    enabled; MSI-X known
 * @reason: out: why not
 *
 * Undone, also in part, by kassign_bars_exit().
 */
int kassign_bars_init(struct kassign_device *dev, struct kassign_reason *reason)
{
	struct pci_dev *pdev = dev->pdev;
	unsigned int i, mask;
	int err;

	err = bar_file_init(dev);
	if (err)
		return err;
	mask = pci_select_bars(pdev, IORESOURCE_MEM | IORESOURCE_IO);
	mask &= (1 << PCI_STD_NUM_BARS) - 1;
	err = pci_request_selected_regions(pdev, mask, KASSIGN_NAME);
	if (err)
		return kassign_fail(reason, err,
				    "BARs of %s are in use on the host (see /proc/iomem)",
				    pci_name(pdev));
	dev->bars_requested = mask;
	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		err = bar_init(dev, i);
		if (err)
			return err;
	}
	kassign_bars_revive(dev);
	return 0;
}

void kassign_bars_exit(struct kassign_device *dev)
{
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (dev->bar[i].vaddr)
			pci_iounmap(dev->pdev, dev->bar[i].vaddr);
		dev->bar[i].vaddr = NULL;
	}
	if (dev->bars_requested)
		pci_release_selected_regions(dev->pdev, dev->bars_requested);
	dev->bars_requested = 0;
	if (dev->bar_file)
		fput(dev->bar_file);
	dev->bar_file = NULL;
}
