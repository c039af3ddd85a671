// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mirror follows what a VMM does to its own memory, without being told.
 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "mirror.h"
#include "tap.h"

#define HUGE		(2UL << 20)
#define SIZE		(8 * HUGE)
#define SLOT		VMM_MAX_SLOTS
/* What is changed: some pages of one huge page */
#define PLACE		(3 * HUGE + 0x5000)
#define LENGTH		0x3000UL

/* ---- memory of a guest, of a kind ---- */

struct memory {
	unsigned char *hva;
	int fd;
};

static void map_at(struct memory *mem, int flags)
{
	void *p = mmap(mem->hva, SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | flags,
		       mem->fd, 0);

	ASSERT(p != MAP_FAILED);
}

static void get_small(struct memory *mem)
{
	map_at(mem, MAP_PRIVATE | MAP_ANONYMOUS);
	ASSERT_OK(madvise(mem->hva, SIZE, MADV_NOHUGEPAGE));
}

static void get_thp(struct memory *mem)
{
	map_at(mem, MAP_PRIVATE | MAP_ANONYMOUS);
	ASSERT_OK(madvise(mem->hva, SIZE, MADV_HUGEPAGE));
}

static void get_file(struct memory *mem, unsigned int flags)
{
	ASSERT_OK(mem->fd = memfd_create("guest", flags));
	ASSERT_OK(ftruncate(mem->fd, SIZE));
	map_at(mem, MAP_SHARED);
}

static void get_memfd(struct memory *mem)
{
	get_file(mem, 0);
}

static void get_hugetlb(struct memory *mem)
{
	ASSERT_EQ(host_put("/proc/sys/vm/nr_hugepages", "16"), 0);
	get_file(mem, MFD_HUGETLB);
}

/* ---- changes ---- */

static void discard(struct memory *mem)
{
	ASSERT_OK(madvise(mem->hva + PLACE, LENGTH, MADV_DONTNEED));
}

static void discard_huge(struct memory *mem)
{
	ASSERT_OK(madvise(mem->hva + 3 * HUGE, HUGE, MADV_DONTNEED));
}

static void discard_all(struct memory *mem)
{
	ASSERT_OK(madvise(mem->hva, SIZE, MADV_DONTNEED));
}

static void remove_pages(struct memory *mem)
{
	ASSERT_OK(madvise(mem->hva + PLACE, LENGTH, MADV_REMOVE));
}

/* What a backend process with the same memfd does */
static void punch_by_another(struct memory *mem, off_t start, off_t length)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(fallocate(mem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				start, length) ? 1 : 0);
	ASSERT(child > 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
}

static void punch(struct memory *mem)
{
	punch_by_another(mem, PLACE, LENGTH);
}

static void punch_huge(struct memory *mem)
{
	punch_by_another(mem, 3 * HUGE, HUGE);
}

static void truncate_and_back(struct memory *mem)
{
	ASSERT_OK(ftruncate(mem->fd, 2 * HUGE));
	ASSERT_OK(ftruncate(mem->fd, SIZE));
}

