// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mirror follows what the VMM does to its memory behind KVM's back: discards,
 * hole punches, munmap, mremap, mprotect.
 *
 * When pages have gone, the MMU notifier compares what is mapped with the VMM's
 * page tables and unmaps, before it returns, what is not the same any more. It
 * does so at the end of a change, not at its beginning: most changes a kernel
 * announces (a huge page is split, write-protected, looked at by KSM) leave the
 * pages where they are, and those cost a device nothing. Until then the pages are
 * pinned, and KVM does not let the guest see others: its own notifier was there
 * first, hence is told last.
 *
 * What was unmapped is then pinned and mapped again, in a work item, if the VMM
 * still has memory there, else at every periodic check.
 *
 * Some changes leave a doubt, which the work item clears by having the pages
 * faulted in again: a pinned page that reclaim or migration takes out of the page
 * tables cannot go, and comes back. So does a change of the VMM's permissions,
 * which cannot be seen without its mmap_lock.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "kassign.h"

#define CHUNK_SIZE	(KASSIGN_CHUNK_PAGES << PAGE_SHIFT)

static void span_add(struct kassign_span *span, u64 start, u64 end)
{
	bool empty = span->start >= span->end;

	span->start = empty ? start : min(span->start, start);
	span->end = empty ? end : max(span->end, end);
}

static u64 region_end(const struct kassign_region *r)
{
	return r->gpa + (r->npages << PAGE_SHIFT);
}

/* The gpas of a region that the VMM has in @hvas */
static struct kassign_span part_by_hva(const struct kassign_region *r,
				       const struct kassign_span *hvas)
{
	u64 start = max(r->hva, hvas->start);
	u64 end = min(r->hva + (r->npages << PAGE_SHIFT), hvas->end);

	if (start >= end)
		return (struct kassign_span) { };
	return (struct kassign_span) { start - r->hva + r->gpa,
				       end - r->hva + r->gpa };
}

static struct kassign_span take_span(struct kassign_mirror *mirror,
				     struct kassign_span *from)
{
	struct kassign_span span;

	write_lock(&mirror->map_lock);
	span = *from;
	*from = (struct kassign_span) { };
	write_unlock(&mirror->map_lock);
	return span;
}

/* ---- what the notifier watches ---- */

static void watch(struct kassign_mirror *mirror, struct kassign_regions *list)
{
	write_lock(&mirror->map_lock);
	swap(mirror->watched, *list);
	mirror->published++;
	write_unlock(&mirror->map_lock);
	kvfree(list->r);
}

/**
 * kassign_follow_publish - let the notifier see mirror->cur
 * @mirror: its lock held
 *
 * Before anything new is mapped. After something was removed it may fail: what is
 * watched and not mapped does no harm, unless a BAR comes there (peer.c).
 */
int kassign_follow_publish(struct kassign_mirror *mirror)
{
	struct kassign_regions copy = { .nr = mirror->cur.nr };

	copy.r = kvmalloc_array(copy.nr, sizeof(*copy.r), GFP_KERNEL_ACCOUNT);
	if (!copy.r)
		return -ENOMEM;
	memcpy(copy.r, mirror->cur.r, copy.nr * sizeof(*copy.r));
	watch(mirror, &copy);
	return 0;
}

/* What two regions have of one chunk may be mapped for one of them only. */
static bool same_state(const struct kassign_region *a,
		       const struct kassign_region *b, void *arg)
{
	u64 chunk = round_down(b->gpa, CHUNK_SIZE);

	return chunk == b->gpa ||
	       kassign_chunk_is_mapped(arg, max(a->gpa, chunk)) ==
	       kassign_chunk_is_mapped(arg, b->gpa);
}

/**
 * kassign_follow_merge - join neighbours in mirror->cur that are one piece of memory
 * @guest: mirror->lock held
 *
 * The notifier sees it from the same moment on: what it unmaps is all that one region
 * has of a chunk. Without memory for that they stay as they are.
 */
