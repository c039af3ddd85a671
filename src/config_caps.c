// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capabilities in the guest's config space.
 *
 * A capability is hidden unless a table here knows it. Bytes of a known one are
 * read from the hardware; control words, which the host owns, become virtual.
 */
#include <linux/pci.h>

#include "kassign.h"

/**
 * struct cap_word - a virtual 16-bit control word within a capability
 * @off:	from the start of the capability
 * @keep:	bits that start with the hardware's value
 * @set:	bits that are always one
 * @wr:		bits the guest may change
 */
struct cap_word {
	u16 off;
	u16 keep;
	u16 set;
	u16 wr;
};

/**
 * struct cap_rule - how a capability is shown
 * @id:		PCI_CAP_ID_*
 * @size:	bytes
 * @words:	virtual words, ended by offset 0
 */
struct cap_rule {
	u8 id;
	u8 size;
	const struct cap_word *words;
};

/*
 * Power states are the host's business: the function stays in D0, and since
 * nothing is lost by a virtual D3, No_Soft_Reset reads as one. No PME.
 */
static const struct cap_word pm_words[] = {
	{ PCI_PM_PMC, 0xffff ^ PCI_PM_CAP_PME_MASK, 0, 0 },
	{ PCI_PM_CTRL, 0, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK },
	{ }
};

/* Payload sizes, relaxed ordering, link control: the host's, shown as they are */
static const struct cap_word exp_words[] = {
	{ PCI_EXP_DEVCTL, 0xffff, 0, 0xffff },
	{ PCI_EXP_LNKCTL, 0xffff, 0, 0xffff },
	{ PCI_EXP_DEVCTL2, 0xffff, 0, 0xffff },
	{ PCI_EXP_LNKCTL2, 0xffff, 0, 0xffff },
	{ }
};

/* The device's own enable bit belongs to the host's interrupt code. */
static const struct cap_word msix_words[] = {
	{ PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_QSIZE, 0,
	  PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL },
	{ }
};

/* A reset on the guest's request: config.c. Never a transaction pending. */
static const struct cap_word af_words[] = {
	{ PCI_AF_CTRL, 0, 0, PCI_AF_CTRL_FLR },
	{ }
};

/* Read through the kernel, which knows of broken ones: config.c. Never written. */
static const struct cap_word vpd_words[] = {
	{ PCI_VPD_ADDR, 0, 0, 0xffff },
	{ PCI_VPD_DATA, 0, 0, 0 },
	{ PCI_VPD_DATA + 2, 0, 0, 0 },
	{ }
};

static const struct cap_rule cap_rules[] = {
	{ PCI_CAP_ID_PM, PCI_PM_SIZEOF, pm_words },
	{ PCI_CAP_ID_VPD, PCI_CAP_VPD_SIZEOF, vpd_words },
	{ PCI_CAP_ID_VNDR, 0, NULL },	/* says its size itself; to read only */
	{ PCI_CAP_ID_AF, PCI_CAP_AF_SIZEOF, af_words },
	{ PCI_CAP_ID_MSI, 0, NULL },	/* size depends: msi_cap() */
	{ PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF, msix_words },
	{ PCI_CAP_ID_EXP, PCI_CAP_EXP_ENDPOINT_SIZEOF_V2, exp_words },
	{ }
};

static const struct cap_rule *find_rule(u8 id)
{
	const struct cap_rule *rule;

	for (rule = cap_rules; rule->id; rule++)
		if (rule->id == id)
			return rule;
	return NULL;
}

static u16 hw_word(struct pci_dev *pdev, unsigned int off)
{
	u16 value = 0;

	pci_user_read_config_word(pdev, off, &value);
	return value;
}

static void set_words(struct kassign_device *dev, unsigned int pos,
		      unsigned int size, const struct cap_word *word)
{
	for (; word && word->off; word++) {
		if (word->off + 2 > size)
			continue;
		kassign_config_set(&dev->config, pos + word->off, 2,
				   (hw_word(dev->pdev, pos + word->off) &
				    word->keep) | word->set,
				   word->wr);
	}
}

/* A mask and a pending bit for each vector there can be */
static void msi_masks(struct kassign_config *cfg, unsigned int pos, u16 flags)
{
	unsigned int nr = 1 << ((flags & PCI_MSI_FLAGS_QMASK) >> 1);

	pos += flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32;
	kassign_config_set(cfg, pos, 4, 0, GENMASK(min(nr, 32U) - 1, 0));
	kassign_config_set(cfg, pos + 4, 4, 0, 0);
	cfg->msi_mask = pos;
}

