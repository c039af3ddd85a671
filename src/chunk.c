// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory in and out of the IOMMU, by chunks of 2 MiB of the gpa.
 *
 * What a region has of a chunk is mapped whole or not at all, and no IOMMU page
 * crosses the border of a chunk, so what is unmapped is always exactly what was
 * mapped. Nothing is kept per page: which page is where the IOMMU itself
 * remembers. One bit per chunk says that all of it is one physical run, so that
 * one look tells its 512 pages; another that devices may not write to it.
 *
 * What is mapped changes under mirror->map_lock only: readers map (each another
 * chunk), the writer unmaps. Whoever maps looks again, under the lock, whether
 * the page tables still have what was pinned; the MMU notifier, having it for
 * writing, looks whether they have what is mapped. One of the two sees the other.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "kassign.h"

#define CHUNK_SHIFT	21

/* Most that is unmapped, and unpinned, in one go */
#define BATCH_SIZE	SZ_1G

/* Most chunks that are mapped in one go, each one physical run but the last */
#define BATCH_CHUNKS	8

/* An entry of a bit per chunk is for this many chunks. */
#define BITS_SHIFT	5

/* How often the IOMMU gets another chance when there was no memory at once */
#define MEMORY_RETRIES	10

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

static bool join(struct kassign_run *run, const struct kassign_run *next)
{
	if (run->pfn + run->npages != next->pfn ||
	    run->writable != next->writable || run->huge != next->huge)
		return false;
	run->npages += next->npages;
	return true;
}

static void add_run(struct kassign_chunk *chunk, const struct kassign_run *run)
{
	unsigned int n = chunk->nr_runs;

	if (n == chunk->base || !join(&chunk->runs[n - 1], run))
		chunk->runs[chunk->nr_runs++] = *run;
}

static void no_runs(struct kassign_chunk *chunk)
{
	chunk->nr_runs = 0;
	chunk->base = 0;
}

static void unpin_runs(struct kassign_chunk *chunk)
{
	unsigned int i;

	for (i = 0; i < chunk->nr_runs; i++)
		kassign_unpin(&chunk->runs[i]);
	no_runs(chunk);
}

/* ---- a bit for every chunk ---- */

static unsigned long bits_index(u64 gpa)
{
	return gpa >> (CHUNK_SHIFT + BITS_SHIFT);
}

static unsigned long bits_mask(u64 gpa)
{
	return BIT((gpa >> CHUNK_SHIFT) & (BIT(BITS_SHIFT) - 1));
}

static bool bit_get(struct xarray *bits, u64 gpa)
{
	void *entry = xa_load(bits, bits_index(gpa));

	return entry && (xa_to_value(entry) & bits_mask(gpa));
}

/* Only setting one can fail. Atomic. */
static int bit_set(struct xarray *bits, u64 gpa, bool set)
{
	unsigned long value = 0;
	void *entry;

	if (bit_get(bits, gpa) == set)
		return 0;
	xa_lock(bits);
	entry = xa_load(bits, bits_index(gpa));
	if (entry)
		value = xa_to_value(entry);
	if (set)
		value |= bits_mask(gpa);
	else
		value &= ~bits_mask(gpa);
	entry = __xa_store(bits, bits_index(gpa),
			   value ? xa_mk_value(value) : NULL,
			   GFP_ATOMIC | __GFP_NOWARN);
	xa_unlock(bits);
	return xa_err(entry);
}

/**
 * kassign_chunk_is_mapped - is what a region has of this chunk mapped?
 * @guest: the guest
 * @gpa:   first address of it
 */
bool kassign_chunk_is_mapped(struct kassign_guest *guest, u64 gpa)
{
	return iommu_iova_to_phys(guest->domain, gpa);
}

/**
 * kassign_chunk_is_readonly - may devices not write to some of this chunk?
 * @guest: the guest
 * @gpa:   an address in it
 *
 * That is because the VMM itself may not; read-only slots are another matter.
 */
bool kassign_chunk_is_readonly(struct kassign_guest *guest, u64 gpa)
{
	return bit_get(&guest->mirror.readonly, gpa);
}

/* ---- map ---- */

/* Pages as runs. The page structs of x86 are one array. */
static void add_pinned(struct kassign_chunk *chunk, unsigned long npages,
		       bool writable)
{
	struct page **page = chunk->pages, **end = page + npages, **first;

	while (page < end) {
		first = page++;
		while (page < end && page[0] == page[-1] + 1)
			page++;
		add_run(chunk, &(struct kassign_run) {
			.pfn = page_to_pfn(*first),
			.npages = page - first,
			.writable = writable,
		});
	}
}

