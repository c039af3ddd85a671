// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mirror: the guest's memory, as KVM's memslots say, in the IOMMU domain.
 *
 * A sync takes a snapshot of the memslots, compares it with what is mapped and
 * changes only the difference, so a VMM that removes and re-adds all memory at
 * a guest reset costs next to nothing. Removals therefore wait until the
 * memslots have been quiet for one period of the check below (the pages stay
 * pinned, so nothing unsafe can happen); where new memory takes the place of
 * old, the old one goes at once.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "kassign.h"

#define CHUNK_PAGES	512UL			/* 2 MiB */
#define CHUNK_SIZE	(CHUNK_PAGES << PAGE_SHIFT)
#define POLL_PERIOD	msecs_to_jiffies(40)

/* A physically contiguous run of pages */
struct run {
	unsigned long pfn;
	unsigned long npages;
};

/* Working memory of one operation: a chunk's pages or its runs */
struct chunk {
	struct kassign_guest *guest;
	struct kassign_reason *reason;
	struct page *pages[CHUNK_PAGES];
	struct run runs[CHUNK_PAGES];
	unsigned int nr_runs;
};

static struct chunk *chunk_alloc(struct kassign_guest *guest,
				 struct kassign_reason *reason)
{
	struct chunk *chunk = kvzalloc(sizeof(*chunk), GFP_KERNEL);

	if (chunk) {
		chunk->guest = guest;
		chunk->reason = reason;
	}
	return chunk;
}

/*
 * A release must not fail for want of memory: with none to be had, it takes
 * turns at this one.
 */
static struct chunk spare_chunk;
static DEFINE_MUTEX(spare_lock);

static struct chunk *chunk_get(struct kassign_guest *guest,
			       struct kassign_reason *reason)
{
	struct chunk *chunk = chunk_alloc(guest, reason);

	if (chunk)
		return chunk;
	mutex_lock(&spare_lock);
	spare_chunk.guest = guest;
	spare_chunk.reason = reason;
	return &spare_chunk;
}

static void chunk_put(struct chunk *chunk)
{
	if (chunk == &spare_chunk)
		mutex_unlock(&spare_lock);
	else
		kvfree(chunk);
}

static void chunk_add_page(struct chunk *chunk, unsigned long pfn)
{
	struct run *last = chunk->runs + chunk->nr_runs;

	if (chunk->nr_runs && last[-1].pfn + last[-1].npages == pfn) {
		last[-1].npages++;
		return;
	}
	*last = (struct run) { pfn, 1 };
	chunk->nr_runs++;
}

static void chunk_unpin(struct chunk *chunk)
{
	unsigned int i;

	for (i = 0; i < chunk->nr_runs; i++)
		kassign_unpin(chunk->runs[i].pfn, chunk->runs[i].npages);
}

/* Pages from @gpa to the next 2 MiB boundary, at most @npages */
static unsigned long chunk_len(u64 gpa, u64 npages)
{
	unsigned long left = CHUNK_PAGES - ((gpa >> PAGE_SHIFT) % CHUNK_PAGES);

	return min_t(u64, npages, left);
}

/*
 * Takes a mapped chunk out of the IOMMU and unpins it. The domain itself
 * remembers which page is where. Should the IOMMU not unmap all of it, the
 * pages stay pinned for ever: better a leak than DMA into freed memory.
 */
static void chunk_unmap(struct chunk *chunk, u64 gpa, unsigned long npages)
{
	struct iommu_domain *domain = chunk->guest->domain;
	size_t size = npages << PAGE_SHIFT;
	unsigned long i;

	chunk->nr_runs = 0;
	for (i = 0; i < npages; i++)
		chunk_add_page(chunk,
			       iommu_iova_to_phys(domain, gpa + (i << PAGE_SHIFT)) >>
			       PAGE_SHIFT);
	if (WARN_ON_ONCE(iommu_unmap(domain, gpa, size) != size))
		return;
	chunk_unpin(chunk);
}

/* Maps the pinned runs; on failure nothing of the chunk stays mapped. */
static int chunk_iommu_map(struct chunk *chunk, u64 gpa, int prot)
{
	struct iommu_domain *domain = chunk->guest->domain;
	u64 at = gpa;
	unsigned int i;
	int err;

	for (i = 0; i < chunk->nr_runs; i++) {
		struct run *run = &chunk->runs[i];

		err = kassign_iommu_map(domain, at, PFN_PHYS(run->pfn),
					run->npages << PAGE_SHIFT, prot);
		if (err)
			goto err_unmap;
		at += run->npages << PAGE_SHIFT;
	}
	return 0;

err_unmap:
	kassign_fail(chunk->reason, err,
		     "the IOMMU refused to map guest address 0x%llx (errno %d)",
		     at, -err);
	if (at > gpa)
		iommu_unmap(domain, gpa, at - gpa);
	return err;
}

