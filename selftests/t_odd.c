// SPDX-License-Identifier: GPL-2.0-only
/*
 * What no device of the emulator has, on one that we made (host/odd.c): masks of MSI
 * vectors, advanced features, vital product data, odd BARs. Needs --devices odd.
 */
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/odd.h"
#include "fuzz.h"
#include "host.h"
#include "mirror.h"
#include "rnd.h"
#include "tap.h"

#define ODD	"0000:01:00.0"
#define VECTOR	0x50		/* the first: all share its upper bits */

static uint32_t bar_read(int dev, unsigned int index, unsigned int off, size_t len)
{
	uint32_t value = 0;

	ASSERT_EQ(kassign_region_read(dev, index, off, &value, len), 0);
	return value;
}

static void bar_write(int dev, unsigned int index, unsigned int off, size_t len,
		      uint32_t value)
{
	ASSERT_EQ(kassign_region_write(dev, index, off, &value, len), 0);
}

static void start(struct rig *rig)
{
	rig_start(rig, ODD, VMM_ANON);
	config_write(rig->dev, PCI_BASE_ADDRESS_0, 4, BAR0_GPA);
	config_write(rig->dev, PCI_COMMAND, 2,
		     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ASSERT_EQ(bar_read(rig->dev, 0, ODD_REG_ID, 4), ODD_ID);
}

/* ---- capabilities ---- */

TEST(capabilities_that_are_known_are_shown)
{
	struct rig rig;

	start(&rig);
	ASSERT_EQ(config_caps(rig.dev),
		  1ULL << PCI_CAP_ID_AF | 1ULL << PCI_CAP_ID_VPD |
		  1ULL << PCI_CAP_ID_MSI | 1ULL << PCI_CAP_ID_VNDR |
		  1ULL << PCI_CAP_ID_MSIX);
	ASSERT_EQ(config_read(rig.dev, ODD_CAP_SATA, 4), 0);
	ASSERT_EQ(config_read(rig.dev, ODD_CAP_VENDOR + 4, 4), ODD_ID);
	config_write(rig.dev, ODD_CAP_VENDOR + 4, 4, 0);
	ASSERT_EQ(config_read(rig.dev, ODD_CAP_VENDOR + 4, 4), ODD_ID);
	rig_end(&rig);
}

/* As a guest reads it (PCI Local Bus 3.0, appendix I) */
static uint32_t vpd_read(int dev, unsigned int addr)
{
	config_write(dev, ODD_CAP_VPD + PCI_VPD_ADDR, 2, addr);
	ASSERT_EQ(config_read(dev, ODD_CAP_VPD + PCI_VPD_ADDR, 2),
		  addr | PCI_VPD_ADDR_F);
	return config_read(dev, ODD_CAP_VPD + PCI_VPD_DATA, 4);
}

TEST(vital_product_data_can_be_read_and_not_written)
{
	struct rig rig;
	uint32_t word;

	start(&rig);
	ASSERT_EQ(vpd_read(rig.dev, 0), 'o' << 24 | 0x000382);
	ASSERT_EQ(vpd_read(rig.dev, 4), 11 << 24 | 0x900000 | 'd' << 8 | 'd');
	/* The last dword has one byte, the end tag. */
	ASSERT_EQ(vpd_read(rig.dev, 20), 0x78);
	word = vpd_read(rig.dev, 12);
	ASSERT_EQ(word, '1' << 24 | 'd' << 16 | 'd' << 8 | 'o');
	config_write(rig.dev, ODD_CAP_VPD + PCI_VPD_DATA, 4, ~word);
	config_write(rig.dev, ODD_CAP_VPD + PCI_VPD_ADDR, 2, 12 | PCI_VPD_ADDR_F);
	ASSERT_EQ(config_read(rig.dev, ODD_CAP_VPD + PCI_VPD_ADDR, 2), 12);
	ASSERT_EQ(vpd_read(rig.dev, 12), word);
	rig_end(&rig);
}

TEST(advanced_features_reset_the_function)
{
	uint32_t resets;
	struct rig rig;
	int dev;

	start(&rig);
	dev = rig.dev;
	/* The first one was the attach's. */
	resets = bar_read(dev, 0, ODD_REG_RESETS, 4);
	ASSERT(resets > 0);
	bar_write(dev, 0, ODD_MEMORY, 4, 0x12345678);
	config_write(dev, ODD_CAP_AF + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR);
	ASSERT_EQ(config_read(dev, PCI_COMMAND, 2), 0);
	ASSERT_EQ(config_read(dev, PCI_BASE_ADDRESS_0, 4), 0);
	ASSERT_EQ(config_read(dev, ODD_CAP_AF + PCI_AF_CTRL, 1), 0);
	ASSERT_EQ(bar_read(dev, 0, ODD_REG_ID, 4), ODD_ID);
	ASSERT_EQ(bar_read(dev, 0, ODD_REG_RESETS, 4), resets + 1);
	ASSERT_EQ(bar_read(dev, 0, ODD_MEMORY, 4), 0);
	/* Never a transaction pending; and it is no reset to write anything else. */
	ASSERT_EQ(config_read(dev, ODD_CAP_AF + PCI_AF_STATUS, 1), 0);
	config_write(dev, ODD_CAP_AF + PCI_AF_CTRL, 1, 0xfe);
	ASSERT_EQ(bar_read(dev, 0, ODD_REG_RESETS, 4), resets + 1);
	rig_end(&rig);
}

TEST(random_writes_leave_the_host_alone)
{
	seed_from_env();
	config_fuzz(ODD);
}

/* ---- MSI, vector by vector ---- */

static void program(int dev, bool enable)
{
	config_write(dev, ODD_CAP_MSI + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	config_write(dev, ODD_CAP_MSI + PCI_MSI_ADDRESS_HI, 4, 0);
	config_write(dev, ODD_CAP_MSI + PCI_MSI_DATA_64, 2, VECTOR);
	config_write(dev, ODD_CAP_MSI + PCI_MSI_FLAGS, 2,
		     (enable ? PCI_MSI_FLAGS_ENABLE : 0) | ODD_VECTORS_LOG << 4);
}

static void mask(int dev, uint32_t bits)
{
	config_write(dev, ODD_CAP_MSI + PCI_MSI_MASK_64, 4, bits);
}

static uint32_t pending(int dev)
{
	return config_read(dev, ODD_CAP_MSI + PCI_MSI_PENDING_64, 4);
}

static void raise_vector(int dev, unsigned int nr)
{
	bar_write(dev, 0, ODD_REG_RAISE, 4, nr);
}

/**
 * struct way - one of the two into the guest
 * @rig:	the VM
 * @fds:	eventfds of the vectors; -1: the module injects
 */
struct way {
	struct rig rig;
	int32_t fds[ODD_VECTORS];
};

static void get_ready(struct way *way, bool inject)
{
	int i;

	start(&way->rig);
	for (i = 0; i < ODD_VECTORS; i++)
		way->fds[i] = inject ? -1 : eventfd(0, EFD_NONBLOCK);
	program(way->rig.dev, false);
}

static void deliver(struct way *way, uint32_t index)
{
	if (way->fds[0] < 0)
		ASSERT_EQ(kassign_irq_inject(way->rig.dev, index), 0);
	else
		ASSERT_EQ(kassign_irq_eventfds(way->rig.dev, index, 0, ODD_VECTORS,
					       way->fds), 0);
}

static void start_way(struct way *way, bool inject)
{
	get_ready(way, inject);
	deliver(way, KASSIGN_IRQ_MSI);
	program(way->rig.dev, true);
}

static void end_way(struct way *way)
{
	int i;

	rig_end(&way->rig);
	for (i = 0; i < ODD_VECTORS; i++)
		if (way->fds[i] >= 0)
			close(way->fds[i]);
}

/* Interrupts of a vector since the last look; waits for the first at most @ms */
static uint64_t arrived(struct way *way, unsigned int nr, int ms)
{
	static uint64_t seen[ODD_VECTORS];
	volatile uint64_t *irqs = &way->rig.vmm.mbox->irqs[VECTOR + nr];
	struct pollfd p = { .fd = way->fds[nr], .events = POLLIN };
	uint64_t n = 0;

	if (way->fds[nr] >= 0) {
		if (poll(&p, 1, ms) == 1)
			ASSERT_EQ(read(way->fds[nr], &n, sizeof(n)), sizeof(n));
		return n;
	}
	for (; ms > 0 && *irqs == seen[nr]; ms--)
		usleep(1000);
	n = *irqs - seen[nr];
	seen[nr] += n;
	return n;
}

static void expect_all_arrive(struct way *way)
{
	unsigned int i;

	for (i = 0; i < ODD_VECTORS; i++) {
		raise_vector(way->rig.dev, i);
		ASSERT_EQ(arrived(way, i, 2000), 1);
	}
}

static uint32_t index_in_use(struct way *way)
{
	struct kassign_device_status st;

	ASSERT_EQ(kassign_device_get_status(way->rig.dev, &st), 0);
	return st.irq_index;
}

/* As QEMU brings them, after the guest's write: at most so many in a message */
TEST(eventfds_may_come_in_several_calls)
{
	unsigned int half = ODD_VECTORS / 2;
	struct way way;

	get_ready(&way, false);
	program(way.rig.dev, true);
	ASSERT_EQ(kassign_irq_eventfds(way.rig.dev, KASSIGN_IRQ_MSI, 0, half,
				       way.fds), 0);
	ASSERT_EQ(kassign_irq_eventfds(way.rig.dev, KASSIGN_IRQ_MSI, half, half,
				       way.fds + half), 0);
	expect_all_arrive(&way);
	end_way(&way);
}

static void masks_hold_vectors_back(bool inject)
{
	struct way way;
	unsigned int i;
	int dev;

	start_way(&way, inject);
	dev = way.rig.dev;
	ASSERT(config_read(dev, ODD_CAP_MSI + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_MASKBIT);
	expect_all_arrive(&way);
	mask(dev, 1 << 3 | 1 << 5);
	for (i = 0; i < ODD_VECTORS; i++)
		raise_vector(dev, i);
	raise_vector(dev, 3);		/* twice is once */
	for (i = 0; i < ODD_VECTORS; i++)
		ASSERT_EQ(arrived(&way, i, i == 3 || i == 5 ? 50 : 2000),
			  i == 3 || i == 5 ? 0 : 1);
	ASSERT_EQ(pending(dev), 1 << 3 | 1 << 5);
	mask(dev, 1 << 5);
	ASSERT_EQ(arrived(&way, 3, 2000), 1);
	ASSERT_EQ(arrived(&way, 5, 50), 0);
	ASSERT_EQ(pending(dev), 1 << 5);
	mask(dev, 0);
	ASSERT_EQ(arrived(&way, 5, 2000), 1);
	ASSERT_EQ(pending(dev), 0);
	ASSERT_EQ(arrived(&way, 3, 50), 0);
	end_way(&way);
}

TEST(masks_hold_vectors_back_by_eventfd)
{
	masks_hold_vectors_back(false);
}

TEST(masks_hold_vectors_back_by_injection)
{
	masks_hold_vectors_back(true);
}

TEST(the_mask_has_a_bit_for_each_vector_and_no_more)
{
	struct rig rig;

	start(&rig);
	mask(rig.dev, ~0);
	ASSERT_EQ(config_read(rig.dev, ODD_CAP_MSI + PCI_MSI_MASK_64, 4),
		  (1 << ODD_VECTORS) - 1);
	config_write(rig.dev, ODD_CAP_MSI + PCI_MSI_PENDING_64, 4, ~0);
	ASSERT_EQ(pending(rig.dev), 0);
	ASSERT_EQ(kassign_device_reset(rig.dev), 0);
	ASSERT_EQ(config_read(rig.dev, ODD_CAP_MSI + PCI_MSI_MASK_64, 4), 0);
	rig_end(&rig);
}

TEST(a_reset_opens_what_was_masked)
{
	struct way way;

	start_way(&way, true);
	mask(way.rig.dev, ~0);
	raise_vector(way.rig.dev, 1);
	ASSERT_EQ(arrived(&way, 1, 50), 0);
	ASSERT_EQ(kassign_device_reset(way.rig.dev), 0);
	config_write(way.rig.dev, PCI_COMMAND, 2,
		     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	program(way.rig.dev, true);
	/* That one went with the reset. */
	ASSERT_EQ(arrived(&way, 1, 50), 0);
	raise_vector(way.rig.dev, 1);
	ASSERT_EQ(arrived(&way, 1, 2000), 1);
	end_way(&way);
}

static volatile bool stop_toggling;

static void *toggle(void *data)
{
	struct way *way = data;
	uint32_t bits = 0;

	while (!stop_toggling) {
		bits ^= 1 << 2;
		mask(way->rig.dev, bits);
	}
	mask(way->rig.dev, 0);
	return NULL;
}

/* However mask and interrupt meet, one raised is one delivered. */
static void none_is_lost(bool inject)
{
	pthread_t thread;
	struct way way;
	int i;

	start_way(&way, inject);
	ASSERT_EQ(pthread_create(&thread, NULL, toggle, &way), 0);
	for (i = 0; i < 500; i++) {
		raise_vector(way.rig.dev, 2);
		ASSERT_EQ(arrived(&way, 2, 5000), 1);
	}
	stop_toggling = true;
	pthread_join(thread, NULL);
	ASSERT_EQ(arrived(&way, 2, 50), 0);
	end_way(&way);
}

TEST(none_is_lost_while_the_mask_changes_by_eventfd)
{
	none_is_lost(false);
}

TEST(none_is_lost_while_the_mask_changes_by_injection)
{
	none_is_lost(true);
}

/* ---- MSI-X, entry by entry ---- */

#define ENTRY(nr)	(ODD_TABLE + 16 * (nr))
#define ENTRY_DATA	8
#define ENTRY_CTRL	12
#define OTHER_VECTOR	(VECTOR + ODD_VECTORS)

static void enable_msix(int dev, uint16_t flags)
{
	config_write(dev, ODD_CAP_MSIX + PCI_MSIX_FLAGS, 2, flags);
}

static void fill_table(int dev)
{
	unsigned int i;

	for (i = 0; i < ODD_VECTORS; i++) {
		bar_write(dev, 2, ENTRY(i), 4, 0xfee00000);
		bar_write(dev, 2, ENTRY(i) + 4, 4, 0);
		bar_write(dev, 2, ENTRY(i) + ENTRY_DATA, 4, VECTOR + i);
		bar_write(dev, 2, ENTRY(i) + ENTRY_CTRL, 4, 0);
	}
}

static void mask_entry(int dev, unsigned int nr, bool masked)
{
	bar_write(dev, 2, ENTRY(nr) + ENTRY_CTRL, 4, masked);
}

static uint32_t msix_pending(int dev)
{
	return bar_read(dev, 2, ODD_PBA, 4);
}

TEST(entries_are_masked_and_changed_one_by_one)
{
	volatile uint64_t *others;
	struct way way;
	int dev;

	get_ready(&way, true);
	dev = way.rig.dev;
	others = way.rig.vmm.mbox->irqs + OTHER_VECTOR;
	deliver(&way, KASSIGN_IRQ_MSIX);
	fill_table(dev);
	enable_msix(dev, PCI_MSIX_FLAGS_ENABLE);
	expect_all_arrive(&way);
	mask_entry(dev, 3, true);
	raise_vector(dev, 3);
	raise_vector(dev, 3);		/* twice is once */
	ASSERT_EQ(arrived(&way, 3, 50), 0);
	ASSERT_EQ(msix_pending(dev), 1 << 3);
	raise_vector(dev, 4);
	ASSERT_EQ(arrived(&way, 4, 2000), 1);
	/* To be somebody else's when it is opened */
	bar_write(dev, 2, ENTRY(3) + ENTRY_DATA, 4, OTHER_VECTOR);
	mask_entry(dev, 3, false);
	ASSERT(vmm_wait_irqs(&way.rig.vmm, OTHER_VECTOR, 1));
	ASSERT_EQ(arrived(&way, 3, 50), 0);
	ASSERT_EQ(*others, 1);
	ASSERT_EQ(msix_pending(dev), 0);
	end_way(&way);
}

TEST(all_entries_are_masked_at_once)
{
	struct way way;
	unsigned int i;
	int dev;

	get_ready(&way, true);
	dev = way.rig.dev;
	deliver(&way, KASSIGN_IRQ_MSIX);
	fill_table(dev);
	enable_msix(dev, PCI_MSIX_FLAGS_ENABLE);
	expect_all_arrive(&way);
	enable_msix(dev, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	for (i = 0; i < ODD_VECTORS; i++)
		raise_vector(dev, i);
	ASSERT_EQ(arrived(&way, 0, 50), 0);
	ASSERT_EQ(msix_pending(dev), (1 << ODD_VECTORS) - 1);
	mask_entry(dev, 6, true);
	enable_msix(dev, PCI_MSIX_FLAGS_ENABLE);
	for (i = 0; i < ODD_VECTORS; i++)
		ASSERT_EQ(arrived(&way, i, i == 6 ? 50 : 2000), i != 6);
	ASSERT_EQ(msix_pending(dev), 1 << 6);
	mask_entry(dev, 6, false);
	ASSERT_EQ(arrived(&way, 6, 2000), 1);
	end_way(&way);
}

/* A driver may try one after the other, at run time. */
static void kinds_take_turns(bool inject)
{
	struct way way;
	int dev, turn;

	get_ready(&way, inject);
	dev = way.rig.dev;
	fill_table(dev);
	if (inject)
		deliver(&way, KASSIGN_IRQ_MSIX);
	for (turn = 0; turn < 3; turn++) {
		if (!inject || !turn)
			deliver(&way, KASSIGN_IRQ_MSI);
		program(dev, true);
		ASSERT_EQ(index_in_use(&way), KASSIGN_IRQ_MSI);
		expect_all_arrive(&way);
		if (!inject)
			ASSERT_EQ(kassign_irq_eventfds(dev, KASSIGN_IRQ_MSIX, 0, 1,
						       way.fds), -EBUSY);
		program(dev, false);
		if (!inject)
			ASSERT_EQ(kassign_irq_disable(dev, KASSIGN_IRQ_MSI), 0);
		if (!inject)
			deliver(&way, KASSIGN_IRQ_MSIX);
		enable_msix(dev, PCI_MSIX_FLAGS_ENABLE);
		ASSERT_EQ(index_in_use(&way), KASSIGN_IRQ_MSIX);
		expect_all_arrive(&way);
		enable_msix(dev, 0);
		if (!inject)
			ASSERT_EQ(kassign_irq_disable(dev, KASSIGN_IRQ_MSIX), 0);
	}
	end_way(&way);
}

TEST(msi_and_msix_take_turns_by_eventfd)
{
	kinds_take_turns(false);
}

TEST(msi_and_msix_take_turns_by_injection)
{
	kinds_take_turns(true);
}

/* ---- BARs ---- */

TEST(a_bar_of_less_than_a_page_is_trapped)
{
	struct kassign_region_info info;
	struct rig rig;
	int dev;

	start(&rig);
	dev = rig.dev;
	ASSERT_EQ(kassign_device_get_region(dev, 1, &info), 0);
	ASSERT_EQ(info.size, ODD_BAR1_SIZE);
	ASSERT_EQ(info.nr_areas, 0);
	ASSERT(!(info.flags & KASSIGN_REGION_INFO_MMAP));
	config_write(dev, PCI_BASE_ADDRESS_1, 4, ~0);
	ASSERT_EQ(config_read(dev, PCI_BASE_ADDRESS_1, 4), (uint32_t)-ODD_BAR1_SIZE);
	config_write(dev, PCI_BASE_ADDRESS_1, 4, BAR0_GPA + 0x100000);
	vmm_add_mmio(&rig.vmm, BAR0_GPA + 0x100000, ODD_BAR1_SIZE, dev, 1);
	vmm_write(&rig.vmm, BAR0_GPA + 0x100000 + 0x80, 0xdeadbeef, 1);
	ASSERT_EQ(bar_read(dev, 1, 0x80, 4), 0xdeadbeef);
	ASSERT_EQ(vmm_read(&rig.vmm, BAR0_GPA + 0x100000 + 0x80, 1), 0xdeadbeef);
	ASSERT_EQ(bar_read(dev, 1, 0x82, 2), 0xdead);
	bar_write(dev, 1, ODD_BAR1_SIZE - 1, 1, 0x5a);
	ASSERT_EQ(bar_read(dev, 1, ODD_BAR1_SIZE - 1, 1), 0x5a);
	ASSERT(kassign_region_read(dev, 1, ODD_BAR1_SIZE, &info, 1) < 0);
	rig_end(&rig);
}

TEST(a_table_within_a_page_takes_only_that_page)
{
	struct kassign_region_info info;
	uint64_t gpa = 0x800000000ULL;
	uint64_t exits;
	struct rig rig;
	int dev;

	start(&rig);
	dev = rig.dev;
	ASSERT_EQ(kassign_device_get_region(dev, 2, &info), 0);
	ASSERT_EQ(info.nr_areas, 2);
	ASSERT(info.areas[0].offset == 0 && info.areas[0].size == 0x1000);
	ASSERT(info.areas[1].offset == 0x2000 && info.areas[1].size == 0x2000);
	/* Of that page, what is not table or pending bits is the hardware's. */
	bar_write(dev, 2, ODD_TABLE - 4, 4, 0x11111111);
	ASSERT_EQ(bar_read(dev, 2, ODD_TABLE - 4, 4), 0x11111111);
	bar_write(dev, 2, ODD_TABLE + 16 * ODD_VECTORS, 4, 0x22222222);
	ASSERT_EQ(bar_read(dev, 2, ODD_TABLE + 16 * ODD_VECTORS, 4), 0x22222222);
	ASSERT_EQ(bar_read(dev, 2, ODD_TABLE + 12, 4), 1);	/* masked */
	bar_write(dev, 2, ODD_PBA, 4, ~0);
	ASSERT_EQ(bar_read(dev, 2, ODD_PBA, 4), 0);
	/* The guest reaches the other pages by itself. */
	config_write(dev, PCI_BASE_ADDRESS_2, 4, gpa);
	config_write(dev, PCI_BASE_ADDRESS_3, 4, gpa >> 32);
	vmm_add_mmio(&rig.vmm, gpa, ODD_BAR2_SIZE, dev, 2);
	exits = rig.vmm.mmio_exits;
	vmm_write(&rig.vmm, gpa + 0x2004, 0x33333333, 1);
	ASSERT_EQ(vmm_read(&rig.vmm, gpa + 0x2004, 1), 0x33333333);
	ASSERT_EQ(rig.vmm.mmio_exits, exits);
	ASSERT_EQ(vmm_read(&rig.vmm, gpa + ODD_TABLE + 12, 1), 1);
	ASSERT_EQ(rig.vmm.mmio_exits, exits + 1);
	ASSERT_EQ(bar_read(dev, 2, 0x2004, 4), 0x33333333);
	rig_end(&rig);
}

TEST(ports_have_any_width)
{
	struct kassign_region_info info;
	struct rig rig;
	int dev;

	start(&rig);
	dev = rig.dev;
	ASSERT_EQ(kassign_device_get_region(dev, 4, &info), 0);
	ASSERT_EQ(info.size, ODD_BAR4_SIZE);
	ASSERT_EQ(info.flags & (KASSIGN_REGION_INFO_IO | KASSIGN_REGION_INFO_MMAP),
		  KASSIGN_REGION_INFO_IO);
	bar_write(dev, 4, 0, 4, 0x44332211);
	ASSERT_EQ(bar_read(dev, 4, 0, 4), 0x44332211);
	ASSERT_EQ(bar_read(dev, 4, 2, 2), 0x4433);
	ASSERT_EQ(bar_read(dev, 4, 3, 1), 0x44);
	bar_write(dev, 4, 1, 1, 0xaa);
	bar_write(dev, 4, 2, 2, 0xbbcc);
	ASSERT_EQ(bar_read(dev, 4, 0, 4), 0xbbccaa11);
	ASSERT(kassign_region_write(dev, 4, ODD_BAR4_SIZE, &info, 1) < 0);
	rig_end(&rig);
}

/* ---- an IOMMU that translates fewer addresses than a guest may have ---- */

#define BEYOND	(1ULL << 39)	/* vhost: address_width() */
#define HUGE	(2UL << 20)

/* What no device can reach is left out, and hinders nothing else. */
TEST(memory_beyond_the_iommus_addresses_stops_nothing)
{
	void *low = vmm_memory_at(vmm_reserve(HUGE), HUGE);
	void *high = vmm_memory_at(vmm_reserve(HUGE), HUGE);
	int slot = VMM_MAX_SLOTS;
	struct rig rig;

	start(&rig);
	vmm_set_slot(&rig.vmm, slot, HIGH_GPA, low, HUGE);
	vmm_set_slot(&rig.vmm, slot + 1, BEYOND - 4096, high, HUGE);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	ASSERT_EQ(status(&rig).skipped_bytes, HUGE - 4096);
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE + HUGE + 4096);
	expect_exact(&rig);
	/* As if it were not there: what goes is unmapped, what comes is mapped. */
	vmm_set_slot(&rig.vmm, slot, HIGH_GPA, low, 0);
	ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE + 4096);
	vmm_set_slot(&rig.vmm, slot, HIGH_GPA + HUGE, low, HUGE);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE + HUGE + 4096);
	expect_exact(&rig);
	rig_end(&rig);
}

/* Who has it from the start is told. */
TEST(a_guest_with_memory_beyond_the_iommus_addresses_is_refused)
{
	void *high = vmm_memory_at(vmm_reserve(HUGE), HUGE);
	long pins = host_pins();
	struct rig rig;

	host_bind(ODD);
	vmm_start(&rig.vmm, VMM_ANON);
	vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, BEYOND, high, HUGE);
	rig.guest = rig_guest(&rig);
	ASSERT_EQ(rig_assign(rig.guest, ODD), -ERANGE);
	ASSERT_EQ(host_state(ODD), KASSIGN_DEV_FREE);
	host_expect_pins(pins);
}
