// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory in and out of the IOMMU, by chunks of 2 MiB of the gpa.
 *
 * A chunk is mapped whole or not at all, and no IOMMU page crosses its border,
 * so what is unmapped is always exactly what was mapped. Nothing is kept per
 * page: which page is where the IOMMU itself remembers. One bit per chunk says
 * that all of it is one physical run, so that one look tells its 512 pages.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "kassign.h"

#define CHUNK_SHIFT	21

/* Most that is unmapped, and unpinned, in one go */
#define BATCH_SIZE	SZ_1G

/* An entry of mirror->whole is for this many chunks. */
#define WHOLE_SHIFT	5

struct kassign_chunk *kassign_chunk_alloc(struct kassign_guest *guest)
{
	struct kassign_chunk *chunk = kvzalloc(sizeof(*chunk), GFP_KERNEL);

	if (chunk)
		chunk->guest = guest;
	return chunk;
}

/*
 * A release must not fail for want of memory: with none to be had, it takes
 * turns at this one.
 */
static struct kassign_chunk spare_chunk;
static DEFINE_MUTEX(spare_lock);

/**
 * kassign_chunk_get - working memory, whatever happens
 * @guest: for which guest
 *
 * May wait for another release.
 */
struct kassign_chunk *kassign_chunk_get(struct kassign_guest *guest)
{
	struct kassign_chunk *chunk = kassign_chunk_alloc(guest);

	if (chunk)
		return chunk;
	mutex_lock(&spare_lock);
	spare_chunk.guest = guest;
	return &spare_chunk;
}

void kassign_chunk_put(struct kassign_chunk *chunk)
{
	if (chunk == &spare_chunk)
		mutex_unlock(&spare_lock);
	else
		kvfree(chunk);
}

/**
 * kassign_chunk_len - pages from an address to the end of its chunk
 * @gpa:    the address
 * @npages: at most so many
 */
unsigned long kassign_chunk_len(u64 gpa, u64 npages)
{
	unsigned long left = KASSIGN_CHUNK_PAGES -
			     ((gpa >> PAGE_SHIFT) % KASSIGN_CHUNK_PAGES);

	return min_t(u64, npages, left);
}

static void add_run(struct kassign_chunk *chunk, unsigned long pfn,
		    unsigned long npages)
{
	struct kassign_run *last = chunk->runs + chunk->nr_runs;

	if (chunk->nr_runs && last[-1].pfn + last[-1].npages == pfn) {
		last[-1].npages += npages;
		return;
	}
	*last = (struct kassign_run) { pfn, npages };
	chunk->nr_runs++;
}

static void unpin_runs(struct kassign_chunk *chunk)
{
	unsigned int i;

	for (i = 0; i < chunk->nr_runs; i++)
		kassign_unpin(chunk->runs[i].pfn, chunk->runs[i].npages);
	chunk->nr_runs = 0;
}

/* ---- which chunks are one run ---- */

static unsigned long whole_index(u64 gpa)
{
	return gpa >> (CHUNK_SHIFT + WHOLE_SHIFT);
}

static unsigned long whole_bit(u64 gpa)
{
	return BIT((gpa >> CHUNK_SHIFT) & (BIT(WHOLE_SHIFT) - 1));
}

/* It may fail to note one, for want of memory: that one is looked up by page. */
static void note_whole(struct kassign_mirror *mirror, u64 gpa, bool whole)
{
	unsigned long bits = 0;
	void *entry;

	xa_lock(&mirror->whole);
	entry = xa_load(&mirror->whole, whole_index(gpa));
	if (entry)
		bits = xa_to_value(entry);
	if (whole)
		bits |= whole_bit(gpa);
	else
		bits &= ~whole_bit(gpa);
	__xa_store(&mirror->whole, whole_index(gpa),
		   bits ? xa_mk_value(bits) : NULL, GFP_NOWAIT | __GFP_NOWARN);
	xa_unlock(&mirror->whole);
}

static bool is_whole(struct kassign_mirror *mirror, u64 gpa)
{
	void *entry = xa_load(&mirror->whole, whole_index(gpa));

	return entry && (xa_to_value(entry) & whole_bit(gpa));
}

/* ---- map ---- */

/* Maps the pinned runs; on failure nothing of the chunk stays mapped. */
static int map_runs(struct kassign_chunk *chunk, u64 gpa, int prot,
		    struct kassign_reason *reason)
{
	struct iommu_domain *domain = chunk->guest->domain;
	u64 at = gpa;
	unsigned int i;
	int err;

