// SPDX-License-Identifier: GPL-2.0-only
/*
 * The config space the guest sees: accesses, header, hooks.
 *
 * Everything is virtual and reads as zero unless a table here or in
 * config_caps.c says otherwise. Layout from the PCI Local Bus 3.0 and PCI
 * Express Base specifications, by the names of <linux/pci_regs.h>.
 */
#include <linux/pci.h>
#include <linux/slab.h>

#include "kassign.h"

#define COMMAND_BITS	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | \
			 PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | \
			 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)

/* ---- building the picture ---- */

/**
 * kassign_config_show - let the guest read the hardware's bytes
 * @cfg: the config space
 * @off: first byte
 * @len: bytes
 */
void kassign_config_show(struct kassign_config *cfg, unsigned int off,
			 unsigned int len)
{
	if (off < cfg->size && len <= cfg->size - off)
		memset(cfg->virt + off, 0, len);
}

/**
 * kassign_config_set - make bytes virtual
 * @cfg:   the config space
 * @off:   first byte
 * @len:   1, 2 or 4
 * @value: what the guest reads at first
 * @wr:    bits the guest may change
 *
 * What is behind the end - capabilities of a broken device - is left out.
 */
void kassign_config_set(struct kassign_config *cfg, unsigned int off,
			unsigned int len, u32 value, u32 wr)
{
	unsigned int i;

	for (i = 0; i < len && off + i < cfg->size; i++) {
		cfg->virt[off + i] = 0xff;
		cfg->shadow[off + i] = value >> (8 * i);
		cfg->wr[off + i] = wr >> (8 * i);
	}
}

u16 kassign_config_get16(struct kassign_device *dev, unsigned int off)
{
	const u8 *p = dev->config.shadow + off;

	return p[0] | p[1] << 8;
}

u32 kassign_config_get32(struct kassign_device *dev, unsigned int off)
{
	return kassign_config_get16(dev, off) |
	       (u32)kassign_config_get16(dev, off + 2) << 16;
}

u16 kassign_config_command(struct kassign_device *dev)
{
	return dev->config.shadow ? kassign_config_get16(dev, PCI_COMMAND) : 0;
}

static bool bar_is_64(struct kassign_device *dev, unsigned int index)
{
	return dev->bar[index].flags & IORESOURCE_MEM_64;
}

/**
 * kassign_config_bar - where the guest has placed a BAR
 * @dev:   the device
 * @index: BAR number
 *
 * Returns 0 for an absent BAR.
 */
u64 kassign_config_bar(struct kassign_device *dev, unsigned int index)
{
	unsigned int off = PCI_BASE_ADDRESS_0 + 4 * index;
	u64 value;

	if (!dev->bar[index].size || !dev->config.shadow)
		return 0;
	value = kassign_config_get32(dev, off);
	if (dev->bar[index].flags & IORESOURCE_IO)
		return value & PCI_BASE_ADDRESS_IO_MASK;
	if (bar_is_64(dev, index))
		value |= (u64)kassign_config_get32(dev, off + 4) << 32;
	return value & PCI_BASE_ADDRESS_MEM_MASK;
}

/* Address bits below the size are fixed, so a write of all ones tells it. */
static void bar_header(struct kassign_device *dev, unsigned int index)
{
	unsigned int off = PCI_BASE_ADDRESS_0 + 4 * index;
	struct kassign_bar *bar = &dev->bar[index];
	u64 mask = ~(bar->size - 1);
	u32 type = bar->flags & (PCI_BASE_ADDRESS_SPACE |
				 PCI_BASE_ADDRESS_MEM_TYPE_MASK |
				 PCI_BASE_ADDRESS_MEM_PREFETCH);

	if (!bar->size)
		return;
	kassign_config_set(&dev->config, off, 4, type, mask);
	if (bar_is_64(dev, index))
		kassign_config_set(&dev->config, off + 4, 4, 0, mask >> 32);
}

