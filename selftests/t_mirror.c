// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mirror follows the guest's memslots, in one domain for all devices.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "mirror.h"
#include "tap.h"

#define HIGH_SIZE (8ULL << 20)

static void start(struct rig *rig)
{
	rig_start(rig, EDU, VMM_ANON);
	edu_enable(rig, BAR0_GPA);
}

TEST(counters_tell_what_is_mapped)
{
	struct rig rig;

	start(&rig);
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE);
	ASSERT_EQ(status(&rig).devices, 1);
	ASSERT_EQ(status(&rig).domains, 1);
	ASSERT_EQ(status(&rig).bar_slots, 1);
	ASSERT_EQ(status(&rig).todo_bytes, 0);
	close(rig.dev);
	ASSERT_EQ(status(&rig).mapped_bytes, 0);
	ASSERT_EQ(status(&rig).domains, 0);
	rig.dev = -1;
	rig_end(&rig);
}

TEST(new_memory_is_mapped_when_sync_returns)
{
	struct rig rig;
	void *hva;

	start(&rig);
	hva = vmm_add_slot(&rig.vmm, HIGH_GPA, HIGH_SIZE, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	ASSERT(reaches(&rig, HIGH_GPA + HIGH_SIZE - 16,
		       (unsigned char *)hva + HIGH_SIZE - 16));
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE + HIGH_SIZE);
	expect_exact(&rig);
	rig_end(&rig);
}

static bool within_a_second(struct rig *rig, uint64_t mapped)
{
	int i;

	for (i = 0; i < 100 && status(rig).mapped_bytes != mapped; i++)
		usleep(10000);
	return status(rig).mapped_bytes == mapped;
}

TEST(without_a_sync_it_follows_by_itself)
{
	struct rig rig;
	void *hva;

	start(&rig);
	hva = vmm_add_slot(&rig.vmm, HIGH_GPA, HIGH_SIZE, 0, VMM_ANON);
	ASSERT(within_a_second(&rig, VMM_LOW_SIZE + HIGH_SIZE));
	ASSERT(reaches(&rig, HIGH_GPA, hva));
	vmm_del_slot(&rig.vmm, HIGH_GPA);
	ASSERT(within_a_second(&rig, VMM_LOW_SIZE));
	ASSERT(!reaches(&rig, HIGH_GPA, hva));
	rig_end(&rig);
}