	for (i = 0; i < chunk->nr_runs; i++) {
		struct kassign_run *run = &chunk->runs[i];

		err = kassign_iommu_map(domain, at, PFN_PHYS(run->pfn),
					run->npages << PAGE_SHIFT, prot);
		if (err)
			goto err_unmap;
		at += run->npages << PAGE_SHIFT;
	}
	return 0;

err_unmap:
	kassign_fail(reason, err,
		     "the IOMMU refused to map guest address 0x%llx (errno %d)",
		     at, -err);
	if (at > gpa)
		iommu_unmap(domain, gpa, at - gpa);
	return err;
}

/**
 * kassign_chunk_map - pin and map a chunk, or what a region has of it
 * @chunk:  working memory
 * @r:	    region
 * @gpa:    where in the region
 * @npages: how many, see kassign_chunk_len()
 * @reason: out: why not
 *
 * The VMM's address space is current->mm. Any number of these may run at the
 * same time for a guest, for different chunks.
 */
int kassign_chunk_map(struct kassign_chunk *chunk,
		      const struct kassign_region *r, u64 gpa,
		      unsigned long npages, struct kassign_reason *reason)
{
	int prot = IOMMU_READ | IOMMU_CACHE | (r->readonly ? 0 : IOMMU_WRITE);
	unsigned long i;
	int err;

	err = kassign_pin(r->hva + (gpa - r->gpa), gpa, npages, chunk->pages,
			  reason);
	if (err)
		return err;
	chunk->nr_runs = 0;
	for (i = 0; i < npages; i++)
		add_run(chunk, page_to_pfn(chunk->pages[i]), 1);
	err = map_runs(chunk, gpa, prot, reason);
	if (err)
		unpin_runs(chunk);
	else if (npages == KASSIGN_CHUNK_PAGES && chunk->nr_runs == 1)
		note_whole(&chunk->guest->mirror, gpa, true);
	return err;
}

/* ---- unmap ---- */

/*
 * Should the IOMMU not unmap all of it, the pages stay pinned for ever: better
 * a leak than DMA into freed memory.
 */
static void unmap_runs(struct kassign_chunk *chunk, u64 start, u64 end)
{
	if (start == end)
		return;
	if (WARN_ON_ONCE(iommu_unmap(chunk->guest->domain, start,
				     end - start) != end - start))
		chunk->nr_runs = 0;
	unpin_runs(chunk);
}

static void look_up(struct kassign_chunk *chunk, u64 gpa, unsigned long npages,
		    bool whole)
{
	struct iommu_domain *domain = chunk->guest->domain;
	unsigned long i;

	if (whole) {
		add_run(chunk, PHYS_PFN(iommu_iova_to_phys(domain, gpa)),
			npages);
		note_whole(&chunk->guest->mirror, gpa, false);
		return;
	}
	for (i = 0; i < npages; i++)
		add_run(chunk,
			PHYS_PFN(iommu_iova_to_phys(domain,
						    gpa + (i << PAGE_SHIFT))), 1);
}

/**
 * kassign_chunk_unmap - unmap and unpin
 * @chunk:  working memory
 * @gpa:    first address, at the start of a chunk or of a region
 * @npages: how many, all of them mapped, to the end of a chunk or of a region
 *
 * Needs no memory, and cannot fail.
 */
void kassign_chunk_unmap(struct kassign_chunk *chunk, u64 gpa, u64 npages)
{
	u64 end = gpa + (npages << PAGE_SHIFT), start = gpa;

	chunk->nr_runs = 0;
	while (gpa < end) {
		unsigned long n = kassign_chunk_len(gpa, (end - gpa) >> PAGE_SHIFT);
		bool whole = n == KASSIGN_CHUNK_PAGES &&
			     is_whole(&chunk->guest->mirror, gpa);

		if (chunk->nr_runs + (whole ? 1 : n) > KASSIGN_CHUNK_PAGES ||
		    gpa - start >= BATCH_SIZE) {
			unmap_runs(chunk, start, gpa);
			start = gpa;
			cond_resched();
		}
		look_up(chunk, gpa, n, whole);
		gpa += n << PAGE_SHIFT;
	}
	unmap_runs(chunk, start, end);
}

/**
 * kassign_chunk_unmap_part - unmap what a failed map has left behind
 * @chunk:  working memory
 * @gpa:    first address, at the start of a region
 * @npages: how many; each chunk of it is mapped or not
 *
 * Returns the number of pages that were mapped.
 */
u64 kassign_chunk_unmap_part(struct kassign_chunk *chunk, u64 gpa, u64 npages)
{
	u64 end = gpa + (npages << PAGE_SHIFT), unmapped = 0;

	while (gpa < end) {
		unsigned long n = kassign_chunk_len(gpa, (end - gpa) >> PAGE_SHIFT);

		if (iommu_iova_to_phys(chunk->guest->domain, gpa)) {
			kassign_chunk_unmap(chunk, gpa, n);
			unmapped += n;
		}
		gpa += n << PAGE_SHIFT;
		cond_resched();
	}
	return unmapped;
}