void kassign_follow_merge(struct kassign_guest *guest)
{
	struct kassign_mirror *mirror = &guest->mirror;
	struct kassign_regions list = { }, *cur = &mirror->cur;

	list.r = kvmalloc_array(cur->nr, sizeof(*list.r), GFP_KERNEL_ACCOUNT);
	if (!list.r)
		return;
	write_lock(&mirror->map_lock);
	kassign_regions_merge(cur, same_state, guest);
	list.nr = cur->nr;
	memcpy(list.r, cur->r, list.nr * sizeof(*list.r));
	swap(mirror->watched, list);
	mirror->published++;
	write_unlock(&mirror->map_lock);
	kvfree(list.r);
}

/**
 * kassign_follow_nothing - the notifier has nothing to do any more
 * @mirror: its lock held
 *
 * Afterwards it does not start the work item either.
 */
void kassign_follow_nothing(struct kassign_mirror *mirror)
{
	struct kassign_regions none = { };

	watch(mirror, &none);
}

/* ---- pages ---- */

/* Under map_lock, for writing */
static void verify_chunk(struct kassign_guest *guest,
			 const struct kassign_region *r, u64 gpa,
			 unsigned long npages)
{
	struct kassign_mirror *mirror = &guest->mirror;
	u64 chunk = round_down(gpa, CHUNK_SIZE);
	unsigned long hva = gpa - r->gpa + r->hva;
	bool moving, gone;

	mirror->changes++;
	gone = kassign_chunk_verify(mirror->notifier, r, gpa, npages, &moving);
	if (gone) {
		mirror->discards++;
		span_add(&mirror->holes, chunk, chunk + CHUNK_SIZE);
	}
	if (moving)
		span_add(&mirror->doubts, hva, hva + (npages << PAGE_SHIFT));
	if (gone || moving)
		queue_work(kassign_wq, &mirror->follow);
}

/* -EAGAIN when the list of regions has changed */
static int verify_part(struct kassign_guest *guest,
		       const struct kassign_region *r, u64 published,
		       const struct kassign_span *part, bool may_sleep)
{
	struct kassign_mirror *mirror = &guest->mirror;
	u64 gpa = part->start;

	while (gpa < part->end) {
		unsigned long n = kassign_chunk_len(gpa,
						    (part->end - gpa) >> PAGE_SHIFT);
		bool valid;

		write_lock(&mirror->map_lock);
		valid = mirror->published == published;
		if (valid)
			verify_chunk(guest, r, gpa, n);
		write_unlock(&mirror->map_lock);
		if (!valid)
			return -EAGAIN;
		gpa += n << PAGE_SHIFT;
		if (may_sleep)
			cond_resched();
	}
	return 0;
}

static bool get_watched(struct kassign_mirror *mirror, unsigned int i,
			struct kassign_region *r, u64 *published)
{
	bool found;

	read_lock(&mirror->map_lock);
	found = i < mirror->watched.nr;
	if (found)
		*r = mirror->watched.r[i];
	*published = mirror->published;
	read_unlock(&mirror->map_lock);
	return found;
}

/* Unmaps all that is not where the VMM has it now. */
static void verify_pages(struct kassign_guest *guest,
			 const struct kassign_span *hvas, bool may_sleep)
{
	struct kassign_region r;
	u64 published, last = 0;
	unsigned int i = 0;

	for (;;) {
		bool more = get_watched(&guest->mirror, i, &r, &published);
		struct kassign_span part;

		/*
		 * Another list: what has not been looked at may be anywhere in it, or
		 * the list be shorter. Doing it twice does no harm.
		 */
		if (published != last) {
			last = published;
			if (i) {
				i = 0;
				continue;
			}
		}
		if (!more)
			break;
		if (may_sleep)
			kassign_slow("verify_pages");
		part = part_by_hva(&r, hvas);
		if (part.start >= part.end ||
		    !verify_part(guest, &r, published, &part, may_sleep))
			i++;
		if (may_sleep)
			cond_resched();
	}
}

