// SPDX-License-Identifier: GPL-2.0-only
/*
 * All at once, at random: a VMM discards, exchanges, protects and hot-plugs
 * memory, its guest moves a BAR, and a NIC writes to all of that memory. Never may
 * the module find a page mapped that the VMM has not there, and never may a frame
 * arrive in memory that is not the guest's. Environment:
 *   STRESS_SECONDS   how long (default 10)
 *   SEED             of the random numbers; the threads make their order vary
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mirror.h"
#include "nic.h"
#include "rnd.h"
#include "tap.h"
#include "witness.h"

#define PAGE		4096UL
#define HUGE		(2UL << 20)
#define ANON_SIZE	(24 * HUGE)
#define FILE_SIZE	(12 * HUGE)
#define PLUG_SIZE	(3 * HUGE + 5 * PAGE)
#define ANON_GPA	HIGH_GPA
#define FILE_GPA	(ANON_GPA + 2 * ANON_SIZE)
#define PLUG_GPA	(FILE_GPA + 2 * FILE_SIZE + 0x7000)
#define WITNESS_SIZE	(16UL << 20)
#define PATIENCE	5000	/* us for the frames of one turn */

enum { SLOT_ANON = VMM_MAX_SLOTS, SLOT_FILE, SLOT_PLUG };

static struct stress {
	struct rig rig;
	struct nic nic;
	volatile bool stop;
	unsigned char *anon;
	unsigned char *file;
	unsigned char *plug;
	int fd;
	unsigned long changes, plugs, moves, checks, looks, frames;
} all;