TEST(removed_memory_is_unmapped_at_once_on_demand)
{
	long pins = host_pins(), low;
	struct rig rig;
	void *hva;

	start(&rig);
	low = host_pins() - pins;
	hva = vmm_add_slot(&rig.vmm, HIGH_GPA, HIGH_SIZE, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	ASSERT(host_pins() - pins > low);
	vmm_del_slot(&rig.vmm, HIGH_GPA);
	ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	ASSERT_EQ(host_pins() - pins, low);
	ASSERT(!reaches(&rig, HIGH_GPA, hva));
	rig_end(&rig);
	host_expect_pins(pins);
}

TEST(other_memory_at_the_same_place_replaces_the_old)
{
	struct rig rig;
	void *before, *after;

	start(&rig);
	before = vmm_add_slot(&rig.vmm, HIGH_GPA, HIGH_SIZE, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	vmm_del_slot(&rig.vmm, HIGH_GPA);
	after = vmm_add_slot(&rig.vmm, HIGH_GPA, HIGH_SIZE, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	ASSERT(reaches(&rig, HIGH_GPA, after));
	ASSERT(!reaches(&rig, HIGH_GPA, before));
	expect_exact(&rig);
	rig_end(&rig);
}

TEST(a_slot_that_moves_takes_its_memory_along)
{
	struct rig rig;
	uint64_t to = HIGH_GPA + 3 * HIGH_SIZE + 0x5000;
	void *hva = vmm_reserve(HIGH_SIZE);

	ASSERT(mmap(hva, HIGH_SIZE, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == hva);
	start(&rig);
	vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, HIGH_GPA, hva, HIGH_SIZE);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	ASSERT(reaches(&rig, HIGH_GPA, hva));
	vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, to, hva, HIGH_SIZE);
	ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	ASSERT(reaches(&rig, to, hva));
	ASSERT(!reaches(&rig, HIGH_GPA, hva));
	expect_exact(&rig);
	rig_end(&rig);
}

/* The module's, which are the last ones; how many */
static int delete_bar_slots(struct vmm *vmm)
{
	struct kvm_userspace_memory_region region = { .slot = 32767 };
	int deleted = 0;

	for (; region.slot > 32700; region.slot--)
		deleted += !ioctl(vmm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
	return deleted;
}

/* Where devices reach a BAR, memory would meet it in the IOMMU. */
TEST(memory_that_a_vmm_puts_in_place_of_a_bar_is_left_out)
{
	long pins = host_pins();
	struct rig rig;
	void *hva = vmm_reserve(4096);

	vmm_memory_at(hva, 4096);
	start(&rig);
	ASSERT_EQ(delete_bar_slots(&rig.vmm), 1);
	vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, BAR0_GPA + 0x1000, hva, 4096);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	usleep(200000);
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE);
	expect_exact(&rig);
	/* As soon as the BAR has gone from there, it is memory like any other. */
	config_write(rig.dev, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	ASSERT(within_a_second(&rig, VMM_LOW_SIZE + 4096));
	ASSERT(reaches(&rig, BAR0_GPA + 0x1000, hva));
	expect_exact(&rig);
	rig_end(&rig);
	host_expect_pins(pins);
}

/* ---- a slot that has gone ---- */

#define GONE		VMM_MAX_SLOTS
#define RESTLESS	(VMM_MAX_SLOTS + 1)

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* The memslots change once more, without a change of the memory that matters. */
static void no_rest(struct rig *rig, void *hva)
{
	vmm_set_slot(&rig->vmm, RESTLESS, HIGH_GPA + (1 << 30), hva, 4096);
	vmm_set_slot(&rig->vmm, RESTLESS, HIGH_GPA + (1 << 30), hva, 0);
}

/* Removals are put off then; what the VMM has there by now is not the guest's. */
TEST(memory_of_a_slot_that_is_gone_is_not_mapped_again)
{
	unsigned char *hva = vmm_memory_at(vmm_reserve(HIGH_SIZE), HIGH_SIZE);
	struct rig rig;
	double end;
	int i;

	start(&rig);
	for (i = 0; i < 10; i++) {
		vmm_set_slot(&rig.vmm, GONE, HIGH_GPA, hva, HIGH_SIZE);
		ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
		ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE + HIGH_SIZE);
		vmm_set_slot(&rig.vmm, GONE, HIGH_GPA, hva, 0);
		ASSERT_OK(munmap(hva, HIGH_SIZE));
		vmm_memory_at(hva, HIGH_SIZE);
		/* edu would take 0.1 s for each look. */
		for (end = seconds() + 0.2; seconds() < end;)
			ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE);
	}
	rig_end(&rig);
}

TEST(a_removal_is_not_put_off_for_ever)
{
	void *other = vmm_memory_at(vmm_reserve(4096), 4096);
	void *hva = vmm_memory_at(vmm_reserve(HIGH_SIZE), HIGH_SIZE);
	struct rig rig;
	double begin;
	int i;

	start(&rig);
	vmm_set_slot(&rig.vmm, GONE, HIGH_GPA, hva, HIGH_SIZE);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	no_rest(&rig, other);
	vmm_set_slot(&rig.vmm, GONE, HIGH_GPA, hva, 0);
	begin = seconds();
	for (i = 0; seconds() < begin + 5 &&
	     status(&rig).mapped_bytes >= VMM_LOW_SIZE + HIGH_SIZE; i++)
		no_rest(&rig, other);
	printf("# gone after %d changes of other slots, %.1f s\n", 2 * i,
	       seconds() - begin);
	ASSERT(seconds() < begin + 5);
	ASSERT(!reaches(&rig, HIGH_GPA, hva));
	rig_end(&rig);
}

/* The module had it in mind for a moment; then a BAR comes there, and a change of it. */
TEST(memory_that_could_not_be_mapped_makes_room_for_a_bar)
{
	uint64_t gpa = BAR0_GPA + 0x100000, size = 0x100000;
	long pins = host_pins();
	struct rig rig;
	char *hva = vmm_reserve(size);

	start(&rig);
	vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, gpa, hva, size);
	ASSERT(kassign_guest_sync(rig.guest, 0, NULL) < 0);
	vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, gpa, NULL, 0);
	ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	config_write(rig.dev, PCI_BASE_ADDRESS_0, 4, gpa);
	vmm_memory_at(hva, size);
	memset(hva, 1, size);
	ASSERT_OK(munmap(hva, size));
	ASSERT_EQ(vmm_read(&rig.vmm, gpa, 1), EDU_ID_VALUE);
	expect_exact(&rig);
	rig_end(&rig);
	host_expect_pins(pins);
}