static void exchange(struct memory *mem)
{
	void *p = mmap(mem->hva + PLACE, LENGTH, PROT_READ | PROT_WRITE,
		       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
}

static void move_others_there(struct memory *mem)
{
	void *other = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	ASSERT(other != MAP_FAILED);
	ASSERT(mremap(other, LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED,
		      mem->hva + PLACE) != MAP_FAILED);
}

static const struct change {
	const char *name;
	void (*get)(struct memory *mem);
	void (*make)(struct memory *mem);
} changes[] = {
	{ "MADV_DONTNEED of small pages", get_small, discard },
	{ "MADV_DONTNEED in a huge page", get_thp, discard },
	{ "MADV_DONTNEED of a huge page", get_thp, discard_huge },
	{ "MADV_DONTNEED of everything", get_thp, discard_all },
	{ "MADV_REMOVE of a memfd", get_memfd, remove_pages },
	{ "hole punched by another process", get_memfd, punch },
	{ "hugetlb hole punched by another process", get_hugetlb, punch_huge },
	{ "truncated and extended", get_memfd, truncate_and_back },
	{ "other memory mapped over it", get_small, exchange },
	{ "other memory mapped over part of a huge page", get_thp, exchange },
	{ "other memory moved there by mremap", get_small, move_others_there },
};

#define NR_CHANGES (sizeof(changes) / sizeof(changes[0]))

/* ---- a guest with such memory ---- */

/* The first @size of it in a slot */
static void start_with(struct rig *rig, struct memory *mem,
		       void (*get)(struct memory *mem), size_t size)
{
	*mem = (struct memory) { .hva = vmm_reserve(SIZE), .fd = -1 };
	get(mem);
	memset(mem->hva, 1, SIZE);
	mirror_blind(false);
	rig_start(rig, EDU, VMM_ANON);
	edu_enable(rig, BAR0_GPA);
	vmm_set_slot(&rig->vmm, SLOT, HIGH_GPA, mem->hva, size);
	ASSERT_EQ(kassign_guest_sync(rig->guest, 0, NULL), 0);
	expect_exact(rig);
}

static void start(struct rig *rig, struct memory *mem,
		  void (*get)(struct memory *mem))
{
	start_with(rig, mem, get, SIZE);
}

static void end(struct rig *rig, struct memory *mem)
{
	rig_end(rig);
	munmap(mem->hva, SIZE);
	if (mem->fd >= 0)
		close(mem->fd);
}

static bool place_is_reached(struct rig *rig, struct memory *mem)
{
	return reaches(rig, HIGH_GPA + PLACE, mem->hva + PLACE);
}

static void expect_followed(const struct change *change)
{
	struct memory mem;
	struct rig rig;

	start(&rig, &mem, change->get);
	change->make(&mem);
	/* At once: never an old page. Soon: the new one. */
	ASSERT_EQ(check_mirror(&rig).stale, 0);
	memset(mem.hva + PLACE, 2, LENGTH);
	ASSERT_EQ(check_mirror(&rig).stale, 0);
	expect_exact_soon(&rig);
	ASSERT(place_is_reached(&rig, &mem));
	ASSERT(reaches(&rig, HIGH_GPA, mem.hva));
	ASSERT(status(&rig).discards > 0);
	end(&rig, &mem);
}

TEST(every_change_of_memory_is_followed)
{
	long pins = host_pins();
	unsigned int i;

	for (i = 0; i < NR_CHANGES; i++) {
		fprintf(stderr, "# %s\n", changes[i].name);
		expect_followed(&changes[i]);
		host_expect_pins(pins);
	}
}

/* Were it not for the module, each of them would leave the device with old pages. */
TEST(no_change_is_followed_when_the_mirror_is_blind)
{
	unsigned long long stale;
	unsigned int i;

	if (!mirror_blind(false)) {
		fprintf(stderr, "# skip: not a module for tests\n");
		exit(TAP_SKIP);
	}
	for (i = 0; i < NR_CHANGES; i++) {
		struct memory mem;
		struct rig rig;

		start(&rig, &mem, changes[i].get);
		mirror_blind(true);
		changes[i].make(&mem);
		memset(mem.hva + PLACE, 2, LENGTH);
		usleep(200000);
		stale = check_mirror(&rig).stale;
		fprintf(stderr, "# %s: %llu stale\n", changes[i].name, stale);
		ASSERT(stale > 0);
		ASSERT(!place_is_reached(&rig, &mem));
		mirror_blind(false);
		end(&rig, &mem);
	}
}

static bool soon(bool (*is)(struct rig *rig, struct memory *mem),
		 struct rig *rig, struct memory *mem, bool wanted)
{
	int i;

	for (i = 0; i < 50 && is(rig, mem) != wanted; i++)
		usleep(10000);
	return is(rig, mem) == wanted;
}

static bool is_missing(struct rig *rig, struct memory *mem)
{
	(void)mem;
	return status(rig).missing_bytes > 0;
}

/* ---- a page of 1 GiB ---- */

#define GIGA		(1UL << 30)
#define GIGA_PAGES	"/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"

static void *get_giga(void)
{
	void *p;

	if (host_put(GIGA_PAGES, "1"))
		SKIP("this kernel has no huge pages of 1 GiB");
	/* The virtual host sets one aside when it boots. */
	p = mmap(NULL, GIGA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_HUGETLB | MAP_HUGE_1GB | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		SKIP("this host has no 1 GiB of memory in one piece");
	return p;
}

static int watch_writes(void *p, size_t size)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		SKIP("this kernel has no userfaultfd");
	ASSERT_OK(ioctl(fd, UFFDIO_API, &api));
	ASSERT_OK(ioctl(fd, UFFDIO_REGISTER, &reg));
	return fd;
}

static void protect(int uffd, void *p, size_t size)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)p, size },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	ASSERT_OK(ioctl(uffd, UFFDIO_WRITEPROTECT, &wp));
}