/* Adds the pages to the runs; on failure no run is left. */
static int pin_pages(struct kassign_chunk *chunk,
		     const struct kassign_region *r, u64 gpa,
		     unsigned long npages, struct kassign_reason *reason)
{
	while (npages) {
		bool writable;
		long n = kassign_pin(r->hva + (gpa - r->gpa), gpa, npages,
				     chunk->pages, &writable, reason);

		if (n < 0) {
			unpin_runs(chunk);
			return n;
		}
		add_pinned(chunk, n, writable);
		gpa += n << PAGE_SHIFT;
		npages -= n;
	}
	return 0;
}

/*
 * Pins a whole chunk by one page, if it is (part of) a huge page to the VMM too.
 * Else what was pinned is the first of its pages. Returns pages done with.
 */
static long pin_huge(struct kassign_chunk *chunk, const struct kassign_region *r,
		     u64 gpa, struct kassign_reason *reason)
{
	unsigned long hva = r->hva + (gpa - r->gpa);
	struct kassign_run run = { .npages = 1 };
	long n;

	if (!IS_ALIGNED(hva, BIT(CHUNK_SHIFT)))
		return 0;
	n = kassign_pin(hva, gpa, 1, chunk->pages, &run.writable, reason);
	if (n < 0)
		return n;
	run.pfn = page_to_pfn(chunk->pages[0]);
	if (run.writable && kassign_pinned_once(run.pfn) &&
	    kassign_walk_huge(current->mm, hva, run.pfn)) {
		run.npages = KASSIGN_CHUNK_PAGES;
		run.huge = true;
	}
	add_run(chunk, &run);
	return run.npages;
}

/* What was pinned page by page, but is unpinned as one */
static void settle_huge(struct kassign_run *run)
{
	if (run->huge || run->npages != KASSIGN_CHUNK_PAGES ||
	    !kassign_pinned_once(run->pfn))
		return;
	unpin_user_page_range_dirty_lock(pfn_to_page(run->pfn + 1),
					 run->npages - 1, false);
	run->huge = true;
}

/* Returns in how many pieces it is, or an errno: then no run is left. */
static int pin_chunk(struct kassign_chunk *chunk, const struct kassign_region *r,
		     u64 gpa, unsigned long npages, struct kassign_reason *reason)
{
	unsigned int base = chunk->nr_runs, pieces;
	long n = 0;
	int err;

	chunk->base = base;
	if (npages == KASSIGN_CHUNK_PAGES)
		n = pin_huge(chunk, r, gpa, reason);
	if (n < 0) {
		unpin_runs(chunk);
		return n;
	}
	err = pin_pages(chunk, r, gpa + (n << PAGE_SHIFT), npages - n, reason);
	if (err)
		return err;
	pieces = chunk->nr_runs - base;
	if (pieces == 1) {
		settle_huge(&chunk->runs[base]);
		if (base && join(&chunk->runs[base - 1], &chunk->runs[base]))
			chunk->nr_runs--;
	}
	return pieces;
}

/* Pins until a chunk is in pieces, or the batch is full. */
static long pin_batch(struct kassign_chunk *chunk,
		      const struct kassign_region *r, u64 gpa, u64 npages,
		      struct kassign_reason *reason)
{
	unsigned int i;
	u64 done = 0;

	no_runs(chunk);
	for (i = 0; i < BATCH_CHUNKS && done < npages; i++) {
		u64 at = gpa + (done << PAGE_SHIFT);
		unsigned long n = kassign_chunk_len(at, npages - done);
		int pieces = pin_chunk(chunk, r, at, n, reason);

		if (pieces < 0)
			return pieces;
		done += n;
		if (pieces > 1)
			break;
	}
	return done;
}

/* Does the VMM still have these pages there? */
static bool runs_are_current(struct kassign_chunk *chunk, unsigned long hva)
{
	struct mm_struct *mm = chunk->guest->mm;
	unsigned int i;
	bool moving;

	for (i = 0; i < chunk->nr_runs; i++) {
		const struct kassign_run *run = &chunk->runs[i];

		if (kassign_walk_same(mm, hva, run->pfn, run->npages,
				      &moving) != run->npages)
			return false;
		hva += run->npages << PAGE_SHIFT;
	}
	return true;
}

/*
 * How much of a run may be mapped by one call, from @gpa on: all of it, unless the
 * IOMMU (AMD's) has page sizes that could cover more than a chunk in a batch.
 */