static void anonymous(void *at, size_t size)
{
	ASSERT(mmap(at, size, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == at);
}

/* ---- what a VMM does to its memory ---- */

struct part {
	unsigned char *p;
	size_t len;
};

/* Mostly some pages, now and then some huge pages */
static struct part random_part(unsigned char *base, size_t size)
{
	size_t pages = rnd(4) ? 1 + rnd(16) : 512 * (1 + rnd(3));
	size_t first = rnd(size / PAGE);

	if (pages >= 512)
		first &= ~511UL;
	if (pages > size / PAGE - first)
		pages = size / PAGE - first;
	return (struct part) { base + first * PAGE, pages * PAGE };
}

static void move_there(struct part part)
{
	void *other = mmap(NULL, part.len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	ASSERT(other != MAP_FAILED);
	ASSERT(mremap(other, part.len, part.len, MREMAP_MAYMOVE | MREMAP_FIXED,
		      part.p) == part.p);
}

static void in_a_child(struct part part)
{
	int status;
	pid_t child = fork();

	if (!child) {
		if (part.p >= all.file && part.p < all.file + FILE_SIZE)
			fallocate(all.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  part.p - all.file, part.len);
		else
			memset(part.p, 7, part.len);
		_exit(0);
	}
	ASSERT(child > 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
}

static void protect(struct part part)
{
	ASSERT_OK(mprotect(part.p, part.len, rnd(2) ? PROT_READ : PROT_NONE));
	usleep(rnd(20000));
	ASSERT_OK(mprotect(part.p, part.len, PROT_READ | PROT_WRITE));
}

static void change_anon(void)
{
	struct part part = random_part(all.anon, ANON_SIZE);

	switch (rnd(8)) {
	case 0: case 1: case 2:
		ASSERT_OK(madvise(part.p, part.len, MADV_DONTNEED));
		break;
	case 3:
		anonymous(part.p, part.len);
		break;
	case 4:
		move_there(part);
		break;
	case 5:
		protect(part);
		break;
	case 6:
		madvise(part.p, part.len, rnd(2) ? MADV_HUGEPAGE : MADV_PAGEOUT);
		break;
	default:
		in_a_child(part);
	}
	memset(part.p, 1, rnd(part.len) + 1);
}

static void change_file(void)
{
	struct part part = random_part(all.file, FILE_SIZE);

	switch (rnd(6)) {
	case 0: case 1:
		ASSERT_OK(fallocate(all.fd,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    part.p - all.file, part.len));
		break;
	case 2:
		ASSERT_OK(madvise(part.p, part.len, MADV_REMOVE));
		break;
	case 3:
		ASSERT_OK(madvise(part.p, part.len, MADV_DONTNEED));
		break;
	case 4:
		madvise(part.p, part.len, MADV_PAGEOUT);
		break;
	default:
		in_a_child(part);
	}
	memset(part.p, 1, rnd(part.len) + 1);
}

static void *change_memory(void *arg)
{
	(void)arg;
	while (!all.stop) {
		if (rnd(3))
			change_anon();
		else
			change_file();
		if (!rnd(200))
			host_put("/proc/sys/vm/compact_memory", "1");
		all.changes++;
		usleep(rnd(3000));
	}
	return NULL;
}

/* The memory that goes with a slot goes before it, with it, or never. */
static void *plug_memory(void *arg)
{
	(void)arg;
	while (!all.stop) {
		anonymous(all.plug, PLUG_SIZE);
		vmm_set_slot(&all.rig.vmm, SLOT_PLUG, PLUG_GPA, all.plug, PLUG_SIZE);
		if (rnd(2))
			ASSERT_EQ(kassign_guest_sync(all.rig.guest, 0, NULL), 0);
		usleep(rnd(100000));
		if (!rnd(3))
			anonymous(all.plug, PLUG_SIZE);
		vmm_set_slot(&all.rig.vmm, SLOT_PLUG, PLUG_GPA, NULL, 0);
		if (rnd(2))
			ASSERT_EQ(kassign_guest_sync(all.rig.guest,
						     KASSIGN_SYNC_NOW, NULL), 0);
		usleep(rnd(100000));
		all.plugs++;
	}
	return NULL;
}

/* ---- the guest ---- */

/* To size and move it a guest may switch it off, or not. */
static void *move_bars(void *arg)
{
	(void)arg;
	while (!all.stop) {
		if (rnd(2))
			config_write(all.rig.dev, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
		config_write(all.rig.dev, PCI_BASE_ADDRESS_0, 4, ~0U);
		config_write(all.rig.dev, PCI_BASE_ADDRESS_0, 4,
			     BAR0_GPA + rnd(16) * 0x100000);
		config_write(all.rig.dev, PCI_COMMAND, 2,
			     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		all.moves++;
		usleep(rnd(50000));
	}
	return NULL;
}

static uint64_t random_gpa(void)
{
	switch (rnd(5)) {
	case 0: case 1:
		return ANON_GPA + rnd(ANON_SIZE - NIC_MAX_FRAME);
	case 2: case 3:
		return FILE_GPA + rnd(FILE_SIZE - NIC_MAX_FRAME);
	default:
		return PLUG_GPA + rnd(PLUG_SIZE - NIC_MAX_FRAME);
	}
}

static void send_frames(void)
{
	unsigned int i, n = NIC_ENTRIES - 1, waited;

	for (i = 0; i < n; i++) {
		nic_tx_set(&all.nic, i, NIC_TX_BUFS + i * NIC_BUF,
			   NIC_MIN_FRAME + rnd(NIC_MAX_FRAME - NIC_MIN_FRAME));
		nic_rx_set(&all.nic, i, random_gpa());
	}
	nic_run_usual(&all.nic, n, n);
	for (waited = 0; waited < PATIENCE && nic_read(&all.nic, NIC_RDH) != n;
	     waited += 100)
		usleep(100);
	all.frames += nic_read(&all.nic, NIC_RDH);
}

/* ---- those who look ---- */

static void *check_pages(void *arg)
{
	(void)arg;
	while (!all.stop) {
		ASSERT_EQ(check_mirror(&all.rig).stale, 0);
		all.checks++;
		usleep(300000);
	}
	return NULL;
}

/* Memory of others gets the pages that the VMM has just let go. */
static void *look_at_others(void *arg)
{
	struct area area;

	(void)arg;
	while (!all.stop) {
		area_make(&area, "another's memory", WITNESS_SIZE);
		usleep(rnd(200000));
		ASSERT_EQ(area_changed(&area), 0);
		area_free(&area);
		all.looks++;
	}
	return NULL;
}

/* ---- all together ---- */

static void set_up(void)
{
	unsigned int i;

	rig_start(&all.rig, NIC, VMM_ANON);
	nic_start(&all.nic, &all.rig);
	all.anon = vmm_reserve(ANON_SIZE);
	all.file = vmm_reserve(FILE_SIZE);
	all.plug = vmm_reserve(PLUG_SIZE);
	anonymous(all.anon, ANON_SIZE);
	madvise(all.anon, ANON_SIZE, MADV_HUGEPAGE);
	ASSERT_OK(all.fd = memfd_create("guest", 0));
	ASSERT_OK(ftruncate(all.fd, FILE_SIZE));
	ASSERT(mmap(all.file, FILE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_SHARED, all.fd, 0) == all.file);
	for (i = 0; i < NIC_ENTRIES; i++)
		memset(nic_tx_buf(&all.nic, i), 0xa5, NIC_BUF);
	vmm_set_slot(&all.rig.vmm, SLOT_ANON, ANON_GPA, all.anon, ANON_SIZE);
	vmm_set_slot(&all.rig.vmm, SLOT_FILE, FILE_GPA, all.file, FILE_SIZE);
	ASSERT_EQ(kassign_guest_sync(all.rig.guest, 0, NULL), 0);
	expect_exact(&all.rig);
}

static void settle(void)
{
	ASSERT_EQ(kassign_guest_sync(all.rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	expect_exact_soon(&all.rig);
	ASSERT_EQ(status(&all.rig).mapped_bytes,
		  VMM_LOW_SIZE + ANON_SIZE + FILE_SIZE);
	ASSERT(nic_loops_back(&all.nic, NIC_MAX_FRAME));
}

static void report(void)
{
	fprintf(stderr, "# %lu changes of memory, %lu hot-plugs, %lu moves of a BAR\n",
		all.changes, all.plugs, all.moves);
	fprintf(stderr, "# %lu frames received, %llu discards followed\n", all.frames,
		(unsigned long long)status(&all.rig).discards);
	fprintf(stderr, "# %lu checks of every page, %lu looks at another's memory\n",
		all.checks, all.looks);
}

/* Of each so many that they met */
static bool enough(void)
{
	return all.frames > 100 && all.changes > 10 && all.plugs && all.moves &&
	       all.checks && all.looks;
}

TEST(a_device_writes_while_all_of_memory_changes)
{
	void *(* const parts[])(void *arg) = {
		change_memory, plug_memory, move_bars, check_pages, look_at_others,
	};
	const unsigned int nr = sizeof(parts) / sizeof(parts[0]);
	time_t end = time(NULL) + env("STRESS_SECONDS", 10);
	long pins = host_pins();
	pthread_t threads[8];
	unsigned int i;

	seed_from_env();
	set_up();
	for (i = 0; i < nr; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, parts[i], NULL), 0);
	/* On the debug kernel there are few of each in the ten seconds. */
	while (time(NULL) < end || (!enough() && time(NULL) < end + 60))
		send_frames();
	all.stop = true;
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	report();
	ASSERT(enough());
	ASSERT(status(&all.rig).discards > 0);
	settle();
	nic_end(&all.nic);
	rig_end(&all.rig);
	host_expect_pins(pins);
}
