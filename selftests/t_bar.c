// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs: the guest reaches them without an exit, wherever it puts them.
 */
#include <linux/pci_regs.h>
#include <unistd.h>

#include "host.h"
#include "tap.h"

static struct kassign_device_status status(struct rig *rig)
{
	struct kassign_device_status st;

	ASSERT_EQ(kassign_device_get_status(rig->dev, &st), 0);
	return st;
}

/* Reads edu's id @n times in the guest; how many exits that took */
static uint64_t exits_for(struct rig *rig, uint64_t gpa, int n)
{
	uint64_t before = rig->vmm.mmio_exits;

	ASSERT_EQ(vmm_read(&rig->vmm, gpa + EDU_ID, n), EDU_ID_VALUE);
	return rig->vmm.mmio_exits - before;
}

TEST(reads_cause_no_exit_and_no_trapped_access)
{
	struct rig rig;
	uint64_t trapped;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	trapped = status(&rig).trapped;
	ASSERT_EQ(exits_for(&rig, BAR0_GPA, 10000), 0);
	ASSERT_EQ(status(&rig).trapped, trapped);
	ASSERT_EQ(status(&rig).bar_slots, 1);
	rig_end(&rig);
}

TEST(writes_reach_the_device)
{
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	vmm_write(&rig.vmm, BAR0_GPA + EDU_LIVE, 0x01020304, 1);
	ASSERT_EQ(vmm_read(&rig.vmm, BAR0_GPA + EDU_LIVE, 1), 0xfefdfcfb);
	ASSERT_EQ(edu_read(rig.dev, EDU_LIVE), 0xfefdfcfb);
	ASSERT_EQ(rig.vmm.mmio_exits, 0);
	rig_end(&rig);
}

TEST(a_moved_bar_is_direct_at_the_new_place_only)
{
	struct rig rig;
	uint64_t to = BAR0_GPA + (64 << 20), before;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	ASSERT_EQ(exits_for(&rig, BAR0_GPA, 10), 0);
	rig.vmm.nr_mmio = 0;
	config_write(rig.dev, PCI_BASE_ADDRESS_0, 4, to);
	ASSERT_EQ(exits_for(&rig, to, 10), 0);
	before = rig.vmm.mmio_exits;
	ASSERT_EQ(vmm_read(&rig.vmm, BAR0_GPA, 10), 0xffffffff);
	ASSERT_EQ(rig.vmm.mmio_exits - before, 10);
	ASSERT_EQ(status(&rig).bar_slots, 1);
	rig_end(&rig);
}

TEST(without_memory_decoding_there_is_no_slot)
{
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	config_write(rig.dev, PCI_COMMAND, 2, 0);
	ASSERT_EQ(status(&rig).bar_slots, 0);
	/* The exits are served by the test's own handler. */
	ASSERT_EQ(exits_for(&rig, BAR0_GPA, 10), 10);
	config_write(rig.dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ASSERT_EQ(exits_for(&rig, BAR0_GPA, 10), 0);
	rig_end(&rig);
}

TEST(over_ram_the_bar_stays_away)
{
	struct rig rig;
	uint32_t *ram;

	rig_start(&rig, EDU, VMM_ANON);
	ram = vmm_ptr(&rig.vmm, 0x1000000);
	*ram = 4711;
	edu_enable(&rig, 0x1000000);
	ASSERT_EQ(status(&rig).bar_slots, 0);
	ASSERT_EQ(vmm_read(&rig.vmm, 0x1000000, 1), 4711);
	config_write(rig.dev, PCI_BASE_ADDRESS_0, 4, BAR0_GPA);
	ASSERT_EQ(exits_for(&rig, BAR0_GPA, 10), 0);
	rig_end(&rig);
}

TEST(a_reset_takes_the_slot_away)
{
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	ASSERT_EQ(kassign_device_reset(rig.dev), 0);
	ASSERT_EQ(status(&rig).bar_slots, 0);
	ASSERT_EQ(config_read(rig.dev, PCI_BASE_ADDRESS_0, 4), 0);
	edu_enable(&rig, BAR0_GPA);
	ASSERT_EQ(exits_for(&rig, BAR0_GPA, 10), 0);
	rig_end(&rig);
}

TEST(the_slot_goes_with_the_device)
{
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	ASSERT_EQ(exits_for(&rig, BAR0_GPA, 10), 0);
	rig.vmm.nr_mmio = 0;
	close(rig.dev);
	ASSERT_EQ(vmm_read(&rig.vmm, BAR0_GPA, 10), 0xffffffff);
	ASSERT_EQ(rig.vmm.mmio_exits, 10);
	rig.dev = rig_assign(rig.guest, EDU);
	ASSERT(rig.dev >= 0);
	edu_enable(&rig, BAR0_GPA);
	ASSERT_EQ(exits_for(&rig, BAR0_GPA, 10), 0);
	rig_end(&rig);
}