static size_t map_size(struct iommu_domain *domain, u64 gpa, size_t size)
{
	unsigned long larger = GENMASK(ilog2(BATCH_CHUNKS) + CHUNK_SHIFT,
				       CHUNK_SHIFT + 1);

	if (!(domain->pgsize_bitmap & larger))
		return size;
	return min_t(size_t, size, BIT(CHUNK_SHIFT) - (gpa & (BIT(CHUNK_SHIFT) - 1)));
}

static int prot_of(const struct kassign_run *run, bool readonly)
{
	int prot = IOMMU_READ | IOMMU_CACHE;

	return run->writable && !readonly ? prot | IOMMU_WRITE : prot;
}

static int map_run(struct iommu_domain *domain, u64 *gpa,
		   const struct kassign_run *run, bool readonly)
{
	int prot = prot_of(run, readonly);
	phys_addr_t phys = PFN_PHYS(run->pfn);
	size_t left = run->npages << PAGE_SHIFT, n;
	int err;

	for (; left; left -= n) {
		n = map_size(domain, *gpa, left);
		err = kassign_iommu_map(domain, *gpa, phys, n, prot);
		if (err)
			return err;
		phys += n;
		*gpa += n;
	}
	return 0;
}

/*
 * Maps the pieces of one chunk, which a device may all write to or not, by one
 * call: one for each costs more than pinning does. Returns how many, or an errno.
 */
static int map_pieces(struct kassign_chunk *chunk, u64 *gpa, unsigned int first,
		      bool readonly)
{
	const struct kassign_run *run = &chunk->runs[first];
	unsigned int most = chunk->nr_runs - first, n;
	size_t size = 0;
	int err;

	sg_init_table(chunk->sg, most);
	for (n = 0; n < most && run[n].writable == run->writable; n++) {
		sg_set_page(&chunk->sg[n], pfn_to_page(run[n].pfn),
			    run[n].npages << PAGE_SHIFT, 0);
		size += run[n].npages << PAGE_SHIFT;
	}
	err = kassign_iommu_map_sg(chunk->guest->domain, *gpa, chunk->sg, n,
				   prot_of(run, readonly));
	if (err)
		return err;
	*gpa += size;
	return n;
}

/* Maps the pinned runs; on failure none stays mapped. */
static int map_runs(struct kassign_chunk *chunk, u64 gpa, bool readonly,
		    struct kassign_reason *reason)
{
	struct iommu_domain *domain = chunk->guest->domain;
	unsigned int whole = chunk->base, i;
	u64 at = gpa;
	int err = 0;

	if (chunk->nr_runs == whole + 1)
		whole++;
	for (i = 0; i < whole && !err; i++)
		err = map_run(domain, &at, &chunk->runs[i], readonly);
	for (; i < chunk->nr_runs && err >= 0; i += max(err, 0))
		err = map_pieces(chunk, &at, i, readonly);
	if (err >= 0)
		return 0;

	kassign_fail(reason, err,
		     "the IOMMU refused to map guest address 0x%llx (errno %d)",
		     at, -err);
	if (at > gpa)
		iommu_unmap(domain, gpa, at - gpa);
	return err;
}

/* What is known of the chunks that the runs fill */
static int note_runs(struct kassign_chunk *chunk, u64 gpa)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	unsigned int i;
	int err = 0;

	for (i = 0; i < chunk->nr_runs; i++) {
		const struct kassign_run *run = &chunk->runs[i];
		u64 end = gpa + (run->npages << PAGE_SHIFT), at;

		for (at = round_up(gpa, BIT(CHUNK_SHIFT));
		     at + BIT(CHUNK_SHIFT) <= end && !err; at += BIT(CHUNK_SHIFT))
			err = bit_set(&mirror->whole, at, true);
		if (!run->writable)
			for (at = gpa; at < end && !err;
			     at = round_down(at, BIT(CHUNK_SHIFT)) + BIT(CHUNK_SHIFT))
				err = bit_set(&mirror->readonly, at, true);
		gpa = end;
	}
	return err;
}

/* What two regions share stays read-only: better too much of that than too little. */
static void forget_chunk(struct kassign_mirror *mirror, u64 gpa,
			 unsigned long npages)
{
	bit_set(&mirror->whole, gpa, false);
	if (npages == KASSIGN_CHUNK_PAGES)
		bit_set(&mirror->readonly, gpa, false);
}

static void forget_runs(struct kassign_chunk *chunk, u64 gpa)
{
	u64 end = gpa, n;
	unsigned int i;

	for (i = 0; i < chunk->nr_runs; i++)
		end += chunk->runs[i].npages << PAGE_SHIFT;
	for (; gpa < end; gpa += n << PAGE_SHIFT) {
		n = kassign_chunk_len(gpa, (end - gpa) >> PAGE_SHIFT);
		forget_chunk(&chunk->guest->mirror, gpa, n);
	}
}

