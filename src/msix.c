// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSI-X table and pending bits the guest sees. The real ones belong to the
 * host's interrupt code; the guest's accesses to those pages trap and end here.
 */
#include <linux/bitmap.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "kassign.h"

#define ENTRY_DWORDS	(PCI_MSIX_ENTRY_SIZE / 4)
#define ENTRY_CTRL	(PCI_MSIX_ENTRY_VECTOR_CTRL / 4)

static u32 table_size(const struct kassign_msix *msix)
{
	return msix->nr * PCI_MSIX_ENTRY_SIZE;
}

static u32 pba_size(const struct kassign_msix *msix)
{
	return BITS_TO_U64(msix->nr) * sizeof(u64);
}

static void locate(struct pci_dev *pdev, unsigned int off, unsigned int *bar,
		   u32 *where)
{
	u32 value = 0;

	pci_read_config_dword(pdev, off, &value);
	*bar = value & PCI_MSIX_TABLE_BIR;
	*where = value & PCI_MSIX_TABLE_OFFSET;
}

/* As after reset: all entries masked, nothing pending */
void kassign_msix_reset(struct kassign_device *dev)
{
	struct kassign_msix *msix = &dev->msix;
	unsigned int i;

	if (!msix->nr)
		return;
	spin_lock_irq(&msix->lock);
	memset(msix->table, 0, table_size(msix));
	for (i = 0; i < msix->nr; i++)
		msix->table[i * ENTRY_DWORDS + ENTRY_CTRL] =
			PCI_MSIX_ENTRY_CTRL_MASKBIT;
	bitmap_zero(msix->pba, msix->nr);
	msix->mask_all = false;
	spin_unlock_irq(&msix->lock);
}

int kassign_msix_init(struct kassign_device *dev)
{
	struct kassign_msix *msix = &dev->msix;
	struct pci_dev *pdev = dev->pdev;
	int nr = pci_msix_vec_count(pdev);

	if (nr <= 0)
		return 0;
	msix->table = kcalloc(nr, PCI_MSIX_ENTRY_SIZE, GFP_KERNEL_ACCOUNT);
	msix->pba = kcalloc(BITS_TO_U64(nr), sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (!msix->table || !msix->pba) {
		kassign_msix_exit(dev);
		return -ENOMEM;
	}
	msix->nr = nr;
	locate(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &msix->table_bar,
	       &msix->table_off);
	locate(pdev, pdev->msix_cap + PCI_MSIX_PBA, &msix->pba_bar,
	       &msix->pba_off);
	kassign_msix_reset(dev);
	return 0;
}

void kassign_msix_exit(struct kassign_device *dev)
{
	kfree(dev->msix.table);
	kfree(dev->msix.pba);
	dev->msix.table = NULL;
	dev->msix.pba = NULL;
	dev->msix.nr = 0;
}

static bool in_table(const struct kassign_msix *msix, unsigned int bar, u64 off)
{
	return msix->nr && bar == msix->table_bar && off >= msix->table_off &&
	       off - msix->table_off < table_size(msix);
}

static bool in_pba(const struct kassign_msix *msix, unsigned int bar, u64 off)
{
	return msix->nr && bar == msix->pba_bar && off >= msix->pba_off &&
	       off - msix->pba_off < pba_size(msix);
}

/**
 * kassign_msix_hit - does an access meet the table or the PBA?
 * @dev: the device
 * @bar: BAR number
 * @off: in the BAR, a multiple of @len
 * @len: 1, 2, 4 or 8
 *
 * Table and PBA start and end at multiples of 8, so an aligned access is wholly
 * in or wholly out.
 */
bool kassign_msix_hit(struct kassign_device *dev, unsigned int bar, u64 off,
		      size_t len)
{
	return in_table(&dev->msix, bar, off) || in_pba(&dev->msix, bar, off);
}

/* Bits of a table dword that exist */
static u32 entry_mask(unsigned int dword)
{
	switch (dword % ENTRY_DWORDS) {
	case 0:
		return ~3U;
	case ENTRY_CTRL:
		return PCI_MSIX_ENTRY_CTRL_MASKBIT;
	default:
		return ~0U;
	}
}

static void table_write(struct kassign_device *dev, u32 off, const void *buf,
			size_t len)
{
	struct kassign_msix *msix = &dev->msix;
	unsigned int first = off / 4, last = (off + len - 1) / 4, i;

	spin_lock_irq(&msix->lock);
	memcpy((u8 *)msix->table + off, buf, len);
	for (i = first; i <= last; i++)
		msix->table[i] &= entry_mask(i);
	spin_unlock_irq(&msix->lock);
	kassign_irq_opened(dev, off / PCI_MSIX_ENTRY_SIZE);
}

/**
 * kassign_msix_access - an access for which kassign_msix_hit() holds
 * @dev:   dev->lock held
 * @bar:   BAR number
 * @off:   in the BAR
 * @buf:   data
 * @len:   1, 2, 4 or 8
 * @write: direction; the PBA ignores writes
 */
void kassign_msix_access(struct kassign_device *dev, unsigned int bar, u64 off,
			 void *buf, size_t len, bool write)
{
	struct kassign_msix *msix = &dev->msix;

	if (in_table(msix, bar, off)) {
		if (write)
			table_write(dev, off - msix->table_off, buf, len);
		else
			memcpy(buf, (u8 *)msix->table + (off - msix->table_off),
			       len);
	} else if (!write) {
		memcpy(buf, (u8 *)msix->pba + (off - msix->pba_off), len);
	}
}

/* Under msix->lock */
static bool masked(const struct kassign_msix *msix, unsigned int entry)
{
	return msix->mask_all ||
	       msix->table[entry * ENTRY_DWORDS + ENTRY_CTRL] &
	       PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

/**
 * kassign_msix_get - the message of an entry, for delivery
 * @dev:   the device; called in an interrupt thread
 * @entry: which
 * @msg:   out
 *
 * Returns false, and notes the interrupt as pending, if the entry is masked.
 */
bool kassign_msix_get(struct kassign_device *dev, unsigned int entry,
		      struct kassign_msg *msg)
{
	struct kassign_msix *msix = &dev->msix;
	const u32 *dword = msix->table + entry * ENTRY_DWORDS;
	bool ok;

	spin_lock_irq(&msix->lock);
	ok = !masked(msix, entry);
	__assign_bit(entry, msix->pba, !ok);
	*msg = (struct kassign_msg) { dword[0], dword[1], dword[2] };
	spin_unlock_irq(&msix->lock);
	return ok;
}

/* Does the guest want interrupts of an entry? */
bool kassign_msix_open(struct kassign_device *dev, unsigned int entry)
{
	struct kassign_msix *msix = &dev->msix;
	bool open;

	spin_lock_irq(&msix->lock);
	open = !masked(msix, entry);
	spin_unlock_irq(&msix->lock);
	return open;
}

/* Is there something to deliver that was held back by a mask, now open? */
bool kassign_msix_pending(struct kassign_device *dev, unsigned int entry)
{
	struct kassign_msix *msix = &dev->msix;
	bool pending;

	spin_lock_irq(&msix->lock);
	pending = test_bit(entry, msix->pba) && !masked(msix, entry);
	spin_unlock_irq(&msix->lock);
	return pending;
}

void kassign_msix_set_mask_all(struct kassign_device *dev, bool mask)
{
	struct kassign_msix *msix = &dev->msix;
	unsigned int i;

	spin_lock_irq(&msix->lock);
	msix->mask_all = mask;
	spin_unlock_irq(&msix->lock);
	for (i = 0; !mask && i < msix->nr; i++)
		kassign_irq_opened(dev, i);
}