static void doubt(struct kassign_guest *guest, const struct kassign_span *hvas)
{
	struct kassign_mirror *mirror = &guest->mirror;
	unsigned int i;

	write_lock(&mirror->map_lock);
	for (i = 0; i < mirror->watched.nr; i++) {
		struct kassign_span part = part_by_hva(&mirror->watched.r[i], hvas);

		if (part.start >= part.end)
			continue;
		span_add(&mirror->doubts, hvas->start, hvas->end);
		queue_work(kassign_wq, &mirror->follow);
		break;
	}
	write_unlock(&mirror->map_lock);
}

/**
 * kassign_follow_changed - the VMM's memory has changed
 * @mn:	   of a guest
 * @range: where and how
 *
 * The invalidate_range_end of the MMU notifier. In any task, under any lock of
 * the memory management.
 */
void kassign_follow_changed(struct mmu_notifier *mn,
			    const struct mmu_notifier_range *range)
{
	struct kassign_guest *guest = container_of(mn, struct kassign_guest, mn);
	struct kassign_span hvas = { range->start, range->end };

	if (kassign_blind)
		return;
	/* Reclaim: it cannot have what is pinned, though it tries with files. */
	if (current->flags & PF_MEMALLOC) {
		doubt(guest, &hvas);
		return;
	}
	switch (range->event) {
	case MMU_NOTIFY_PROTECTION_PAGE:	/* fork, page_mkclean */
	case MMU_NOTIFY_SOFT_DIRTY:
		break;
	case MMU_NOTIFY_PROTECTION_VMA:
		doubt(guest, &hvas);
		break;
	default:
		verify_pages(guest, &hvas, mmu_notifier_range_blockable(range));
	}
}

/* ---- permissions ---- */

struct access {
	bool read;
	bool write;
};

/* What the VMM may do with all of these pages */
static struct access vmm_access(struct mm_struct *mm, unsigned long start,
				unsigned long end)
{
	struct access may = { true, true };
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	while (start < end && may.read) {
		vma = find_vma(mm, start);
		may.read = vma && vma->vm_start <= start &&
			   (vma->vm_flags & VM_READ);
		if (!may.read)
			break;
		may.write &= !!(vma->vm_flags & VM_WRITE);
		start = vma->vm_end;
	}
	mmap_read_unlock(mm);
	return may;
}

/* Unmaps what of a region's chunk is mapped with other rights than the VMM has. */
static void check_rights(struct kassign_chunk *chunk,
			 const struct kassign_region *r, u64 gpa,
			 unsigned long npages)
{
	struct kassign_guest *guest = chunk->guest;
	unsigned long hva = gpa - r->gpa + r->hva;
	struct access may = vmm_access(guest->mm, hva,
				       hva + (npages << PAGE_SHIFT));

	if (may.read && may.write != kassign_chunk_is_readonly(guest, gpa))
		return;
	kassign_chunk_unmap(chunk, gpa, npages);
	write_lock(&guest->mirror.map_lock);
	span_add(&guest->mirror.holes, gpa, gpa + (npages << PAGE_SHIFT));
	write_unlock(&guest->mirror.map_lock);
}

/* A region's part, widened to what of whole chunks the region has */
static struct kassign_span whole_chunks(const struct kassign_region *r,
					const struct kassign_span *part)
{
	return (struct kassign_span) {
		max(r->gpa, round_down(part->start, CHUNK_SIZE)),
		min(region_end(r), round_up(part->end, CHUNK_SIZE)),
	};
}

/* ---- doubts ---- */

