// SPDX-License-Identifier: GPL-2.0-only
/*
 * The option ROM, to read. The guest places its BAR like any other (config.c), but
 * never reaches the hardware's: reading that needs a decoder which the function may
 * share with its other BARs. It is read once, whole, when somebody first asks.
 */
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "kassign.h"

/* The largest a ROM BAR can ask for (PCI Local Bus 3.0, 6.2.5.2) */
#define MAX_ROM		SZ_16M

/**
 * kassign_rom_init - has the function a ROM?
 * @dev: the device
 */
void kassign_rom_init(struct kassign_device *dev)
{
	u64 size = pci_resource_len(dev->pdev, PCI_ROM_RESOURCE);

	if (is_power_of_2(size) && size <= MAX_ROM)
		dev->rom.size = size;
}

void kassign_rom_exit(struct kassign_device *dev)
{
	kvfree(dev->rom.image);
	dev->rom.image = NULL;
	dev->rom.size = 0;
}

/* What is behind the image, or all of it if it cannot be read, is ones. */
static int read_image(struct kassign_device *dev)
{
	void __iomem *rom;
	size_t len;
	void *image;

	image = kvzalloc(dev->rom.size, GFP_KERNEL_ACCOUNT);
	if (!image)
		return -ENOMEM;
	memset(image, 0xff, dev->rom.size);
	rom = pci_map_rom(dev->pdev, &len);
	if (rom) {
		memcpy_fromio(image, rom, min_t(size_t, len, dev->rom.size));
		pci_unmap_rom(dev->pdev, rom);
	}
	dev->rom.image = image;
	return 0;
}

/**
 * kassign_rom_read - read from the option ROM
 * @dev: dev->lock held
 * @off: first byte
 * @buf: out
 * @len: bytes; any alignment
 */
int kassign_rom_read(struct kassign_device *dev, u64 off, void *buf, size_t len)
{
	int err;

	if (off >= dev->rom.size || len > dev->rom.size - off)
		return -EINVAL;
	if (!dev->rom.image) {
		err = read_image(dev);
		if (err)
			return err;
	}
	memcpy(buf, dev->rom.image + off, len);
	return 0;
}