/* What came page by page is one piece to the next discard. */
TEST(a_slot_that_grows_is_followed_at_its_seams)
{
	unsigned char *hva = vmm_reserve(HIGH_SIZE);
	uint64_t size = HIGH_SIZE / 2;
	long pins = host_pins();
	struct rig rig;
	int i;

	ASSERT(mmap(hva, HIGH_SIZE, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == hva);
	start(&rig);
	for (i = 0; i < 40; i++, size += 4096) {
		if (i)
			vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, HIGH_GPA, hva, 0);
		vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, HIGH_GPA, hva, size + 4096);
		ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	}
	expect_exact(&rig);
	ASSERT_OK(madvise(hva + HIGH_SIZE / 2, 40 * 4096, MADV_DONTNEED));
	expect_exact_soon(&rig);
	ASSERT(reaches(&rig, HIGH_GPA + HIGH_SIZE / 2, hva + HIGH_SIZE / 2));
	rig_end(&rig);
	host_expect_pins(pins);
}

/* As firmware does: a hole is cut into memory, at no huge page's boundary. */
TEST(a_split_slot_keeps_its_neighbours)
{
	struct rig rig;
	uint64_t hole = HIGH_GPA + 0x2a0000, hole_end = hole + 0x20000;
	struct kvm_userspace_memory_region r = { .slot = 1 };
	unsigned char *hva;

	start(&rig);
	hva = vmm_add_slot(&rig.vmm, HIGH_GPA, HIGH_SIZE, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	r.guest_phys_addr = HIGH_GPA;
	ASSERT_OK(ioctl(rig.vmm.vm_fd, KVM_SET_USER_MEMORY_REGION, &r));
	r.userspace_addr = (uintptr_t)hva;
	r.memory_size = hole - HIGH_GPA;
	ASSERT_OK(ioctl(rig.vmm.vm_fd, KVM_SET_USER_MEMORY_REGION, &r));
	r.slot = 2;
	r.guest_phys_addr = hole_end;
	r.userspace_addr = (uintptr_t)hva + (hole_end - HIGH_GPA);
	r.memory_size = HIGH_GPA + HIGH_SIZE - hole_end;
	ASSERT_OK(ioctl(rig.vmm.vm_fd, KVM_SET_USER_MEMORY_REGION, &r));
	ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE + HIGH_SIZE - 0x20000);
	ASSERT(reaches(&rig, hole - 16, hva + (hole - 16 - HIGH_GPA)));
	ASSERT(reaches(&rig, hole_end, hva + (hole_end - HIGH_GPA)));
	ASSERT(!reaches(&rig, hole, hva + (hole - HIGH_GPA)));
	ASSERT(!reaches(&rig, hole_end - 16, hva + (hole_end - 16 - HIGH_GPA)));
	expect_exact(&rig);
	rig_end(&rig);
}

/*
 * A removal is put off for as long as the memslots change between two looks, which are
 * 40 ms apart: where a turn was held up for longer (a busy machine), it may be done.
 */
TEST(a_burst_of_removing_and_adding_changes_nothing)
{
	struct kvm_userspace_memory_region gone = { .slot = 1,
						    .guest_phys_addr = HIGH_GPA };
	struct kvm_userspace_memory_region back = gone;
	struct rig rig;
	uint64_t syncs;
	double begin;
	void *hva;
	int i, slow = 0;

	start(&rig);
	hva = vmm_add_slot(&rig.vmm, HIGH_GPA, HIGH_SIZE, 0, VMM_ANON);
	back.memory_size = HIGH_SIZE;
	back.userspace_addr = (uintptr_t)hva;
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	usleep(200000);
	syncs = status(&rig).syncs;
	for (i = 0; i < 50; i++) {
		begin = seconds();
		ASSERT_OK(ioctl(rig.vmm.vm_fd, KVM_SET_USER_MEMORY_REGION, &gone));
		ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
		ASSERT_OK(ioctl(rig.vmm.vm_fd, KVM_SET_USER_MEMORY_REGION, &back));
		if (seconds() - begin > 0.03)
			slow++;
		ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	}
	usleep(200000);
	if (slow)
		printf("# %d of 50 turns were held up\n", slow);
	/* Removed, and mapped again */
	ASSERT(status(&rig).syncs - syncs <= 2 * (uint64_t)slow);
	ASSERT(reaches(&rig, HIGH_GPA, hva));
	rig_end(&rig);
}

