// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions of one slot that have no reset of their own: the slot is reset, when nobody
 * would notice. What a reset does to an edu: it takes its interrupt line down. Needs
 * --devices odd.
 */
#include <linux/pci_regs.h>
#include <unistd.h>

#include "host.h"
#include "tap.h"

#define ONE	"0000:02:00.0"
#define OTHER	"0000:02:00.1"

struct pair {
	struct rig rig;		/* with ONE */
	int other;
};

static void use(int dev)
{
	config_write(dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* As the hardware has it, whoever owns it */
static bool line_is_up(const char *bdf)
{
	unsigned char status;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	f = fopen(path, "r");
	ASSERT(f && !fseek(f, PCI_STATUS, SEEK_SET));
	ASSERT_EQ(fread(&status, 1, 1, f), 1);
	fclose(f);
	return status & PCI_STATUS_INTERRUPT;
}

static unsigned int resets(int dev)
{
	struct kassign_device_status st;

	ASSERT_EQ(kassign_device_get_status(dev, &st), 0);
	return st.resets;
}

static void start(struct pair *pair)
{
	host_bind(OTHER);
	rig_start(&pair->rig, ONE, VMM_ANON);
	pair->other = rig_assign(pair->rig.guest, OTHER);
	ASSERT(pair->other >= 0);
}

/* Both in use, both with something that only a reset undoes */
static void start_busy(struct pair *pair)
{
	start(pair);
	use(pair->rig.dev);
	use(pair->other);
	edu_write(pair->rig.dev, EDU_IRQ_RAISE, 1);
	edu_write(pair->other, EDU_IRQ_RAISE, 1);
	ASSERT(line_is_up(ONE) && line_is_up(OTHER));
}

static void end(struct pair *pair)
{
	close(pair->other);
	rig_end(&pair->rig);
}

TEST(both_are_said_to_have_a_reset)
{
	struct kassign_device_info info;
	struct pair pair;

	start(&pair);
	ASSERT_EQ(kassign_device_get_info(pair.rig.dev, &info), 0);
	ASSERT(info.flags & KASSIGN_DEVICE_RESETTABLE);
	ASSERT_EQ(kassign_device_get_info(pair.other, &info), 0);
	ASSERT(info.flags & KASSIGN_DEVICE_RESETTABLE);
	/* Of the first; that of the second would have hit nobody either. */
	ASSERT_EQ(resets(pair.rig.dev), 2);
	ASSERT_EQ(resets(pair.other), 1);
	end(&pair);
}

/* As a VMM does for a guest that reboots: one after the other */
TEST(the_last_one_to_ask_resets_both)
{
	struct pair pair;
	unsigned int one, other;

	start_busy(&pair);
	one = resets(pair.rig.dev);
	other = resets(pair.other);
	ASSERT_EQ(kassign_device_reset(pair.rig.dev), -EBUSY);
	ASSERT_EQ(config_read(pair.rig.dev, PCI_COMMAND, 2), 0);
	ASSERT(line_is_up(ONE) && line_is_up(OTHER));
	ASSERT_EQ(resets(pair.rig.dev), one);
	ASSERT_EQ(kassign_device_reset(pair.other), 0);
	ASSERT(!line_is_up(ONE) && !line_is_up(OTHER));
	ASSERT_EQ(resets(pair.rig.dev), one + 1);
	ASSERT_EQ(resets(pair.other), other + 1);
	ASSERT_EQ(edu_read(pair.rig.dev, EDU_ID), EDU_ID_VALUE);
	ASSERT_EQ(edu_read(pair.other, EDU_ID), EDU_ID_VALUE);
	end(&pair);
}

TEST(one_that_was_used_again_is_left_alone)
{
	struct pair pair;

	start_busy(&pair);
	ASSERT_EQ(kassign_device_reset(pair.rig.dev), -EBUSY);
	use(pair.rig.dev);
	ASSERT_EQ(kassign_device_reset(pair.other), -EBUSY);
	ASSERT(line_is_up(ONE) && line_is_up(OTHER));
	ASSERT_EQ(config_read(pair.rig.dev, PCI_COMMAND, 2),
		  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	end(&pair);
}

/* Its direct mapping is taken away meanwhile, and comes back. */
TEST(the_other_works_afterwards)
{
	struct pair pair;
	struct rig *rig = &pair.rig;

	start_busy(&pair);
	ASSERT_EQ(kassign_device_reset(rig->dev), -EBUSY);
	ASSERT_EQ(kassign_device_reset(pair.other), 0);
	edu_enable(rig, BAR0_GPA);
	vmm_write(&rig->vmm, BAR0_GPA + EDU_LIVE, 0x12345678, 1);
	ASSERT_EQ(vmm_read(&rig->vmm, BAR0_GPA + EDU_LIVE, 1), (uint32_t)~0x12345678);
	ASSERT_EQ(rig->vmm.mmio_exits, 0);
	end(&pair);
}

TEST(the_last_release_resets_both)
{
	struct pair pair;

	start_busy(&pair);
	close(pair.other);
	ASSERT(line_is_up(ONE) && line_is_up(OTHER));
	rig_end(&pair.rig);
	ASSERT(!line_is_up(ONE) && !line_is_up(OTHER));
}

/* A driver of the host would notice. */
TEST(not_while_the_host_uses_one)
{
	struct pair pair;

	ASSERT_EQ(system("modprobe vfio-pci"), 0);
	start_busy(&pair);
	close(pair.other);
	host_bind_driver(OTHER, "vfio-pci");
	ASSERT_EQ(kassign_device_reset(pair.rig.dev), -EBUSY);
	ASSERT(line_is_up(ONE));
	/* Without a driver it may be used all the same. */
	host_unbind(OTHER);
	ASSERT_EQ(kassign_device_reset(pair.rig.dev), -EBUSY);
	ASSERT(line_is_up(ONE));
	host_bind(OTHER);
	ASSERT_EQ(kassign_device_reset(pair.rig.dev), 0);
	ASSERT(!line_is_up(ONE));
	rig_end(&pair.rig);
}