/* MSI: wholly virtual; the layout says how many vectors, 64 bits, masks. */
static void msi_cap(struct kassign_device *dev, unsigned int pos)
{
	struct kassign_config *cfg = &dev->config;
	u16 flags = hw_word(dev->pdev, pos + PCI_MSI_FLAGS);
	bool is64 = flags & PCI_MSI_FLAGS_64BIT;

	kassign_config_set(cfg, pos + PCI_MSI_FLAGS, 2,
			   flags & (PCI_MSI_FLAGS_QMASK | PCI_MSI_FLAGS_64BIT |
				    PCI_MSI_FLAGS_MASKBIT),
			   PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	if (flags & PCI_MSI_FLAGS_MASKBIT)
		msi_masks(cfg, pos, flags);
	kassign_config_set(cfg, pos + PCI_MSI_ADDRESS_LO, 4, 0, 0xfffffffc);
	if (is64)
		kassign_config_set(cfg, pos + PCI_MSI_ADDRESS_HI, 4, 0, ~0);
	kassign_config_set(cfg, pos + (is64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32),
			   2, 0, 0xffff);
	cfg->msi = pos;
}

static unsigned int exp_size(struct kassign_device *dev, unsigned int pos)
{
	u16 flags = hw_word(dev->pdev, pos + PCI_EXP_FLAGS);

	return (flags & PCI_EXP_FLAGS_VERS) > 1 ? PCI_CAP_EXP_ENDPOINT_SIZEOF_V2 :
						  PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;
}

static unsigned int cap_size(struct kassign_device *dev, unsigned int pos,
			     const struct cap_rule *rule)
{
	unsigned int size = rule->size;

	if (rule->id == PCI_CAP_ID_EXP)
		size = exp_size(dev, pos);
	else if (rule->id == PCI_CAP_ID_VNDR)
		size = hw_word(dev->pdev, pos + PCI_CAP_FLAGS) & 0xff;
	return min(size, PCI_CFG_SPACE_SIZE - pos);
}

/* For the hooks of config.c */
static void remember_cap(struct kassign_config *cfg, u8 id, unsigned int pos)
{
	switch (id) {
	case PCI_CAP_ID_EXP:
		cfg->exp = pos;
		break;
	case PCI_CAP_ID_MSIX:
		cfg->msix = pos;
		break;
	case PCI_CAP_ID_AF:
		cfg->af = pos;
		break;
	case PCI_CAP_ID_VPD:
		cfg->vpd = pos;
		break;
	}
}

static void show_cap(struct kassign_device *dev, unsigned int pos,
		     const struct cap_rule *rule)
{
	struct kassign_config *cfg = &dev->config;
	unsigned int size = cap_size(dev, pos, rule);

	remember_cap(cfg, rule->id, pos);
	kassign_config_show(cfg, pos, size);
	if (rule->id == PCI_CAP_ID_MSI)
		msi_cap(dev, pos);
	else
		set_words(dev, pos, size, rule->words);
	kassign_config_set(cfg, pos, 2, rule->id, 0);
}

/*
 * Some read function 0's: its config space may be locked by a reset that waits for the
 * lock which the reader holds.
 */
static bool is_others_vpd(const struct pci_dev *pdev, u8 id)
{
	return id == PCI_CAP_ID_VPD && PCI_FUNC(pdev->devfn) &&
	       pdev->dev_flags & PCI_DEV_FLAGS_VPD_REF_F0;
}

/* Walks the hardware's list and links what is shown into one of our own. */
static void standard_caps(struct kassign_device *dev)
{
	struct kassign_config *cfg = &dev->config;
	unsigned int link = PCI_CAPABILITY_LIST;
	const struct cap_rule *rule;
	unsigned int ttl = 48, pos;
	u16 head;

	cfg->msi = 0;
	cfg->msi_mask = 0;
	cfg->msix = 0;
	cfg->exp = 0;
	cfg->af = 0;
	cfg->vpd = 0;
	if (!(hw_word(dev->pdev, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return;
	pos = hw_word(dev->pdev, PCI_CAPABILITY_LIST) & 0xfc;
	for (; pos >= PCI_STD_HEADER_SIZEOF && ttl--; pos = (head >> 8) & 0xfc) {
		head = hw_word(dev->pdev, pos);
		rule = find_rule(head & 0xff);
		if (!rule || is_others_vpd(dev->pdev, head & 0xff))
			continue;
		show_cap(dev, pos, rule);
		kassign_config_set(cfg, link, 1, pos, 0);
		link = pos + PCI_CAP_LIST_NEXT;
	}
}

/* Extended capabilities shown, read-only */
static unsigned int ext_size(u32 head)
{
	switch (PCI_EXT_CAP_ID(head)) {
	case PCI_EXT_CAP_ID_ERR:
		return 0x48;
	case PCI_EXT_CAP_ID_DSN:
		return PCI_EXT_CAP_DSN_SIZEOF;
	default:
		return 0;
	}
}

/*
 * The list must start at 0x100, so a hidden first one stays as an empty header
 * (id 0) that only links on.
 */
static void extended_caps(struct kassign_device *dev)
{
	struct kassign_config *cfg = &dev->config;
	unsigned int pos = PCI_CFG_SPACE_SIZE, link = 0, ttl = 480, size;
	u32 head, keep;

	if (cfg->size <= PCI_CFG_SPACE_SIZE)
		return;
	while (pos >= PCI_CFG_SPACE_SIZE && pos <= cfg->size - 8 && ttl--) {
		if (pci_user_read_config_dword(dev->pdev, pos, &head) ||
		    !head || head == ~0U)
			return;
		size = min_t(unsigned int, ext_size(head), cfg->size - pos);
		if (size) {
			kassign_config_show(cfg, pos, size);
			kassign_config_set(cfg, pos, 4, head & 0xfffff, 0);
			if (link) {
				keep = kassign_config_get32(dev, link) & 0xfffff;
				kassign_config_set(cfg, link, 4,
						   keep | pos << 20, 0);
			}
			link = pos;
		} else if (pos == PCI_CFG_SPACE_SIZE) {
			link = pos;
		}
		pos = PCI_EXT_CAP_NEXT(head);
	}
}

int kassign_caps_init(struct kassign_device *dev)
{
	standard_caps(dev);
	extended_caps(dev);
	return 0;
}