TEST(memory_of_the_msi_window_is_left_out)
{
	struct rig rig;

	start(&rig);
	vmm_add_slot(&rig.vmm, 0xfee00000 - (1 << 20), 2 << 20, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE + (1 << 20));
	ASSERT_EQ(status(&rig).skipped_bytes, 1 << 20);
	expect_exact(&rig);
	rig_end(&rig);
}

/* Memory of the guest that is not mapped yet. The module may be faster: once more then. */
static unsigned char *add_and_miss(struct rig *rig)
{
	unsigned char *hva;
	uint64_t missing;
	int i;

	for (i = 0; i < 50; i++) {
		hva = vmm_add_slot(&rig->vmm, HIGH_GPA, HIGH_SIZE, 0, VMM_ANON);
		missing = check_mirror(rig).missing;
		if (missing == HIGH_SIZE / 4096)
			return hva;
		vmm_del_slot(&rig->vmm, HIGH_GPA);
		rig->vmm.nr_slots--;
		ASSERT_EQ(kassign_guest_sync(rig->guest, KASSIGN_SYNC_NOW, NULL), 0);
	}
	TAP_FAIL("nothing is missing");
}

/* The module's own check is worth nothing if it finds nothing. */
TEST(the_check_of_the_mirror_finds_what_is_wrong)
{
	unsigned char *hva;
	struct rig rig;

	start(&rig);
	hva = add_and_miss(&rig);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	expect_exact(&rig);
	if (mirror_blind(true)) {
		ASSERT_OK(madvise(hva + 0x200000, 0x3000, MADV_DONTNEED));
		hva[0x201000] = 1;
		ASSERT_EQ(check_mirror(&rig).stale, 3);
		mirror_blind(false);
	}
	vmm_del_slot(&rig.vmm, HIGH_GPA);
	ASSERT_EQ(check_mirror(&rig).extra, HIGH_SIZE / 4096);
	rig_end(&rig);
}

#define WORKERS "/sys/module/kassign/parameters/map_workers"

/* Sizes that are no multiple of what a worker takes, from an odd address */
TEST(any_number_of_workers_maps_the_same)
{
	static const char * const nr[] = { "1", "2", "7", "32", "0" };
	uint64_t gpa = HIGH_GPA + 0x7000, size = (70 << 20) + 0x5000;
	long pins = host_pins(), low;
	struct rig rig;
	unsigned int i;

	start(&rig);
	low = host_pins() - pins;
	for (i = 0; i < sizeof(nr) / sizeof(nr[0]); i++) {
		ASSERT_EQ(host_put(WORKERS, nr[i]), 0);
		vmm_add_slot(&rig.vmm, gpa, size, 0, i % 2 ? VMM_MEMFD : VMM_ANON);
		ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
		ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE + size);
		ASSERT_EQ(status(&rig).todo_bytes, 0);
		expect_exact(&rig);
		vmm_del_slot(&rig.vmm, gpa);
		ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
		expect_exact(&rig);
	}
	ASSERT_EQ(host_pins() - pins, low);
	rig_end(&rig);
	host_expect_pins(pins);
}