static int chunk_map(struct chunk *chunk, const struct kassign_region *r,
		     u64 gpa, unsigned long npages)
{
	int prot = IOMMU_READ | IOMMU_CACHE | (r->readonly ? 0 : IOMMU_WRITE);
	unsigned long i;
	long pinned;
	int err;

	pinned = kassign_pin(chunk->guest->mm, r->hva + (gpa - r->gpa), npages,
			     chunk->pages, chunk->reason);
	if (pinned < 0)
		return pinned;
	chunk->nr_runs = 0;
	for (i = 0; i < npages; i++)
		chunk_add_page(chunk, page_to_pfn(chunk->pages[i]));
	err = chunk_iommu_map(chunk, gpa, prot);
	if (err)
		chunk_unpin(chunk);
	return err;
}

static void count_mapped(struct kassign_mirror *mirror, long npages)
{
	WRITE_ONCE(mirror->mapped, mirror->mapped + npages);
}

static void unmap_range(struct chunk *chunk, u64 gpa, u64 npages)
{
	u64 end = gpa + (npages << PAGE_SHIFT);
	u64 total = npages;

	while (gpa < end) {
		unsigned long n = chunk_len(gpa, (end - gpa) >> PAGE_SHIFT);

		chunk_unmap(chunk, gpa, n);
		count_mapped(&chunk->guest->mirror, -(long)n);
		gpa += n << PAGE_SHIFT;
		cond_resched();
	}
	kassign_account(chunk->guest, -(long)total, chunk->reason);
}

/* Why a long mapping must stop: somebody wants it, or the VMM is dying. */
static int interrupted(struct kassign_guest *guest)
{
	if (signal_pending(current))
		return -EINTR;
	if (READ_ONCE(guest->dead) || atomic_read(&guest->mm->mm_users) == 1)
		return -ESRCH;
	return 0;
}

/* Maps a whole region or nothing of it. */
static int map_region(struct chunk *chunk, const struct kassign_region *r)
{
	struct kassign_guest *guest = chunk->guest;
	struct kassign_mirror *mirror = &guest->mirror;
	u64 done = 0;
	int err;

	err = kassign_account(guest, r->npages, chunk->reason);
	if (err)
		return err;
	while (done < r->npages) {
		u64 gpa = r->gpa + (done << PAGE_SHIFT);
		unsigned long n = chunk_len(gpa, r->npages - done);

		err = interrupted(guest);
		if (!err)
			err = chunk_map(chunk, r, gpa, n);
		if (err)
			goto err_unmap;
		done += n;
		count_mapped(mirror, n);
		WRITE_ONCE(mirror->todo, mirror->todo - n);
		cond_resched();
	}
	return 0;

err_unmap:
	unmap_range(chunk, r->gpa, done);
	kassign_account(guest, -(long)(r->npages - done), chunk->reason);
	return err;
}

/* ---- what should be mapped ---- */

/*
 * Memslots as regions, without what no device can be given: our own BARs, other
 * devices' memory, guest_memfd, reserved ranges.
 */
static int wanted_regions(struct kassign_guest *guest,
			  const struct kassign_slots *snap,
			  struct kassign_regions *out)
{
	struct kassign_regions all = { };
	u64 skipped = 0;
	unsigned int i;
	int err = 0;

	for (i = 0; i < snap->nr && !err; i++) {
		const struct kassign_slot *slot = &snap->slot[i];
		struct kassign_region r = {
			.gpa = slot->gpa,
			.hva = slot->hva,
			.npages = slot->npages,
			.readonly = slot->readonly,
		};

		if (slot->ours)
			continue;
		if (slot->private || kassign_hva_is_mmio(guest->mm, slot->hva))
			skipped += slot->npages;
		else
			err = kassign_regions_add(&all, &r);
	}
	if (!err)
		err = kassign_regions_subtract(out, &all, &guest->mirror.resv,
					       false);
	for (i = 0; i < all.nr; i++)
		skipped += all.r[i].npages;
	for (i = 0; i < out->nr; i++)
		skipped -= out->r[i].npages;
	kassign_regions_merge(out);
	kassign_regions_free(&all);
	WRITE_ONCE(guest->mirror.skipped, skipped);
	return err;
}

static int check_width(struct kassign_guest *guest,
		       const struct kassign_regions *want,
		       struct kassign_reason *reason)
{
	const struct kassign_region *last;
	u64 top;

