// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA: reaches the guest's memory at guest-physical addresses, and nothing else.
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faults.h"
#include "host.h"
#include "nic.h"
#include "tap.h"
#include "witness.h"

#define HIGH_GPA (5ULL << 30)

static void fill(unsigned char *p, size_t len, unsigned int seed)
{
	srandom(seed);
	while (len--)
		*p++ = random();
}

/* Memory to device and back to another place; must be the same. */
static void there_and_back(struct rig *rig, uint64_t from, uint64_t to, size_t len)
{
	unsigned char *src = vmm_ptr(&rig->vmm, from);
	unsigned char *dst = vmm_ptr(&rig->vmm, to);

	fill(src, len, from + len);
	memset(dst, 0, len + 1);
	edu_dma(rig->dev, from, len, false);
	edu_dma(rig->dev, to, len, true);
	ASSERT(!memcmp(src, dst, len));
	ASSERT_EQ(dst[len], 0);
}

static void all_sizes(enum vmm_memory kind)
{
	static const size_t sizes[] = { 4, 100, 1023, 4095, 4096 };
	struct rig rig;
	size_t i;

	rig_start(&rig, EDU, kind);
	vmm_add_slot(&rig.vmm, HIGH_GPA, 4 << 20, 0, kind);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	edu_enable(&rig, BAR0_GPA);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		there_and_back(&rig, 0x400000, 0x600ffd, sizes[i]);
		there_and_back(&rig, HIGH_GPA + 0x1ffe00, 0x800000, sizes[i]);
		there_and_back(&rig, 0x900010, HIGH_GPA + 0x3fe000, sizes[i]);
	}
	rig_end(&rig);
}

TEST(reaches_anonymous_memory_low_and_high)
{
	all_sizes(VMM_ANON);
}

TEST(reaches_shared_memfd_memory_low_and_high)
{
	all_sizes(VMM_MEMFD);
}

/* ---- outside ---- */

/* What was tried must have been refused by the IOMMU, not only have gone astray. */
static void expect_faults(struct klog *log)
{
	usleep(200000);
	klog_read(log);
	close(log->fd);
	klog_expect_faults(log);
}

/* Physical address of a page of ours: memory that is no guest's */
static uint64_t physical(void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	ASSERT_EQ(pread(fd, &entry, 8, (uintptr_t)p / 4096 * 8), 8);
	close(fd);
	ASSERT(entry >> 63);
	return (entry & ((1ULL << 55) - 1)) * 4096;
}

TEST(outside_the_guest_it_faults_and_changes_nothing)
{
	unsigned char *host = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char copy[4096];
	struct rig rig;
	uint64_t hpa;
	struct klog log;

	fill(host, 4096, 1);
	mlock(host, 4096);
	memcpy(copy, host, 4096);
	hpa = physical(host);
	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	fill(vmm_ptr(&rig.vmm, 0x400000), 4096, 2);
	edu_dma(rig.dev, 0x400000, 4096, false);
	/* The test is only worth something where the guest has no memory. */
	ASSERT(hpa >= VMM_LOW_SIZE);
	klog_open(&log);
	edu_dma(rig.dev, hpa, 4096, true);
	ASSERT(!memcmp(host, copy, 4096));
	expect_faults(&log);
	rig_end(&rig);
}

TEST(the_ends_of_memory_are_exact)
{
	unsigned char *last;
	struct rig rig;
	struct klog log;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	last = vmm_ptr(&rig.vmm, VMM_LOW_SIZE - 4096);
	there_and_back(&rig, 0x400000, VMM_LOW_SIZE - 4096, 4095);
	memset(last, 0x55, 4096);
	klog_open(&log);
	edu_dma(rig.dev, VMM_LOW_SIZE, 4096, true);
	expect_faults(&log);
	ASSERT_EQ(last[4095], 0x55);
	rig_end(&rig);
}

TEST(another_guests_memory_is_out_of_reach)
{
	unsigned char copy[4096], *theirs;
	struct rig rig;
	struct vmm other;
	struct klog log;

	vmm_start(&other, VMM_ANON);
	theirs = vmm_add_slot(&other, HIGH_GPA, 2 << 20, 0, VMM_ANON);
	fill(theirs, 4096, 3);
	memcpy(copy, theirs, 4096);
	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	klog_open(&log);
	edu_dma(rig.dev, HIGH_GPA, 4096, true);
	edu_dma(rig.dev, physical(theirs), 4096, true);
	expect_faults(&log);
	ASSERT(!memcmp(theirs, copy, 4096));
	rig_end(&rig);
	vmm_end(&other);
}