/* Huge and small pages in turns: what was one run, and what was not, goes again. */
TEST(a_mixture_of_page_sizes_comes_and_goes)
{
	size_t huge = 2 << 20, size = 16 * huge, i;
	struct kvm_userspace_memory_region r = {
		.slot = 5, .guest_phys_addr = HIGH_GPA, .memory_size = size,
	};
	long pins = host_pins();
	struct rig rig;
	char *p;

	p = mmap(NULL, size + huge, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(p != MAP_FAILED);
	p = (char *)(((uintptr_t)p + huge - 1) & ~(huge - 1));
	for (i = 0; i < size; i += huge)
		madvise(p + i, huge, i / huge % 3 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = size; i; i -= 4096)
		p[i - 4096] = 1;
	r.userspace_addr = (uintptr_t)p;
	start(&rig);
	ASSERT_OK(ioctl(rig.vmm.vm_fd, KVM_SET_USER_MEMORY_REGION, &r));
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	expect_exact(&rig);
	ASSERT(reaches(&rig, HIGH_GPA + size - 16, (unsigned char *)p + size - 16));
	r.memory_size = 0;
	ASSERT_OK(ioctl(rig.vmm.vm_fd, KVM_SET_USER_MEMORY_REGION, &r));
	ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	expect_exact(&rig);
	rig_end(&rig);
	host_expect_pins(pins);
}

/* 16 MiB of huge pages at HIGH_GPA + @offset, @pins of them */
static void expect_pins_of_huge(struct rig *rig, char *mem, size_t offset, long pins)
{
	long before = host_pins();
	size_t size = 16 << 20;

	vmm_set_slot(&rig->vmm, 5, HIGH_GPA + offset, mem, size);
	ASSERT_EQ(kassign_guest_sync(rig->guest, 0, NULL), 0);
	ASSERT_EQ(host_pins() - before, pins);
	ASSERT(reaches(rig, HIGH_GPA + offset + size - 16,
		       (unsigned char *)mem + size - 16));
	expect_exact(rig);
	vmm_set_slot(&rig->vmm, 5, HIGH_GPA + offset, mem, 0);
	ASSERT_EQ(kassign_guest_sync(rig->guest, KASSIGN_SYNC_NOW, NULL), 0);
	ASSERT_EQ(host_pins(), before);
}

/* One pin keeps a huge page; where chunks do not fit the pages, each page has its own. */
TEST(a_huge_page_is_pinned_once)
{
	size_t size = 16 << 20;
	long pins = host_pins();
	struct rig rig;
	char *mem;

	ASSERT_EQ(host_put("/proc/sys/vm/nr_hugepages", "16"), 0);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	ASSERT(mem != MAP_FAILED);
	start(&rig);
	expect_pins_of_huge(&rig, mem, 0, 8);
	expect_pins_of_huge(&rig, mem, 4096, size / 4096);
	expect_pins_of_huge(&rig, mem, 2 << 20, 8);
	rig_end(&rig);
	munmap(mem, size);
	ASSERT_EQ(host_put("/proc/sys/vm/nr_hugepages", "0"), 0);
	host_expect_pins(pins);
}

/* The VMM's small entries, from a mprotect() gone again, for pages that are huge */
TEST(a_huge_page_in_small_entries_is_pinned_once)
{
	size_t huge = 2 << 20, size = 8 * huge;
	long pins = host_pins();
	struct rig rig;
	char *mem = vmm_reserve(size);

	ASSERT_EQ(host_put("/proc/sys/vm/compact_memory", "1"), 0);
	ASSERT_OK(mprotect(mem, size, PROT_READ | PROT_WRITE));
	ASSERT_OK(madvise(mem, size, MADV_HUGEPAGE));
	ASSERT_OK(madvise(mem, size, MADV_POPULATE_WRITE));
	ASSERT_OK(mprotect(mem + huge + 8192, 4096, PROT_READ));
	ASSERT_OK(mprotect(mem + huge + 8192, 4096, PROT_READ | PROT_WRITE));
	start(&rig);
	expect_pins_of_huge(&rig, mem, 0, 8);
	rig_end(&rig);
	munmap(mem, size);
	host_expect_pins(pins);
}

/* A VM, a device that it does not have yet, and room for the reason of a refusal */
struct refusal {
	struct rig rig;
	long pins;
	char why[256];
};

static void refusal_start(struct refusal *r)
{
	r->pins = host_pins();
	host_bind(EDU);
	vmm_start(&r->rig.vmm, VMM_ANON);
}

/* Attaches: refused with @err, for a reason that has @text in it. */
static void expect_refusal(struct refusal *r, int err, const char *text)
{
	struct kassign_bdf edu;

	r->rig.guest = rig_guest(&r->rig);
	ASSERT_EQ(kassign_bdf_parse(EDU, &edu), 0);
	r->rig.dev = kassign_add_device(r->rig.guest, &edu, r->why, sizeof(r->why));
	printf("# %s\n", r->why);
	ASSERT_EQ(r->rig.dev, err);
	ASSERT(strstr(r->why, text));
	host_expect_state(EDU, KASSIGN_DEV_FREE);
	ASSERT_EQ(host_pins(), r->pins);
}

/* With @p as guest memory, which is gone by then if there is no @text */
static void expect_refused(void *p, size_t size, int err, const char *text)
{
	struct kvm_userspace_memory_region slot = {
		.slot = 5, .guest_phys_addr = HIGH_GPA, .memory_size = size,
		.userspace_addr = (uintptr_t)p,
	};
	struct refusal r = { };

	refusal_start(&r);
	ASSERT_OK(ioctl(r.rig.vmm.vm_fd, KVM_SET_USER_MEMORY_REGION, &slot));
	if (!text)
		munmap(p, size);
	expect_refusal(&r, err, text ?: "0x140000000");
	ASSERT(strstr(r.why, "0x140000000"));
	rig_end(&r.rig);
}

/* What comes later and is not there keeps nothing else away, and is found when it is. */
TEST(memory_that_is_not_there_stops_no_other)
{
	unsigned char *hva = vmm_reserve(HIGH_SIZE);
	struct rig rig;
	void *next;

	start(&rig);
	vmm_set_slot(&rig.vmm, GONE, HIGH_GPA, hva, HIGH_SIZE);
	next = vmm_add_slot(&rig.vmm, HIGH_GPA + (1 << 30), HIGH_SIZE, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), -EFAULT);
	ASSERT(reaches(&rig, HIGH_GPA + (1 << 30), next));
	vmm_memory_at(hva, HIGH_SIZE);
	usleep(2500000);
	ASSERT(reaches(&rig, HIGH_GPA, hva));
	expect_exact(&rig);
	rig_end(&rig);
}