/* The kernel leaves a mark that it was protected: an entry, but no page. */
TEST(a_mark_in_place_of_a_page_is_no_page)
{
	long pins = host_pins();
	struct rig rig;
	void *p = get_giga();
	int uffd, i;

	uffd = watch_writes(p, GIGA);
	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	vmm_set_slot(&rig.vmm, SLOT, HIGH_GPA, p, GIGA);
	ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
	ASSERT_EQ(status(&rig).missing_bytes, 0);
	protect(uffd, p, GIGA);
	ASSERT_OK(madvise(p, GIGA, MADV_DONTNEED));
	ASSERT_EQ(status(&rig).missing_bytes, GIGA);
	ASSERT_EQ(status(&rig).discards, GIGA / HUGE);
	/* Nobody watches any more: it gets a page again. */
	close(uffd);
	for (i = 0; i < 200 && status(&rig).missing_bytes; i++)
		usleep(50000);
	ASSERT_EQ(status(&rig).missing_bytes, 0);
	rig_end(&rig);
	munmap(p, GIGA);
	ASSERT_EQ(host_put(GIGA_PAGES, "0"), 0);
	host_expect_pins(pins);
}

/* ---- two slots that meet within a huge page ---- */

#define SEAM		(3 * HUGE + HUGE / 2)

/* One piece of memory that a VMM shows in two slots, the second added later */
static void add_rest(struct rig *rig, struct memory *mem)
{
	vmm_set_slot(&rig->vmm, SLOT + 1, HIGH_GPA + SEAM, mem->hva + SEAM,
		     SIZE - SEAM);
	ASSERT_EQ(kassign_guest_sync(rig->guest, 0, NULL), 0);
}

static void discard_at(struct memory *mem, size_t at)
{
	ASSERT_OK(madvise(mem->hva + at, LENGTH, MADV_DONTNEED));
}

TEST(a_discard_beside_a_seam_is_followed)
{
	long pins = host_pins();
	struct memory mem;
	struct rig rig;

	start_with(&rig, &mem, get_small, SEAM);
	add_rest(&rig, &mem);
	expect_exact(&rig);
	discard_at(&mem, SEAM + 0x5000);
	expect_exact_soon(&rig);
	ASSERT(reaches(&rig, HIGH_GPA + SEAM + 0x5000, mem.hva + SEAM + 0x5000));
	discard_at(&mem, SEAM - 0x5000);
	expect_exact_soon(&rig);
	ASSERT(reaches(&rig, HIGH_GPA + SEAM - 0x5000, mem.hva + SEAM - 0x5000));
	/* One side goes, the other stays. */
	vmm_set_slot(&rig.vmm, SLOT, HIGH_GPA, mem.hva, 0);
	ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	expect_exact(&rig);
	ASSERT(reaches(&rig, HIGH_GPA + SEAM, mem.hva + SEAM));
	ASSERT(!reaches(&rig, HIGH_GPA + SEAM - 0x1000, mem.hva + SEAM - 0x1000));
	end(&rig, &mem);
	host_expect_pins(pins);
}

/* One side has a hole when the other comes, and when all of it goes. */
TEST(a_hole_beside_a_seam_loses_nothing)
{
	long pins = host_pins();
	struct memory mem;
	struct rig rig;

	start_with(&rig, &mem, get_small, SEAM);
	ASSERT_OK(mprotect(mem.hva + SEAM - 0x5000, LENGTH, PROT_NONE));
	ASSERT(soon(is_missing, &rig, &mem, true));
	add_rest(&rig, &mem);
	ASSERT(reaches(&rig, HIGH_GPA + SEAM, mem.hva + SEAM));
	ASSERT_EQ(check_mirror(&rig).stale, 0);
	ASSERT(is_missing(&rig, &mem));
	end(&rig, &mem);
	host_expect_pins(pins);
}

/* ---- while the list of regions changes ---- */