static void header_init(struct kassign_device *dev)
{
	struct kassign_config *cfg = &dev->config;
	struct pci_dev *pdev = dev->pdev;
	unsigned int i;

	/* Not from the hardware: a VF reads ones there. */
	kassign_config_set(cfg, PCI_VENDOR_ID, 2, pdev->vendor, 0);
	kassign_config_set(cfg, PCI_DEVICE_ID, 2, pdev->device, 0);
	kassign_config_set(cfg, PCI_COMMAND, 2, 0, COMMAND_BITS);
	kassign_config_show(cfg, PCI_STATUS, 2);
	kassign_config_show(cfg, PCI_CLASS_REVISION, 4);
	kassign_config_set(cfg, PCI_CACHE_LINE_SIZE, 2, 0, 0xffff);
	/* One function is all the guest gets, whatever its neighbours. */
	kassign_config_set(cfg, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_NORMAL, 0);
	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		bar_header(dev, i);
	if (dev->rom.size)
		kassign_config_set(cfg, PCI_ROM_ADDRESS, 4, 0,
				   -(u32)dev->rom.size | PCI_ROM_ADDRESS_ENABLE);
	kassign_config_show(cfg, PCI_SUBSYSTEM_VENDOR_ID, 4);
	kassign_config_set(cfg, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	/* As a function of its own it has the first pin, if any. */
	kassign_config_set(cfg, PCI_INTERRUPT_PIN, 1, dev->intx.line ? 1 : 0, 0);
	kassign_config_show(cfg, PCI_MIN_GNT, 2);
}

static int config_fill(struct kassign_device *dev)
{
	memset(dev->config.virt, 0xff, dev->config.size);
	memset(dev->config.shadow, 0, dev->config.size);
	memset(dev->config.wr, 0, dev->config.size);
	header_init(dev);
	return kassign_caps_init(dev);
}

/**
 * kassign_config_init - the config space as the guest finds it
 * @dev: BARs and MSI-X known
 */
int kassign_config_init(struct kassign_device *dev)
{
	struct kassign_config *cfg = &dev->config;

	cfg->size = dev->pdev->cfg_size;
	cfg->shadow = kcalloc(3, cfg->size, GFP_KERNEL_ACCOUNT);
	if (!cfg->shadow)
		return -ENOMEM;
	cfg->virt = cfg->shadow + cfg->size;
	cfg->wr = cfg->virt + cfg->size;
	return config_fill(dev);
}

void kassign_config_exit(struct kassign_device *dev)
{
	kfree(dev->config.shadow);
	dev->config.shadow = NULL;
}

/* As after power-on: BARs unset, decoding off. */
void kassign_config_reset(struct kassign_device *dev)
{
	config_fill(dev);
}

/* ---- accesses ---- */

static u32 hw_dword(struct pci_dev *pdev, unsigned int off)
{
	u32 value = ~0;

	pci_user_read_config_dword(pdev, off, &value);
	return value;
}

static bool touches(u64 off, size_t len, unsigned int reg, unsigned int size)
{
	return off < reg + size && off + len > reg;
}

/**
 * kassign_config_read - what the guest reads
 * @dev: dev->lock held
 * @off: first byte
 * @buf: out
 * @len: bytes; any alignment
 */
int kassign_config_read(struct kassign_device *dev, u64 off, u8 *buf, size_t len)
{
	struct kassign_config *cfg = &dev->config;
	unsigned int have = ~0, at;
	u32 hw = 0;
	size_t i;

	if (off >= cfg->size || len > cfg->size - off)
		return -EINVAL;
	dev->config_accesses++;
	if (cfg->msi_mask && touches(off, len, cfg->msi_mask + 4, 4))
		kassign_config_set(cfg, cfg->msi_mask + 4, 4,
				   kassign_irq_msi_pending(dev), 0);
	for (i = 0; i < len; i++) {
		at = off + i;
		buf[i] = cfg->shadow[at] & cfg->virt[at];
		if (cfg->virt[at] == 0xff)
			continue;
		if (have != (at & ~3)) {
			have = at & ~3;
			hw = hw_dword(dev->pdev, have);
		}
		buf[i] |= (hw >> (8 * (at & 3))) & ~cfg->virt[at];
	}
	return 0;
}

static void command_written(struct kassign_device *dev, u16 old)
{
	u16 command = kassign_config_command(dev), changed = old ^ command;

	if (command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER))
		dev->quiet = false;
	if (changed & PCI_COMMAND_MASTER && !dev->broken) {
		if (old & PCI_COMMAND_MASTER)
			pci_clear_master(dev->pdev);
		else
			pci_set_master(dev->pdev);
	}
	if (changed & (PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE))
		kassign_intx_sync(dev);
}