TEST(a_read_only_slot_is_read_but_not_written)
{
	unsigned char *rom, *buf, copy[4096];
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	rom = vmm_add_slot(&rig.vmm, HIGH_GPA, 1 << 20, KVM_MEM_READONLY,
			   VMM_ANON);
	fill(rom, 4096, 4);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	edu_enable(&rig, BAR0_GPA);
	edu_dma(rig.dev, HIGH_GPA, 4096, false);
	edu_dma(rig.dev, 0x400000, 4096, true);
	buf = vmm_ptr(&rig.vmm, 0x400000);
	ASSERT(!memcmp(rom, buf, 4096));
	/* Other content, which the same data from the device must not replace */
	fill(rom, 4096, 5);
	memcpy(copy, rom, 4096);
	edu_dma(rig.dev, HIGH_GPA, 4096, true);
	ASSERT(!memcmp(rom, copy, 4096));
	rig_end(&rig);
}

TEST(without_bus_master_nothing_moves)
{
	unsigned char *p;
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	fill(vmm_ptr(&rig.vmm, 0x400000), 64, 5);
	edu_dma(rig.dev, 0x400000, 64, false);
	config_write(rig.dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	p = vmm_ptr(&rig.vmm, 0x500000);
	memset(p, 0, 64);
	edu_dma(rig.dev, 0x500000, 64, true);
	ASSERT_EQ(p[0] | p[1] | p[2] | p[3], 0);
	config_write(rig.dev, PCI_COMMAND, 2,
		     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	edu_dma(rig.dev, 0x500000, 64, true);
	ASSERT(!memcmp(p, vmm_ptr(&rig.vmm, 0x400000), 64));
	rig_end(&rig);
}

/* ---- another device ---- */

#define NIC_GPA (BAR0_GPA + 0x1000000)	/* where the NIC's BAR0 is put */
#define NIC_RAL	0x5400			/* its address; what it has there is no 0 */

/* What edu reads at @addr; something else if it cannot */
static uint32_t peek(struct rig *rig, uint64_t addr)
{
	uint32_t *word = vmm_ptr(&rig->vmm, 0x400000);

	*word = 0;
	edu_dma(rig->dev, 0x400000, 4, false);
	edu_dma(rig->dev, addr, 4, false);
	edu_dma(rig->dev, 0x400000, 4, true);
	return *word;
}

TEST(a_device_reaches_another_where_the_guest_sees_it)
{
	struct rig rig;
	uint32_t ral;
	int nic;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	host_bind(NIC);
	nic = rig_assign(rig.guest, NIC);
	ASSERT(nic >= 0);
	ASSERT_EQ(kassign_region_read(nic, 0, NIC_RAL, &ral, 4), 0);
	ASSERT(ral);
	ASSERT(peek(&rig, NIC_GPA + NIC_RAL) != ral);
	config_write(nic, PCI_BASE_ADDRESS_0, 4, NIC_GPA);
	config_write(nic, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ASSERT_EQ(peek(&rig, NIC_GPA + NIC_RAL), ral);
	config_write(nic, PCI_BASE_ADDRESS_0, 4, NIC_GPA + 0x100000);
	ASSERT(peek(&rig, NIC_GPA + NIC_RAL) != ral);
	ASSERT_EQ(peek(&rig, NIC_GPA + 0x100000 + NIC_RAL), ral);
	config_write(nic, PCI_COMMAND, 2, 0);
	ASSERT(peek(&rig, NIC_GPA + 0x100000 + NIC_RAL) != ral);
	config_write(nic, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ASSERT_EQ(peek(&rig, NIC_GPA + 0x100000 + NIC_RAL), ral);
	close(nic);
	host_expect_state(NIC, KASSIGN_DEV_FREE);
	ASSERT(peek(&rig, NIC_GPA + 0x100000 + NIC_RAL) != ral);
	rig_end(&rig);
	host_rebind(NIC);
}

/* ---- faults ---- */

/* The kernel logs ten in five seconds, and the tests above have had some. */
static void wait_for_the_log(void)
{
	sleep(6);
}

/*
 * From the IOMMU to what a person sees, by the way of the agent: AMD's driver tells
 * the module, Intel's writes to the kernel log, which the agent reads.
 */
TEST(a_fault_of_the_iommu_is_counted_with_its_address)
{
	struct kassign_device_status st;
	const uint64_t nowhere = 0x7654321000;
	struct kassign_bdf bdf;
	struct rig rig;
	int kmsg, again;

	if (host_has_qemus_amd_iommu())
		SKIP("QEMU's AMD IOMMU reports all faults as of device 00:00.0");
	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	edu_dma(rig.dev, 0x400000, 4096, false);
	wait_for_the_log();
	kmsg = faults_open();
	again = faults_open();
	ASSERT(kmsg >= 0 && again >= 0);
	edu_dma(rig.dev, nowhere, 4096, true);
	usleep(200000);
	ASSERT_EQ(kassign_bdf_parse(EDU, &bdf), 0);
	faults_read(kmsg, rig.dev, &bdf);
	ASSERT_EQ(kassign_device_get_status(rig.dev, &st), 0);
	ASSERT(st.faults > 0);
	ASSERT_EQ(st.fault_addr, nowhere);
	/* They are nobody else's. */
	bdf.fn++;
	ASSERT_EQ(faults_read(again, rig.dev, &bdf), 0);
	close(kmsg);
	close(again);
	rig_end(&rig);
}