#define MANY		16		/* slots in front of the memory */
#define STEP		0x2000	/* their distance: they stay apart */
#define SECONDS		10

struct restless {
	struct rig *rig;
	unsigned char *hva;
	volatile bool stop;
	unsigned long turns;
};

static void small_slot(struct rig *rig, int nr, unsigned char *hva, size_t size)
{
	vmm_set_slot(&rig->vmm, SLOT + 1 + nr, HIGH_GPA - (MANY - nr) * STEP, hva, size);
}

static void small_slots(struct rig *rig, unsigned char *hva, size_t size)
{
	int i;

	for (i = 0; i < MANY; i++)
		small_slot(rig, i, hva, size);
	ASSERT_EQ(kassign_guest_sync(rig->guest, KASSIGN_SYNC_NOW, NULL), 0);
}

/* They come and go: what is behind them changes its place in the list. */
static void *come_and_go(void *arg)
{
	struct restless *r = arg;

	for (; !r->stop; r->turns++) {
		small_slots(r->rig, r->hva, 0);
		usleep(1000);	/* for others, who want the lock too */
		small_slots(r->rig, r->hva, 4096);
		usleep(20000);
	}
	return NULL;
}

/* A module for tests takes its time from region to region. */
static void slow_notifier(bool on)
{
	host_put("/sys/module/kassign/parameters/fault_slow",
		 on ? "verify_pages" : "none");
}

/* All but small slots is mapped, at least. */
static bool is_filled(struct rig *rig)
{
	ASSERT_EQ(kassign_guest_sync(rig->guest, 0, NULL), 0);
	return status(rig).missing_bytes < HUGE;
}

/* The notifier says itself that it has unmapped it; edu would take 0.1 s for a look. */
static void discard_is_seen(struct rig *rig, struct memory *mem)
{
	uint64_t before;
	int i;

	for (i = 0; i < 1000 && !is_filled(rig); i++)
		usleep(1000);
	ASSERT(i < 1000);
	usleep(random() % 5000);	/* at any moment of the other's sync */
	before = status(rig).discards;
	ASSERT_OK(madvise(mem->hva + PLACE, 4096, MADV_DONTNEED));
	ASSERT(status(rig).discards > before);
}

TEST(a_discard_is_followed_while_the_list_changes)
{
	struct restless r = { .hva = vmm_reserve(HUGE) };
	unsigned long discards = 0;
	struct memory mem;
	struct rig rig;
	pthread_t thread;
	time_t until;

	start(&rig, &mem, get_small);
	vmm_memory_at(r.hva, 4096);
	r.rig = &rig;
	small_slots(&rig, r.hva, 4096);
	slow_notifier(true);
	ASSERT_EQ(pthread_create(&thread, NULL, come_and_go, &r), 0);
	for (until = time(NULL) + SECONDS; time(NULL) < until; discards++)
		discard_is_seen(&rig, &mem);
	r.stop = true;
	pthread_join(thread, NULL);
	slow_notifier(false);
	printf("# %lu discards, %lu changes of the list\n", discards, 2 * r.turns);
	ASSERT(discards > 10 && r.turns > 1);
	expect_exact_soon(&rig);
	end(&rig, &mem);
}

/* ---- a VMM that never rests ---- */

static void *discard_for_ever(void *arg)
{
	struct restless *r = arg;

	for (; !r->stop; r->turns++) {
		*(volatile unsigned char *)(r->hva + PLACE) = 1;
		madvise(r->hva + PLACE, 4096, MADV_DONTNEED);
	}
	return NULL;
}

/* What it never leaves alone is not mapped; nobody waits for it for ever. */
TEST(a_vmm_that_never_rests_holds_up_nobody)
{
	struct restless r[2] = { };
	long pins = host_pins();
	pthread_t thread[2];
	struct memory mem;
	struct rig rig;
	int i, err;

	start(&rig, &mem, get_small);
	for (i = 0; i < 2; i++) {
		r[i].hva = mem.hva;
		ASSERT_EQ(pthread_create(&thread[i], NULL, discard_for_ever, &r[i]), 0);
	}
	for (i = 0; i < 20; i++) {
		vmm_set_slot(&rig.vmm, SLOT, HIGH_GPA, mem.hva, 0);
		ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
		vmm_set_slot(&rig.vmm, SLOT, HIGH_GPA, mem.hva, SIZE);
		err = kassign_guest_sync(rig.guest, 0, NULL);
		ASSERT(!err || err == -EAGAIN);
	}
	close(rig.dev);
	rig.dev = -1;
	host_expect_state(EDU, KASSIGN_DEV_FREE);
	for (i = 0; i < 2; i++) {
		r[i].stop = true;
		pthread_join(thread[i], NULL);
	}
	printf("# %lu discards, the last sync: %d\n", r[0].turns + r[1].turns, err);
	end(&rig, &mem);
	host_expect_pins(pins);
}