/* The guest may ask for a reset in two ways. */
static bool wants_reset(struct kassign_device *dev, u64 off, size_t len)
{
	struct kassign_config *cfg = &dev->config;
	unsigned int exp = cfg->exp + PCI_EXP_DEVCTL, af = cfg->af + PCI_AF_CTRL;

	if (cfg->exp && touches(off, len, exp, 2) &&
	    kassign_config_get16(dev, exp) & PCI_EXP_DEVCTL_BCR_FLR)
		return true;
	return cfg->af && touches(off, len, af, 1) &&
	       kassign_config_get16(dev, af) & PCI_AF_CTRL_FLR;
}

/*
 * An address without the flag asks for a dword, and gets the flag with it; one with
 * the flag is to write, which is said to be done (PCI Local Bus 3.0, appendix I). Of the
 * last dword there may be a part only: the rest reads as 0.
 */
static void vpd_written(struct kassign_device *dev)
{
	struct kassign_config *cfg = &dev->config;
	u16 addr = kassign_config_get16(dev, cfg->vpd + PCI_VPD_ADDR);
	__le32 data = 0;

	if (addr & PCI_VPD_ADDR_F) {
		addr &= ~PCI_VPD_ADDR_F;
	} else if (pci_read_vpd(dev->pdev, addr & ~3, sizeof(data), &data) > 0) {
		kassign_config_set(cfg, cfg->vpd + PCI_VPD_DATA, 4,
				   le32_to_cpu(data), 0);
		addr |= PCI_VPD_ADDR_F;
	}
	kassign_config_set(cfg, cfg->vpd + PCI_VPD_ADDR, 2, addr, 0xffff);
}

static void run_hooks(struct kassign_device *dev, u64 off, size_t len,
		      u16 old_command)
{
	struct kassign_config *cfg = &dev->config;

	if (touches(off, len, PCI_COMMAND, 2))
		command_written(dev, old_command);
	if (touches(off, len, PCI_COMMAND, 2) ||
	    touches(off, len, PCI_BASE_ADDRESS_0, 4 * PCI_STD_NUM_BARS))
		kassign_bars_update(dev);
	if ((cfg->msi && touches(off, len, cfg->msi, PCI_MSI_MASK_64 + 4)) ||
	    (cfg->msix && touches(off, len, cfg->msix + PCI_MSIX_FLAGS, 2)))
		kassign_irq_follow(dev);
	if (cfg->vpd && touches(off, len, cfg->vpd + PCI_VPD_ADDR, 2))
		vpd_written(dev);
	if (wants_reset(dev, off, len))
		kassign_device_do_reset(dev);
}

/**
 * kassign_config_write - what the guest writes
 * @dev: device lock and dev->lock held
 * @off: first byte
 * @buf: data
 * @len: bytes; any alignment
 *
 * BAR memslots, bus master and interrupts have followed when it returns.
 */
int kassign_config_write(struct kassign_device *dev, u64 off, const u8 *buf,
			 size_t len)
{
	struct kassign_config *cfg = &dev->config;
	u16 command = kassign_config_command(dev);
	size_t i;

	if (off >= cfg->size || len > cfg->size - off)
		return -EINVAL;
	dev->config_accesses++;
	for (i = 0; i < len; i++) {
		u8 wr = cfg->wr[off + i];

		cfg->shadow[off + i] = (cfg->shadow[off + i] & ~wr) |
				       (buf[i] & wr);
	}
	run_hooks(dev, off, len, command);
	return 0;
}