	if (!want->nr)
		return 0;
	last = &want->r[want->nr - 1];
	top = last->gpa + (last->npages << PAGE_SHIFT) - 1;
	if (top <= guest->domain->geometry.aperture_end)
		return 0;
	return kassign_fail(reason, -ERANGE,
			    "the guest has memory at 0x%llx, the IOMMU translates addresses only up to 0x%llx",
			    top, (u64)guest->domain->geometry.aperture_end);
}

/* ---- changing what is mapped ---- */

/*
 * Unmaps [start, end), widened to whole chunks within each region it touches:
 * an IOMMU page may cover that much. What is still wanted is mapped again.
 */
static int remove_range(struct chunk *chunk, u64 start, u64 end)
{
	struct kassign_regions *cur = &chunk->guest->mirror.cur;
	const struct kassign_region *r;
	u64 from, to;
	int err;

	while ((r = kassign_regions_find(cur, start, end))) {
		from = max(r->gpa, round_down(start, CHUNK_SIZE));
		to = min(r->gpa + (r->npages << PAGE_SHIFT),
			 round_up(end, CHUNK_SIZE));
		err = kassign_regions_cut(cur, from, to);
		if (err)
			return err;
		unmap_range(chunk, from, (to - from) >> PAGE_SHIFT);
	}
	return 0;
}

/*
 * Removes what is mapped but not wanted. Unless @now, only what is in the way
 * of something wanted; the rest is left pending.
 */
static int remove_unwanted(struct chunk *chunk,
			   const struct kassign_regions *want, bool now,
			   bool *changed)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	struct kassign_regions gone = { };
	unsigned int i;
	int err;

	mirror->pending = false;
	err = kassign_regions_subtract(&gone, &mirror->cur, want, true);
	for (i = 0; i < gone.nr && !err; i++) {
		u64 start = gone.r[i].gpa;
		u64 end = start + (gone.r[i].npages << PAGE_SHIFT);

		if (!now && !kassign_regions_find(want, start, end)) {
			mirror->pending = true;
			continue;
		}
		*changed = true;
		err = remove_range(chunk, start, end);
	}
	if (err)
		mirror->pending = true;		/* the next check tries again */
	kassign_regions_free(&gone);
	return err;
}

static int add_missing(struct chunk *chunk, const struct kassign_regions *want,
		       bool *changed)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	struct kassign_regions missing = { };
	unsigned int i;
	u64 todo = 0;
	int err;

	err = kassign_regions_subtract(&missing, want, &mirror->cur, false);
	for (i = 0; i < missing.nr; i++)
		todo += missing.r[i].npages;
	WRITE_ONCE(mirror->todo, todo);
	for (i = 0; i < missing.nr && !err; i++) {
		*changed = true;
		/* Listed first, so that a mapped page is never unlisted. */
		err = kassign_regions_add(&mirror->cur, &missing.r[i]);
		if (err)
			break;
		err = map_region(chunk, &missing.r[i]);
		if (err)
			kassign_regions_del(&mirror->cur, missing.r[i].gpa);
	}
	WRITE_ONCE(mirror->todo, 0);
	kassign_regions_merge(&mirror->cur);
	kassign_regions_free(&missing);
	return err;
}

static int sync_to(struct chunk *chunk, const struct kassign_slots *snap,
		   bool now)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	struct kassign_regions want = { };
	bool changed = false;
	int err;

	err = wanted_regions(chunk->guest, snap, &want);
	if (!err)
		err = check_width(chunk->guest, &want, chunk->reason);
	if (!err)
		err = remove_unwanted(chunk, &want, now, &changed);
	if (!err)
		err = add_missing(chunk, &want, &changed);
	if (!err)
		WRITE_ONCE(mirror->generation, snap->generation);
	if (changed)
		WRITE_ONCE(mirror->syncs, mirror->syncs + 1);
	kassign_regions_free(&want);
	return err;
}

/* Under mirror->lock, a domain attached. */
static int sync_locked(struct kassign_guest *guest, bool now,
		       struct kassign_reason *reason)
{
	struct kassign_slots *snap;
	struct chunk *chunk;
	int err = -ENOMEM;

	if (!mmget_not_zero(guest->mm))
		return kassign_fail(reason, -ESRCH, "the VMM has exited");
	chunk = chunk_alloc(guest, reason);
	snap = kassign_kvm_slots(guest->kvm, guest->slot_ids, KASSIGN_MAX_SLOTS);
	if (chunk && snap)
		err = sync_to(chunk, snap, now);
	kvfree(snap);
	kvfree(chunk);
	mmput_async(guest->mm);
	return err;
}