/* ---- permissions ---- */

/* Does a DMA read from @PLACE bring what is there? */
static bool place_is_read(struct rig *rig, struct memory *mem)
{
	unsigned char *dst = vmm_ptr(&rig->vmm, 0x400000);

	memset(dst, 0, 16);
	edu_dma(rig->dev, 0x400000, 16, false);
	edu_dma(rig->dev, HIGH_GPA + PLACE, 16, false);
	edu_dma(rig->dev, 0x400000, 16, true);
	return dst[0] == mem->hva[PLACE] && dst[0];
}

/* As place_is_reached(), where the VMM may not write itself */
static bool place_is_written(struct rig *rig, struct memory *mem)
{
	unsigned char before = mem->hva[PLACE];
	unsigned char *src = vmm_ptr(&rig->vmm, 0x400000);

	memset(src, before + 1, 16);
	edu_dma(rig->dev, 0x400000, 16, false);
	edu_dma(rig->dev, HIGH_GPA + PLACE, 16, true);
	return ((volatile unsigned char *)mem->hva)[PLACE] != before;
}

TEST(a_device_may_not_write_what_the_vmm_may_not)
{
	void (* const kinds[])(struct memory *mem) = { get_small, get_thp, get_memfd };
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct memory mem;
		struct rig rig;

		start(&rig, &mem, kinds[i]);
		ASSERT(place_is_written(&rig, &mem));
		ASSERT_OK(mprotect(mem.hva + PLACE, LENGTH, PROT_READ));
		ASSERT(soon(place_is_written, &rig, &mem, false));
		ASSERT(soon(place_is_read, &rig, &mem, true));
		ASSERT_OK(mprotect(mem.hva + PLACE, LENGTH, PROT_READ | PROT_WRITE));
		ASSERT(soon(place_is_written, &rig, &mem, true));
		end(&rig, &mem);
	}
}

TEST(what_the_vmm_may_not_read_is_unmapped)
{
	struct memory mem;
	struct rig rig;

	start(&rig, &mem, get_small);
	ASSERT_OK(mprotect(mem.hva + PLACE, LENGTH, PROT_NONE));
	ASSERT(soon(is_missing, &rig, &mem, true));
	ASSERT(check_mirror(&rig).missing > 0);
	/* Its neighbours keep theirs, down to the 2 MiB around it. */
	ASSERT(reaches(&rig, HIGH_GPA + 2 * HUGE, mem.hva + 2 * HUGE));
	ASSERT_OK(mprotect(mem.hva + PLACE, LENGTH, PROT_READ | PROT_WRITE));
	ASSERT(soon(is_missing, &rig, &mem, false));
	ASSERT(place_is_reached(&rig, &mem));
	expect_exact(&rig);
	end(&rig, &mem);
}

/*
 * A file that the VMM may only read, as memory the guest may write: KVM lets that
 * pass, since the guest's writes then fail. A device's must too.
 */
TEST(a_file_opened_for_reading_is_never_written)
{
	unsigned char before[16], after[16];
	struct memory mem = { .hva = vmm_reserve(SIZE) };
	char path[] = "/dev/shm/kassign.XXXXXX";
	struct rig rig;
	int fd;

	ASSERT_OK(fd = mkstemp(path));
	ASSERT_OK(fallocate(fd, 0, 0, SIZE));
	ASSERT_EQ(pwrite(fd, "do not write here", 16, PLACE), 16);
	close(fd);
	ASSERT_OK(mem.fd = open(path, O_RDONLY));
	unlink(path);
	ASSERT(mmap(mem.hva, SIZE, PROT_READ, MAP_FIXED | MAP_PRIVATE, mem.fd, 0) !=
	       MAP_FAILED);
	ASSERT_EQ(pread(mem.fd, before, 16, PLACE), 16);
	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	vmm_set_slot(&rig.vmm, SLOT, HIGH_GPA, mem.hva, SIZE);
	/* Whether it is mapped for reading or refused is up to the kernel. */
	kassign_guest_sync(rig.guest, 0, NULL);
	ASSERT(!place_is_written(&rig, &mem));
	ASSERT_EQ(pread(mem.fd, after, 16, PLACE), 16);
	ASSERT(!memcmp(before, after, 16));
	end(&rig, &mem);
}

