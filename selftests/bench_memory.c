// SPDX-License-Identifier: GPL-2.0-only
/*
 * make bench-memory: what mapping a guest's memory for a device costs, kassign
 * against VFIO type1: the same process, memory, addresses and device, in turns.
 *
 *   bench_memory [MIB [ROUNDS]]
 *
 * map: a memslot is there, the mirror follows it (KASSIGN_GUEST_SYNC), against
 * VFIO_IOMMU_MAP_DMA. unmap: the memslot is gone, against VFIO_IOMMU_UNMAP_DMA.
 */
#include <errno.h>
#include <glob.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host.h"
#include "rnd.h"
#include "stats.h"
#include "tap.h"
#include "vfio.h"

#define GPA		(4ULL << 30)	/* where the memory is, in guest and IOVA */
#define SLOT		20		/* its memslot */
#define MAX_ROUNDS	50

enum { KASSIGN_MAP, KASSIGN_UNMAP, VFIO_MAP, VFIO_UNMAP, NR_COSTS };

struct kind {
	const char *name;
	int flags;
	int advice;
	size_t page;
};

static const struct kind kinds[] = {
	{ "4 KiB scattered", 0, MADV_NOHUGEPAGE, 4096 },
	{ "THP", 0, MADV_HUGEPAGE, 2 << 20 },
	{ "hugetlb 2 MiB", MAP_HUGETLB, MADV_NORMAL, 2 << 20 },
};

/* ---- memory ---- */

/* Every page once, in random order, so that neighbours are no neighbours */
static void touch(char *mem, size_t size, size_t page)
{
	size_t n = size / page, i, j;
	uint32_t *order = calloc(n, sizeof(*order)), t;

	ASSERT(order);
	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n; i > 1; i--) {
		j = rnd(i);
		t = order[i - 1];
		order[i - 1] = order[j];
		order[j] = t;
	}
	for (i = 0; i < n; i++)
		mem[order[i] * page] = 1;
	free(order);
}

static void *get_memory(const struct kind *kind, size_t size)
{
	size_t huge = 2 << 20;
	char text[32], *mem;

	if (kind->flags & MAP_HUGETLB) {
		snprintf(text, sizeof(text), "%zu", size / huge);
		ASSERT_EQ(host_put("/proc/sys/vm/nr_hugepages", text), 0);
	}
	mem = mmap(NULL, size + huge, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | kind->flags, -1, 0);
	if (mem == MAP_FAILED)
		return NULL;
	mem = (char *)(((uintptr_t)mem + huge - 1) & ~(huge - 1));
	madvise(mem, size, kind->advice);
	touch(mem, size, kind->page);
	return mem;
}

/* ---- the two ways ---- */

static uint64_t mapped(struct rig *rig)
{
	struct kassign_guest_status st;

	ASSERT_EQ(kassign_guest_get_status(rig->guest, &st), 0);
	return st.mapped_bytes;
}

static void kassign_round(void *mem, size_t size, double *cost)
{
	struct rig rig;
	double start;

	host_bind(EDU);
	rig_start(&rig, EDU, VMM_ANON);
	vmm_set_slot(&rig.vmm, SLOT, GPA, mem, size);
	start = now_ms();
	ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	cost[KASSIGN_MAP] = now_ms() - start;
	ASSERT(mapped(&rig) >= size);
	vmm_set_slot(&rig.vmm, SLOT, GPA, NULL, 0);
	start = now_ms();
	ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	cost[KASSIGN_UNMAP] = now_ms() - start;
	ASSERT(mapped(&rig) < size);
	rig_end(&rig);
}

static void vfio_round(void *mem, size_t size, double *cost)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)mem,
		.iova = GPA,
		.size = size,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = GPA,
		.size = size,
	};
	struct vfio vfio;
	double start;

	vfio_start(&vfio, EDU);
	start = now_ms();
	ASSERT_OK(ioctl(vfio.container, VFIO_IOMMU_MAP_DMA, &map));
	cost[VFIO_MAP] = now_ms() - start;
	start = now_ms();
	ASSERT_OK(ioctl(vfio.container, VFIO_IOMMU_UNMAP_DMA, &unmap));
	cost[VFIO_UNMAP] = now_ms() - start;
	ASSERT_EQ(unmap.size, size);
	vfio_end(&vfio);
}

/* ---- results ---- */

static void print_row(const char *kind, const char *what, double ours,
		      double vfio, size_t size)
{
	double gib = size / (double)(1 << 30);

	printf("%-16s %-6s %12.1f %12.1f %9.2f\n", kind, what, ours / gib,
	       vfio / gib, ours / vfio);
}

