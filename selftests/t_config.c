// SPDX-License-Identifier: GPL-2.0-only
/*
 * Config space: the guest sees its own, the host's is safe.
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"
#include "host.h"
#include "nic.h"
#include "rnd.h"
#include "tap.h"

TEST(identity_is_the_devices)
{
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	ASSERT_EQ(config_read(rig.dev, PCI_VENDOR_ID, 2), 0x1234);
	ASSERT_EQ(config_read(rig.dev, PCI_DEVICE_ID, 2), 0x11e8);
	ASSERT_EQ(config_read(rig.dev, PCI_VENDOR_ID, 4), 0x11e81234);
	ASSERT_EQ(config_read(rig.dev, PCI_DEVICE_ID + 1, 1), 0x11);
	ASSERT_EQ(config_read(rig.dev, PCI_INTERRUPT_PIN, 1), 1);
	rig_end(&rig);
}

TEST(bars_start_unset_and_tell_their_size)
{
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	ASSERT_EQ(config_read(rig.dev, PCI_BASE_ADDRESS_0, 4), 0);
	config_write(rig.dev, PCI_BASE_ADDRESS_0, 4, ~0);
	ASSERT_EQ(config_read(rig.dev, PCI_BASE_ADDRESS_0, 4), 0xfff00000);
	config_write(rig.dev, PCI_BASE_ADDRESS_1, 4, ~0);
	ASSERT_EQ(config_read(rig.dev, PCI_BASE_ADDRESS_1, 4), 0);
	config_write(rig.dev, PCI_BASE_ADDRESS_0 + 3, 1, 0xe0);
	ASSERT_EQ(config_read(rig.dev, PCI_BASE_ADDRESS_0, 4), 0xe0f00000);
	rig_end(&rig);
}

TEST(bar_types_are_kept)
{
	struct rig rig;

	rig_start(&rig, IGB, VMM_ANON);
	config_write(rig.dev, PCI_BASE_ADDRESS_2, 4, ~0);
	ASSERT_EQ(config_read(rig.dev, PCI_BASE_ADDRESS_2, 4) & 3, 1);
	ASSERT_EQ(config_read(rig.dev, PCI_COMMAND, 2), 0);
	rig_end(&rig);
	host_rebind(IGB);
}

TEST(known_capabilities_are_shown_others_hidden)
{
	struct rig rig;
	uint64_t caps;
	uint32_t pos, head, ttl = 64;

	rig_start(&rig, IGB, VMM_ANON);
	caps = config_caps(rig.dev);
	ASSERT_EQ(caps, 1ULL << PCI_CAP_ID_PM | 1ULL << PCI_CAP_ID_MSI |
			1ULL << PCI_CAP_ID_MSIX | 1ULL << PCI_CAP_ID_EXP);
	for (pos = 0x100; pos && ttl--; pos = head >> 20) {
		head = config_read(rig.dev, pos, 4);
		ASSERT((head & 0xffff) != PCI_EXT_CAP_ID_SRIOV);
		ASSERT((head & 0xffff) != PCI_EXT_CAP_ID_ATS);
	}
	ASSERT_EQ(pos, 0);
	rig_end(&rig);
	host_rebind(IGB);
}

static unsigned char rom_there[1 << 20], rom_here[1 << 20];

/* What the host reads of it, in sysfs; bytes */
static size_t host_rom(const char *bdf, unsigned char *buf, size_t size)
{
	char path[128];
	size_t done = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/rom", bdf);
	fd = open(path, O_RDWR);
	ASSERT_OK(fd);
	ASSERT_EQ(write(fd, "1", 1), 1);
	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, buf + done, size - done)) > 0)
		done += n;
	lseek(fd, 0, SEEK_SET);
	ASSERT_EQ(write(fd, "0", 1), 1);
	close(fd);
	return done;
}

TEST(the_option_rom_can_be_read)
{
	struct kassign_region_info info;
	size_t size, at;
	struct rig rig;

	size = host_rom(NIC, rom_there, sizeof(rom_there));
	ASSERT(size > 1024);
	ASSERT_EQ(rom_there[0] | rom_there[1] << 8, 0xaa55);
	rig_start(&rig, NIC, VMM_ANON);
	ASSERT_EQ(kassign_device_get_region(rig.dev, KASSIGN_REGION_ROM, &info), 0);
	ASSERT_EQ(info.flags, KASSIGN_REGION_INFO_READ);
	ASSERT(info.size >= size && info.size <= sizeof(rom_here));
	for (at = 0; at < info.size; at += 2048)
		ASSERT_EQ(kassign_region_read(rig.dev, KASSIGN_REGION_ROM, at,
					      rom_here + at, 2048), 0);
	ASSERT(!memcmp(rom_here, rom_there, size));
	ASSERT_EQ(kassign_region_read(rig.dev, KASSIGN_REGION_ROM, 3, rom_there, 5), 0);
	ASSERT(!memcmp(rom_here + 3, rom_there, 5));
	ASSERT(kassign_region_read(rig.dev, KASSIGN_REGION_ROM, info.size - 1,
				   rom_there, 2) < 0);
	ASSERT(kassign_region_write(rig.dev, KASSIGN_REGION_ROM, 0, rom_there, 4) < 0);
	config_write(rig.dev, PCI_ROM_ADDRESS, 4, ~0);
	ASSERT_EQ(config_read(rig.dev, PCI_ROM_ADDRESS, 4),
		  (uint32_t)-info.size | PCI_ROM_ADDRESS_ENABLE);
	config_write(rig.dev, PCI_ROM_ADDRESS, 4, 0xe0000000);
	ASSERT_EQ(config_read(rig.dev, PCI_ROM_ADDRESS, 4), 0xe0000000);
	rig_end(&rig);
	host_rebind(NIC);
}