/* -EAGAIN when the VMM has other pages there by now. */
static int map_batch(struct kassign_chunk *chunk,
		     const struct kassign_region *r, u64 gpa, u64 changes,
		     struct kassign_reason *reason)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	int err = 0;

	read_lock(&mirror->map_lock);
	if (mirror->changes != changes &&
	    !runs_are_current(chunk, r->hva + (gpa - r->gpa)))
		err = -EAGAIN;
	if (!err)
		err = note_runs(chunk, gpa);
	if (!err)
		err = map_runs(chunk, gpa, r->readonly, reason);
	if (err)
		forget_runs(chunk, gpa);
	read_unlock(&mirror->map_lock);
	return err;
}

/* Under map_lock nothing may wait for memory, so it is waited for here. */
static void wait_for_memory(void)
{
	free_page(__get_free_page(GFP_KERNEL | __GFP_NOWARN));
}

static int map_patiently(struct kassign_chunk *chunk,
			 const struct kassign_region *r, u64 gpa, u64 changes,
			 struct kassign_reason *reason)
{
	int tries, err;

	for (tries = 0; ; tries++) {
		err = map_batch(chunk, r, gpa, changes, reason);
		if (err != -ENOMEM || tries == MEMORY_RETRIES)
			return err;
		wait_for_memory();
	}
}

static u64 changes_so_far(struct kassign_mirror *mirror)
{
	u64 changes;

	read_lock(&mirror->map_lock);
	changes = mirror->changes;
	read_unlock(&mirror->map_lock);
	return changes;
}

/**
 * kassign_chunk_map - pin and map some of a region
 * @chunk:  working memory
 * @r:	    region
 * @gpa:    where in the region, at the start of it or of a chunk
 * @npages: how many at most, up to the end of it or of a chunk
 * @reason: out: why not
 *
 * The VMM's address space is current->mm. Any number of these may run at the
 * same time for a guest, for different chunks. Returns the number of pages
 * mapped, which reach to the end of a chunk or of the region, or an errno;
 * -EAGAIN when the VMM changed its memory meanwhile, -ESTALE when its memslots
 * are others than those the region is from.
 */
long kassign_chunk_map(struct kassign_chunk *chunk,
		       const struct kassign_region *r, u64 gpa, u64 npages,
		       struct kassign_reason *reason)
{
	u64 changes = changes_so_far(&chunk->guest->mirror);
	long n = pin_batch(chunk, r, gpa, npages, reason);
	int err;

	if (n < 0)
		return n;
	if (kassign_kvm_backs(chunk->guest->kvm, r, gpa, n))
		err = map_patiently(chunk, r, gpa, changes, reason);
	else
		err = -ESTALE;	/* what is there now may be the VMM's own */
	if (!err)
		return n;
	unpin_runs(chunk);
	return err;
}

/* ---- unmap ---- */

static bool is_whole(struct kassign_mirror *mirror, u64 gpa, unsigned long npages)
{
	return npages == KASSIGN_CHUNK_PAGES && bit_get(&mirror->whole, gpa);
}

/*
 * Where some of a chunk is only to be read, that of a page is not known any more. Memory
 * that nobody writes to a file may be told dirty; else what a device wrote could be lost.
 */
static bool may_be_dirty(unsigned long pfn, bool readonly)
{
	return !readonly || folio_test_swapbacked(page_folio(pfn_to_page(pfn)));
}

/* The physical runs of what a region has of a chunk */
static void look_up(struct kassign_chunk *chunk, u64 gpa, unsigned long npages)
{
	struct iommu_domain *domain = chunk->guest->domain;
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	bool readonly = bit_get(&mirror->readonly, gpa);
	struct kassign_run run = { .npages = 1 };
	unsigned long i;

	if (is_whole(mirror, gpa, npages)) {
		run.pfn = PHYS_PFN(iommu_iova_to_phys(domain, gpa));
		run.npages = npages;
		run.writable = may_be_dirty(run.pfn, readonly);
		run.huge = kassign_pinned_once(run.pfn);
		add_run(chunk, &run);
		return;
	}
	for (i = 0; i < npages; i++) {
		run.pfn = PHYS_PFN(iommu_iova_to_phys(domain,
						      gpa + (i << PAGE_SHIFT)));
		run.writable = may_be_dirty(run.pfn, readonly);
		add_run(chunk, &run);
	}
}