/* Has pages faulted in that the VMM has, but not in its page tables. */
static void fault_in(struct kassign_chunk *chunk, const struct kassign_region *r,
		     u64 gpa, unsigned long npages)
{
	struct kassign_reason reason;
	bool writable;
	long n;

	for (; npages; npages -= n) {
		n = kassign_pin(gpa - r->gpa + r->hva, gpa, npages, chunk->pages,
				&writable, &reason);
		if (n < 0)
			break;
		unpin_user_pages(chunk->pages, n);
		gpa += n << PAGE_SHIFT;
	}
}

/* For each chunk of what the regions have in @hvas, unless all of it ends anyway */
static void visit_chunks(struct kassign_chunk *chunk,
			 const struct kassign_span *hvas,
			 void (*fn)(struct kassign_chunk *chunk,
				    const struct kassign_region *r, u64 gpa,
				    unsigned long npages))
{
	const struct kassign_regions *cur = &chunk->guest->mirror.cur;
	unsigned int i;

	for (i = 0; i < cur->nr; i++) {
		const struct kassign_region *r = &cur->r[i];
		struct kassign_span part = part_by_hva(r, hvas);
		u64 gpa, n;

		if (part.start >= part.end)
			continue;
		part = whole_chunks(r, &part);
		for (gpa = part.start; gpa < part.end; gpa += n << PAGE_SHIFT) {
			if (kassign_mirror_ends(chunk->guest))
				return;
			n = kassign_chunk_len(gpa, (part.end - gpa) >> PAGE_SHIFT);
			fn(chunk, r, gpa, n);
			cond_resched();
		}
	}
}

/**
 * kassign_follow_doubts - look at pages and permissions that may have changed
 * @chunk: working memory
 *
 * In a kernel thread; mirror->lock held, the VMM's users held.
 */
void kassign_follow_doubts(struct kassign_chunk *chunk)
{
	struct kassign_guest *guest = chunk->guest;
	struct kassign_mirror *mirror = &guest->mirror;
	struct kassign_span hvas = take_span(mirror, &mirror->doubts);

	if (hvas.start >= hvas.end)
		return;
	kthread_use_mm(guest->mm);
	visit_chunks(chunk, &hvas, fault_in);
	kthread_unuse_mm(guest->mm);
	verify_pages(guest, &hvas, true);
	visit_chunks(chunk, &hvas, check_rights);
}

/* ---- holes ---- */

static void fill_holes(struct kassign_guest *guest,
		       const struct kassign_span *holes)
{
	struct kassign_mirror *mirror = &guest->mirror;
	unsigned int i;

	for (i = 0; i < mirror->cur.nr; i++) {
		const struct kassign_region *r = &mirror->cur.r[i];
		struct kassign_span part = { max(r->gpa, holes->start),
					     min(region_end(r), holes->end) };

		if (part.start >= part.end)
			continue;
		part = whole_chunks(r, &part);
		if (kassign_fill_region(guest, r, part.start, part.end))
			continue;
		write_lock(&mirror->map_lock);
		span_add(&mirror->holes, part.start, part.end);
		write_unlock(&mirror->map_lock);
	}
}

/**
 * kassign_follow_holes - map again what the notifier has unmapped
 * @guest: mirror->lock held, the VMM's users held
 *
 * What cannot be mapped, since the VMM has nothing there, is tried again at the
 * next call.
 */
void kassign_follow_holes(struct kassign_guest *guest)
{
	struct kassign_mirror *mirror = &guest->mirror;
	struct kassign_span holes = take_span(mirror, &mirror->holes);

	if (holes.start < holes.end)
		fill_holes(guest, &holes);
}

/**
 * kassign_follow_due - is there something for kassign_follow() to do?
 * @mirror: of the guest
 */
bool kassign_follow_due(struct kassign_mirror *mirror)
{
	bool due;

	read_lock(&mirror->map_lock);
	due = mirror->doubts.start < mirror->doubts.end ||
	      mirror->holes.start < mirror->holes.end;
	read_unlock(&mirror->map_lock);
	return due;
}