TEST(without_an_option_rom_there_is_no_bar_for_it)
{
	struct kassign_region_info info;
	struct rig rig;
	char c;

	rig_start(&rig, EDU, VMM_ANON);
	ASSERT_EQ(kassign_device_get_region(rig.dev, KASSIGN_REGION_ROM, &info), 0);
	ASSERT_EQ(info.size, 0);
	config_write(rig.dev, PCI_ROM_ADDRESS, 4, ~0);
	ASSERT_EQ(config_read(rig.dev, PCI_ROM_ADDRESS, 4), 0);
	ASSERT(kassign_region_read(rig.dev, KASSIGN_REGION_ROM, 0, &c, 1) < 0);
	rig_end(&rig);
}

TEST(msix_table_is_virtual)
{
	struct kassign_region_info info;
	struct rig rig;
	uint32_t value = 0x12345678, ctrl;

	rig_start(&rig, IGB, VMM_ANON);
	ASSERT_EQ(kassign_device_get_region(rig.dev, 3, &info), 0);
	ASSERT_EQ(kassign_region_read(rig.dev, 3, 12, &ctrl, 4), 0);
	ASSERT_EQ(ctrl, 1);
	ASSERT_EQ(kassign_region_write(rig.dev, 3, 8, &value, 4), 0);
	value = 0;
	ASSERT_EQ(kassign_region_read(rig.dev, 3, 8, &value, 4), 0);
	ASSERT_EQ(value, 0x12345678);
	value = ~0;
	ASSERT_EQ(kassign_region_write(rig.dev, 3, 12, &value, 4), 0);
	ASSERT_EQ(kassign_region_read(rig.dev, 3, 12, &value, 4), 0);
	ASSERT_EQ(value, 1);
	ASSERT_EQ(kassign_device_reset(rig.dev), 0);
	ASSERT_EQ(kassign_region_read(rig.dev, 3, 8, &value, 4), 0);
	ASSERT_EQ(value, 0);
	rig_end(&rig);
	host_rebind(IGB);
}

/* What the host reads in the hardware, where the guest has its capability too */
static unsigned int host_power_state(const char *bdf, unsigned int pos)
{
	unsigned char ctrl = 0xff;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY);
	ASSERT_OK(fd);
	ASSERT_EQ(pread(fd, &ctrl, 1, pos + PCI_PM_CTRL), 1);
	close(fd);
	return ctrl & PCI_PM_CTRL_STATE_MASK;
}

TEST(a_guest_puts_it_to_sleep_and_wakes_it)
{
	uint32_t regs = 0;
	unsigned int pm;
	struct rig rig;
	struct nic nic;

	rig_start(&rig, NIC, VMM_ANON);
	nic_start(&nic, &rig);
	pm = config_cap(rig.dev, PCI_CAP_ID_PM);
	ASSERT(pm);
	ASSERT_EQ(config_read(rig.dev, pm + PCI_PM_PMC, 2) & PCI_PM_CAP_PME_MASK, 0);
	config_write(rig.dev, pm + PCI_PM_CTRL, 2, 3 | PCI_PM_CTRL_PME_ENABLE);
	ASSERT_EQ(config_read(rig.dev, pm + PCI_PM_CTRL, 2),
		  3 | PCI_PM_CTRL_NO_SOFT_RESET);
	ASSERT_EQ(host_power_state(NIC, pm), 0);
	config_write(rig.dev, pm + PCI_PM_CTRL, 2, 0);
	ASSERT_EQ(config_read(rig.dev, pm + PCI_PM_CTRL, 2), PCI_PM_CTRL_NO_SOFT_RESET);
	/* Nothing of it was lost. */
	regs = config_read(rig.dev, PCI_BASE_ADDRESS_0, 4);
	ASSERT_EQ(regs & ~0xfU, BAR0_GPA);
	ASSERT(nic_loops_back(&nic, 200));
	nic_end(&nic);
	rig_end(&rig);
	host_rebind(NIC);
}

TEST(random_writes_leave_the_host_alone)
{
	seed_from_env();
	config_fuzz(EDU);
	config_fuzz(IGB);
	host_rebind(IGB);
}