/* Do the runs of another chunk fit in a batch? */
static bool has_room(struct kassign_chunk *chunk, u64 gpa, unsigned long npages,
		     u64 size)
{
	unsigned long most = is_whole(&chunk->guest->mirror, gpa, npages) ?
			     1 : npages;

	return chunk->nr_runs + most <= KASSIGN_CHUNK_PAGES && size < BATCH_SIZE;
}

/*
 * Unmaps from @gpa on what is mapped without a gap, up to a full batch, and leaves
 * its runs to be unpinned. Returns up to where it came.
 */
static u64 unmap_batch(struct kassign_chunk *chunk, u64 gpa, u64 end)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	u64 start = gpa;

	while (gpa < end) {
		unsigned long n = kassign_chunk_len(gpa, (end - gpa) >> PAGE_SHIFT);

		if (!has_room(chunk, gpa, n, gpa - start) ||
		    !kassign_chunk_is_mapped(chunk->guest, gpa))
			break;
		look_up(chunk, gpa, n);
		forget_chunk(mirror, gpa, n);
		gpa += n << PAGE_SHIFT;
	}
	/*
	 * Should the IOMMU not unmap all of it, the pages stay pinned for ever:
	 * better a leak than DMA into freed memory.
	 */
	if (gpa > start &&
	    WARN_ON_ONCE(iommu_unmap(chunk->guest->domain, start, gpa - start) !=
			 gpa - start))
		no_runs(chunk);
	atomic64_sub((gpa - start) >> PAGE_SHIFT, &mirror->mapped);
	return gpa;
}

/**
 * kassign_chunk_unmap - unmap and unpin
 * @chunk:  working memory
 * @gpa:    first address, at the start of a chunk or of a region
 * @npages: how many, to the end of a chunk or of a region; each chunk of it is
 *	    mapped or not
 *
 * Needs no memory, and cannot fail.
 */
void kassign_chunk_unmap(struct kassign_chunk *chunk, u64 gpa, u64 npages)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	u64 end = gpa + (npages << PAGE_SHIFT), to;

	while (gpa < end) {
		no_runs(chunk);
		write_lock(&mirror->map_lock);
		to = unmap_batch(chunk, gpa, end);
		write_unlock(&mirror->map_lock);
		unpin_runs(chunk);
		if (to == gpa)
			to += kassign_chunk_len(gpa, (end - gpa) >> PAGE_SHIFT) <<
			      PAGE_SHIFT;
		gpa = to;
		cond_resched();
	}
}

/* ---- what the MMU notifier does, under map_lock for writing ---- */

/*
 * Does the VMM still have the mapped pages there? One that is being moved is put
 * off: a pinned page cannot be moved, so it comes back, or else is found later.
 */
static bool mapped_is_current(struct kassign_guest *guest, u64 gpa,
			      unsigned long hva, unsigned long npages,
			      bool *moving)
{
	bool whole = bit_get(&guest->mirror.whole, gpa), moves;
	unsigned long i, n, same;

	for (i = 0; i < npages; i += n) {
		u64 at = gpa + (i << PAGE_SHIFT);

		n = whole ? npages - i : 1;
		same = kassign_walk_same(guest->mm, hva + (i << PAGE_SHIFT),
					 PHYS_PFN(iommu_iova_to_phys(guest->domain, at)),
					 n, &moves);
		if (same == n)
			continue;
		if (!moves)
			return false;
		/* It says nothing of those behind it. */
		*moving = true;
		n = same + 1;
	}
	return true;
}

/**
 * kassign_chunk_verify - unmap a chunk if it is not what the VMM has there
 * @chunk:  working memory
 * @r:	    region
 * @gpa:    first address in question
 * @npages: how many, within one chunk
 * @moving: out: to be looked at again soon
 *
 * Under map_lock, for writing; atomic. Returns true if it was unmapped.
 */
bool kassign_chunk_verify(struct kassign_chunk *chunk,
			  const struct kassign_region *r, u64 gpa,
			  unsigned long npages, bool *moving)
{
	u64 start = max(r->gpa, round_down(gpa, BIT(CHUNK_SHIFT)));
	u64 end = min(r->gpa + (r->npages << PAGE_SHIFT),
		      round_down(gpa, BIT(CHUNK_SHIFT)) + BIT(CHUNK_SHIFT));
	unsigned int i;

	*moving = false;
	if (!kassign_chunk_is_mapped(chunk->guest, start) ||
	    mapped_is_current(chunk->guest, gpa, r->hva + (gpa - r->gpa),
			      npages, moving))
		return false;
	no_runs(chunk);
	unmap_batch(chunk, start, end);
	for (i = 0; i < chunk->nr_runs; i++)
		kassign_unpin_atomic(&chunk->runs[i]);
	return true;
}