TEST(memory_that_is_not_there_is_refused_and_told)
{
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
	expect_refused(p, 1 << 20, -EFAULT, NULL);
}

/* Secret even from the kernel */
TEST(secret_memory_is_refused_and_named)
{
	int fd = syscall(SYS_memfd_secret, 0);
	void *p;

	if (fd < 0)
		SKIP("this kernel has no memfd_secret (boot with secretmem.enable=1)");
	ASSERT_OK(ftruncate(fd, 1 << 20));
	p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(p != MAP_FAILED);
	expect_refused(p, 1 << 20, -EFAULT, "secretmem");
}

#ifdef KVM_CREATE_GUEST_MEMFD
/* Memory that KVM alone has */
static int guest_memfd_slot(int vm_fd, void *p, size_t size)
{
	struct kvm_create_guest_memfd memfd = { .size = size };
	struct kvm_userspace_memory_region2 slot = {
		.slot = 5,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = HIGH_GPA,
		.memory_size = size,
		.userspace_addr = (uintptr_t)p,
	};
	int fd = ioctl(vm_fd, KVM_CREATE_GUEST_MEMFD, &memfd);

	if (fd < 0)
		return fd;
	slot.guest_memfd = fd;
	return ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION2, &slot);
}

TEST(memory_private_to_the_guest_is_refused_and_named)
{
	size_t size = 2 << 20;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct refusal r = { };

	ASSERT(p != MAP_FAILED);
	refusal_start(&r);
	if (guest_memfd_slot(r.rig.vmm.vm_fd, p, size)) {
		fprintf(stderr, "# %s\n", strerror(errno));
		vmm_end(&r.rig.vmm);
		SKIP("this kernel gives such a VM no guest_memfd");
	}
	expect_refusal(&r, -EOPNOTSUPP, "0x140000000-0x1401fffff");
	ASSERT(strstr(r.why, "guest_memfd"));
	rig_end(&r.rig);
}
#endif

static void drop_ipc_lock(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	ASSERT_OK(syscall(SYS_capget, &header, data));
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	ASSERT_OK(syscall(SYS_capset, &header, data));
}

/* Each test is a process of its own, so nobody else has to live with less. */
TEST(more_than_the_vmm_may_lock_is_refused_and_told)
{
	struct rlimit limit = { 24 << 20, 24 << 20 };
	struct kassign_guest_status st;
	struct refusal r = { };
	char command[64];

	drop_ipc_lock();
	ASSERT_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	refusal_start(&r);
	expect_refusal(&r, -ENOMEM, "may lock 24 MiB");
	ASSERT(strstr(r.why, "32 MiB more are needed"));
	snprintf(command, sizeof(command), "prlimit --pid %d --memlock=%llu",
		 getpid(), VMM_LOW_SIZE);
	ASSERT(strstr(r.why, command));
	st = status(&r.rig);
	ASSERT_EQ(st.limit_bytes, 24 << 20);
	ASSERT_EQ(st.locked_bytes, 0);
	rig_end(&r.rig);
}

static volatile bool stop_toggling, toggle_slowly;