static void bench(const struct kind *kind, size_t size, int rounds)
{
	double cost[NR_COSTS][MAX_ROUNDS], one[NR_COSTS];
	void *mem = get_memory(kind, size);
	int i, c;

	if (!mem) {
		printf("%-16s no such memory here: %s\n", kind->name,
		       strerror(errno));
		return;
	}
	for (i = 0; i < rounds; i++) {
		kassign_round(mem, size, one);
		vfio_round(mem, size, one);
		for (c = 0; c < NR_COSTS; c++)
			cost[c][i] = one[c];
	}
	print_row(kind->name, "map", median(cost[KASSIGN_MAP], rounds),
		  median(cost[VFIO_MAP], rounds), size);
	print_row(kind->name, "unmap", median(cost[KASSIGN_UNMAP], rounds),
		  median(cost[VFIO_UNMAP], rounds), size);
	munmap(mem, size);
}

/* What a second device, and a look at unchanged memslots, cost */
static void bench_rest(size_t size, int rounds)
{
	double attach[2][MAX_ROUNDS], sync[MAX_ROUNDS], start;
	void *mem = get_memory(&kinds[1], size);
	struct rig rig;
	int i, full, fd;

	ASSERT(mem);
	host_bind(EDU);
	host_bind(IGB);
	for (full = 0; full < 2; full++) {
		rig_start(&rig, EDU, VMM_ANON);
		if (full)
			vmm_set_slot(&rig.vmm, SLOT, GPA, mem, size);
		ASSERT_EQ(kassign_guest_sync(rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
		for (i = 0; i < rounds; i++) {
			start = now_ms();
			ASSERT_OK(fd = rig_assign(rig.guest, IGB));
			attach[full][i] = now_ms() - start;
			close(fd);
			start = now_ms();
			ASSERT_EQ(kassign_guest_sync(rig.guest, 0, NULL), 0);
			sync[i] = now_ms() - start;
		}
		rig_end(&rig);
	}
	printf("second device: %.2f ms with the memory, %.2f ms without\n",
	       median(attach[1], rounds), median(attach[0], rounds));
	printf("sync, nothing changed: %.3f ms\n", median(sync, rounds));
	munmap(mem, size);
	host_rebind(IGB);
}

/* ---- memory of the module ---- */

/* Gives back what is free, so that a difference is what is in use. */
static void shrink_slabs(void)
{
	glob_t caches;
	size_t i;

	ASSERT_EQ(host_put("/proc/sys/vm/drop_caches", "3"), 0);
	usleep(500000);
	ASSERT_EQ(glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches), 0);
	for (i = 0; i < caches.gl_pathc; i++)
		host_put(caches.gl_pathv[i], "1");
	globfree(&caches);
}

static long slab_bytes(void)
{
	unsigned long active, all, size;
	char line[512];
	long sum = 0;
	FILE *f;

	shrink_slabs();
	f = fopen("/proc/slabinfo", "r");
	ASSERT(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %lu %lu %lu", &active, &all, &size) == 3)
			sum += active * size;
	fclose(f);
	return sum;
}

/* Kernel objects that an attach adds, the memory being there @aliases times */
static long attach_bytes(void *mem, size_t size, int aliases)
{
	struct rig rig;
	long before;
	int i;

	vmm_start(&rig.vmm, VMM_ANON);
	for (i = 0; i < aliases; i++)
		vmm_set_slot(&rig.vmm, SLOT + i, GPA + i * size, mem, size);
	before = slab_bytes();
	rig.guest = rig_guest(&rig);
	ASSERT_OK(rig.dev = rig_assign(rig.guest, EDU));
	ASSERT(mapped(&rig) >= aliases * size);
	before = slab_bytes() - before;
	rig_end(&rig);
	return before;
}

/* A large guest is made of one piece of memory in many places. */
static void bench_module_memory(size_t size, int rounds)
{
	const int aliases = 256;
	void *mem = get_memory(&kinds[2], size);
	double bytes[MAX_ROUNDS];
	int i;

	if (!mem)
		return;
	for (i = 0; i < rounds; i++)
		bytes[i] = attach_bytes(mem, size, aliases) -
			   attach_bytes(mem, size, 1);
	printf("module memory: %.0f bytes per GiB (%zu GiB more of 2 MiB pages)\n",
	       median(bytes, rounds) / (aliases - 1) * (1 << 30) / size,
	       ((aliases - 1) * size) >> 30);
	munmap(mem, size);
}

int main(int argc, char **argv)
{
	size_t size = (argc > 1 ? strtoul(argv[1], NULL, 0) : 1024) << 20;
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	unsigned int i;

	if (!size || rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: bench_memory [MIB [ROUNDS, up to %d]]\n",
			MAX_ROUNDS);
		return 2;
	}
	seed_from_env();
	printf("%zu MiB, median of %d rounds\n", size >> 20, rounds);
	printf("%-16s %-6s %12s %12s %9s\n", "memory", "", "kassign ms/GiB",
	       "VFIO ms/GiB", "ratio");
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		bench(&kinds[i], size, rounds);
	bench_rest(size, rounds);
	bench_module_memory(size, rounds);
	return 0;
}