/**
 * kassign_mirror_sync - make the domain follow the memslots
 * @guest:  the guest
 * @now:    also unmap slots that have vanished, without waiting
 * @reason: out: why not
 *
 * Returns 0 when there is no device, hence nothing to follow.
 */
int kassign_mirror_sync(struct kassign_guest *guest, bool now,
			struct kassign_reason *reason)
{
	struct kassign_mirror *mirror = &guest->mirror;
	int err = 0;

	if (mutex_lock_killable(&mirror->lock))
		return -EINTR;
	if (mirror->active)
		err = sync_locked(guest, now, reason);
	mutex_unlock(&mirror->lock);
	return err;
}

/*
 * The net under VMMs that tell nobody: look at the memslot generation. When it
 * did not move since the last look, the burst is over and removals are due.
 */
static void mirror_poll(struct work_struct *work)
{
	struct kassign_mirror *mirror =
		container_of(to_delayed_work(work), struct kassign_mirror, poll);
	struct kassign_guest *guest =
		container_of(mirror, struct kassign_guest, mirror);
	struct kassign_reason reason = { };
	u64 generation;
	int err = 0;

	mutex_lock(&mirror->lock);
	if (!mirror->active)
		goto out;
	generation = kassign_kvm_generation(guest->kvm);
	if (generation == mirror->last_seen) {
		if (mirror->pending)
			err = sync_locked(guest, true, &reason);
	} else {
		/* One that fails is reported once, and tried again at the next change. */
		if (generation != mirror->generation)
			err = sync_locked(guest, false, &reason);
		mirror->pending = true;
		mirror->last_seen = generation;
	}
	if (err && err != -ESRCH)
		pr_warn_ratelimited("kassign: guest %u: memory map is behind (errno %d): %s\n",
				    guest->id, -err, reason.text);
	queue_delayed_work(kassign_wq, &mirror->poll, POLL_PERIOD);
out:
	mutex_unlock(&mirror->lock);
}

void kassign_mirror_init(struct kassign_mirror *mirror)
{
	mutex_init(&mirror->lock);
	INIT_DELAYED_WORK(&mirror->poll, mirror_poll);
}

/**
 * kassign_mirror_reserve - keep a range out of the mirror
 * @guest:  the guest
 * @start:  first byte
 * @length: bytes
 *
 * Takes effect at the next sync.
 */
int kassign_mirror_reserve(struct kassign_guest *guest, u64 start, u64 length)
{
	struct kassign_mirror *mirror = &guest->mirror;
	struct kassign_region r = { .gpa = round_down(start, PAGE_SIZE) };
	int err = 0;

	r.npages = (round_up(start + length, PAGE_SIZE) - r.gpa) >> PAGE_SHIFT;
	mutex_lock(&mirror->lock);
	if (!kassign_regions_find(&mirror->resv, start, start + length))
		err = kassign_regions_add(&mirror->resv, &r);
	mutex_unlock(&mirror->lock);
	return err;
}

/**
 * kassign_mirror_start - map everything for the first time
 * @guest:  has a domain with its first group attached; guest->lock held
 * @reason: out: why not
 */
int kassign_mirror_start(struct kassign_guest *guest,
			 struct kassign_reason *reason)
{
	struct kassign_mirror *mirror = &guest->mirror;
	int err;

	if (mutex_lock_killable(&mirror->lock))
		return -EINTR;
	mirror->active = true;
	err = sync_locked(guest, true, reason);
	mirror->last_seen = mirror->generation;
	if (!err)
		queue_delayed_work(kassign_wq, &mirror->poll, POLL_PERIOD);
	mutex_unlock(&mirror->lock);
	return err;
}

/**
 * kassign_mirror_stop - unmap and unpin everything
 * @guest: no group is attached to its domain any more; guest->lock held
 */
void kassign_mirror_stop(struct kassign_guest *guest)
{
	struct kassign_mirror *mirror = &guest->mirror;
	struct kassign_reason reason = { };
	struct chunk *chunk;
	unsigned int i;

	mutex_lock(&mirror->lock);
	mirror->active = false;
	mutex_unlock(&mirror->lock);
	cancel_delayed_work_sync(&mirror->poll);

	mutex_lock(&mirror->lock);
	chunk = chunk_get(guest, &reason);
	for (i = 0; i < mirror->cur.nr; i++)
		unmap_range(chunk, mirror->cur.r[i].gpa,
			    mirror->cur.r[i].npages);
	chunk_put(chunk);
	kassign_regions_free(&mirror->cur);
	kassign_regions_free(&mirror->resv);
	mirror->generation = 0;
	mutex_unlock(&mirror->lock);
}
