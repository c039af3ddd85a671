// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <unistd.h>

#include "fuzz.h"
#include "host.h"
#include "rnd.h"
#include "tap.h"

#define SIZE 4096

/* The hardware's config space, as the host sees it; zeroes where there is none */
static void hw_config(const char *bdf, unsigned char buf[SIZE])
{
	char path[128];
	int fd;

	memset(buf, 0, SIZE);

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY);
	ASSERT_OK(fd);
	ASSERT(read(fd, buf, SIZE) >= 256);
	close(fd);
}

uint64_t config_caps(int dev)
{
	unsigned int pos = config_read(dev, PCI_CAPABILITY_LIST, 1), ttl = 48;
	uint64_t found = 0;

	while (pos) {
		ASSERT(pos >= 0x40 && pos <= 0xfc && !(pos & 3) && ttl--);
		found |= 1ULL << config_read(dev, pos, 1);
		pos = config_read(dev, pos + 1, 1);
	}
	return found;
}

unsigned int config_cap(int dev, uint8_t id)
{
	unsigned int pos = config_read(dev, PCI_CAPABILITY_LIST, 1), ttl = 48;

	while (pos && ttl-- && config_read(dev, pos, 1) != id)
		pos = config_read(dev, pos + 1, 1);
	return pos;
}

/* Registers that hardware or host change by themselves, as offset and length */
static const struct {
	uint8_t cap;		/* 0: of the header */
	uint8_t off;
	uint8_t len;
} living[] = {
	{ 0, PCI_STATUS, 2 },
	{ PCI_CAP_ID_MSI, PCI_MSI_FLAGS, 22 },	/* the host's own */
	{ PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS, 2 },
	{ PCI_CAP_ID_EXP, PCI_EXP_DEVSTA, 2 },
	{ PCI_CAP_ID_EXP, PCI_EXP_LNKSTA, 2 },
	{ PCI_CAP_ID_EXP, PCI_EXP_LNKSTA2, 2 },
	{ PCI_CAP_ID_VPD, PCI_VPD_ADDR, 6 },	/* the host reads it */
};

static unsigned int find_cap(const unsigned char *config, uint8_t id)
{
	unsigned int pos = config[PCI_CAPABILITY_LIST];

	while (pos && config[pos] != id)
		pos = config[pos + 1];
	return pos;
}

static void forget_living(unsigned char *config)
{
	unsigned int i, pos;

	/* The two bits of the command register that a guest may turn */
	config[PCI_COMMAND] &= ~PCI_COMMAND_MASTER;
	config[PCI_COMMAND + 1] &= ~(PCI_COMMAND_INTX_DISABLE >> 8);
	for (i = 0; i < sizeof(living) / sizeof(living[0]); i++) {
		pos = living[i].cap ? find_cap(config, living[i].cap) : 0;
		if (pos || !living[i].cap)
			memset(config + pos + living[i].off, 0, living[i].len);
	}
}

static void expect_same(const unsigned char *before, const unsigned char *after)
{
	int i;

	for (i = 0; i < SIZE; i++)
		if (before[i] != after[i])
			TAP_FAIL("byte 0x%x: 0x%x became 0x%x", i, before[i],
				 after[i]);
}

void config_fuzz(const char *bdf)
{
	unsigned char before[SIZE], after[SIZE], buf[8];
	struct rig rig;
	int i, j, len;

	rig_start(&rig, bdf, VMM_ANON);
	ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSI), 0);
	if (config_cap(rig.dev, PCI_CAP_ID_MSIX))
		ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSIX), 0);
	hw_config(bdf, before);
	for (i = 0; i < 3000; i++) {
		len = 1 + rnd(sizeof(buf));
		for (j = 0; j < len; j++)
			buf[j] = rnd(256);
		kassign_region_write(rig.dev, KASSIGN_REGION_CONFIG,
				     rnd(i % 4 ? 256 : SIZE), buf, len);
		kassign_region_read(rig.dev, KASSIGN_REGION_CONFIG,
				    rnd(SIZE), buf, len);
	}
	config_caps(rig.dev);
	config_write(rig.dev, PCI_COMMAND, 2, 0);
	ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSI), 0);
	ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSIX), 0);
	hw_config(bdf, after);
	forget_living(before);
	forget_living(after);
	expect_same(before, after);
	rig_end(&rig);
}