static void *toggle_decoding(void *arg)
{
	struct rig *rig = arg;

	while (!stop_toggling) {
		config_write(rig->dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		if (toggle_slowly)
			usleep(3000);
		config_write(rig->dev, PCI_COMMAND, 2, 0);
		if (toggle_slowly)
			usleep(3000);
	}
	return NULL;
}

#define SLOW "/sys/module/kassign/parameters/fault_slow"

/* Makes the module slow between reading the memslots and using what it read. */
static void widen_the_race(bool on)
{
	toggle_slowly = on;
	if (access(SLOW, F_OK))
		return;		/* not a module for tests; the race stays narrow */
	ASSERT_EQ(host_put(SLOW, on ? "krealloc_array" : "\n"), 0);
}

/* A BAR slot that goes while the memslots are read is not guest memory. */
TEST(bar_slots_come_and_go_during_syncs)
{
	pthread_t thread;
	struct rig rig;
	int i;

	start(&rig);
	ASSERT(!pthread_create(&thread, NULL, toggle_decoding, &rig));
	widen_the_race(true);
	for (i = 0; i < 300; i++)
		ASSERT_EQ(kassign_guest_sync(rig.guest, i % 2, NULL), 0);
	widen_the_race(false);
	for (i = 0; i < 3000; i++)
		ASSERT_EQ(kassign_guest_sync(rig.guest, i % 2, NULL), 0);
	stop_toggling = true;
	pthread_join(thread, NULL);
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE);
	rig_end(&rig);
}

static uint64_t domain_of(const char *bdf)
{
	struct kassign_device_entry *entries;
	int nr = kassign_list_devices(&entries), i;
	char name[KASSIGN_BDF_LEN];
	uint64_t domain = 0;

	for (i = 0; i < nr; i++)
		if (!strcmp(kassign_bdf_str(&entries[i].bdf, name), bdf))
			domain = entries[i].domain;
	free(entries);
	return domain;
}

TEST(a_second_device_shares_the_domain)
{
	long pins = host_pins(), low;
	struct rig rig;
	int second;

	start(&rig);
	low = host_pins() - pins;
	host_bind(IGB);
	second = rig_assign(rig.guest, IGB);
	ASSERT(second >= 0);
	ASSERT_EQ(status(&rig).devices, 2);
	ASSERT_EQ(status(&rig).domains, 1);
	ASSERT_EQ(status(&rig).mapped_bytes, VMM_LOW_SIZE);
	ASSERT_EQ(host_pins() - pins, low);
	ASSERT(domain_of(EDU));
	ASSERT_EQ(domain_of(EDU), domain_of(IGB));
	close(second);
	ASSERT(reaches(&rig, 0x500000, vmm_ptr(&rig.vmm, 0x500000)));
	rig_end(&rig);
	host_rebind(IGB);
	host_expect_pins(pins);
}

TEST(two_guests_have_two_domains)
{
	struct rig one, two;

	start(&one);
	rig_start(&two, IGB, VMM_ANON);
	ASSERT(domain_of(EDU) != domain_of(IGB));
	rig_end(&two);
	rig_end(&one);
	host_rebind(IGB);
}

/* ---- works ---- */

static void works_at_once(const char *n)
{
	static const char * const queue[] = { "kassign", "kassign-call", "kassign-map" };
	char path[80];
	unsigned int i;

	for (i = 0; i < sizeof(queue) / sizeof(queue[0]); i++) {
		snprintf(path, sizeof(path), "/sys/bus/workqueue/devices/%s/max_active",
			 queue[i]);
		ASSERT_EQ(host_put(path, n), 0);
	}
}

/*
 * As many guests as there are works in a queue would come to a standstill if one waited
 * for another that is to run in the same: so does one guest where it is one work.
 */
TEST(no_work_waits_for_one_of_its_own_queue)
{
	size_t size = HIGH_SIZE;
	long pins = host_pins();
	struct rig rig;
	void *mem;

	works_at_once("1");
	mem = vmm_memory_at(vmm_reserve(size), size);
	start(&rig);
	vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, HIGH_GPA, mem, size);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	/* Mapped again by a work, through others */
	ASSERT_OK(madvise(mem, size, MADV_DONTNEED));
	expect_exact_soon(&rig);
	config_write(rig.dev, PCI_COMMAND, 2, 0);
	config_write(rig.dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	rig_end(&rig);
	works_at_once("256");
	host_expect_pins(pins);
}