/* ---- what changes nothing ---- */

static void fork_and_write(struct memory *mem)
{
	int status;
	pid_t child = fork();

	if (!child) {
		memset(mem->hva, 3, SIZE);
		_exit(0);
	}
	ASSERT(child > 0);
	memset(mem->hva, 4, SIZE);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
}

static void compact(struct memory *mem)
{
	(void)mem;
	ASSERT_EQ(host_put("/proc/sys/vm/compact_memory", "1"), 0);
}

static void split(struct memory *mem)
{
	/* Another protection and back splits the huge page table entry. */
	ASSERT_OK(mprotect(mem->hva + PLACE, LENGTH, PROT_READ | PROT_WRITE | PROT_EXEC));
	ASSERT_OK(mprotect(mem->hva + PLACE, LENGTH, PROT_READ | PROT_WRITE));
}

static void reclaim(struct memory *mem)
{
	madvise(mem->hva, SIZE, MADV_COLD);
	madvise(mem->hva, SIZE, MADV_PAGEOUT);
}

static void lazily_free(struct memory *mem)
{
	madvise(mem->hva + PLACE, LENGTH, MADV_FREE);
}

static void merge(struct memory *mem)
{
	madvise(mem->hva, SIZE, MADV_MERGEABLE);
	host_put("/sys/kernel/mm/ksm/run", "1");
	usleep(500000);
	host_put("/sys/kernel/mm/ksm/run", "0");
}

static const struct change harmless[] = {
	{ "the VMM forks, and both write", get_small, fork_and_write },
	{ "the same with huge pages", get_thp, fork_and_write },
	{ "the same with a memfd", get_memfd, fork_and_write },
	{ "memory is compacted", get_small, compact },
	{ "memory is compacted under a memfd", get_memfd, compact },
	{ "a huge page's entry is split", get_thp, split },
	{ "MADV_PAGEOUT", get_small, reclaim },
	{ "MADV_PAGEOUT of a memfd", get_memfd, reclaim },
	{ "MADV_FREE", get_small, lazily_free },
	{ "KSM", get_small, merge },
};

TEST(what_leaves_the_pages_costs_the_device_nothing)
{
	unsigned int i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		struct memory mem;
		struct rig rig;

		fprintf(stderr, "# %s\n", harmless[i].name);
		start(&rig, &mem, harmless[i].get);
		harmless[i].make(&mem);
		ASSERT_EQ(status(&rig).discards, 0);
		ASSERT(place_is_reached(&rig, &mem));
		expect_exact(&rig);
		end(&rig, &mem);
	}
}

/* ---- while it happens ---- */

#define ROUNDS	20	/* edu takes 0.2 s for one */

/* A device keeps the rest of its memory while one page comes and goes. */
TEST(neighbours_keep_their_memory)
{
	struct memory mem;
	struct rig rig;
	int i, other = 0;

	start(&rig, &mem, get_thp);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_OK(madvise(mem.hva + PLACE, 0x1000, MADV_DONTNEED));
		other += reaches(&rig, HIGH_GPA + 4 * HUGE, mem.hva + 4 * HUGE);
	}
	ASSERT_EQ(other, ROUNDS);
	expect_exact_soon(&rig);
	ASSERT(place_is_reached(&rig, &mem));
	end(&rig, &mem);
}

TEST(locked_memory_is_counted)
{
	struct memory mem;
	struct rig rig;

	start(&rig, &mem, get_small);
	ASSERT_EQ(status(&rig).locked_bytes, VMM_LOW_SIZE + SIZE);
	ASSERT_EQ(status(&rig).limit_bytes, ~0ULL);	/* CAP_IPC_LOCK */
	end(&rig, &mem);
}
