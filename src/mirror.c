// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mirror: the guest's memory, as KVM's memslots say, in the IOMMU domain.
 *
 * A sync takes a snapshot of the memslots, compares it with what is mapped and
 * changes only the difference, so a VMM that removes and re-adds all memory at
 * a guest reset costs next to nothing. Removals therefore wait until the
 * memslots have been quiet for one period of the check below, or for a second
 * (the pages stay pinned, so nothing unsafe can happen); where new memory takes
 * the place of old, the old one goes at once.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "kassign.h"

#define CHUNK_SIZE	(KASSIGN_CHUNK_PAGES << PAGE_SHIFT)
#define POLL_PERIOD	msecs_to_jiffies(40)
#define PENDING_MOST	HZ	/* how long a removal may be put off */
#define RETRY_AFTER	HZ	/* when a sync that failed is tried again */
#define SYNC_TRIES	16	/* with memslots that change meanwhile */

static void unmap_range(struct kassign_chunk *chunk, u64 gpa, u64 npages)
{
	struct kassign_reason nothing;

	kassign_chunk_unmap(chunk, gpa, npages);
	kassign_account(chunk->guest, -(long)npages, &nothing);
}

/* Maps a whole region or nothing of it. */
static int map_region(struct kassign_chunk *chunk,
		      const struct kassign_region *r,
		      struct kassign_reason *reason)
{
	int err;

	err = kassign_account(chunk->guest, r->npages, reason);
	if (err)
		return err;
	err = kassign_map_region(chunk, r, reason);
	if (err)
		kassign_account(chunk->guest, -(long)r->npages, reason);
	return err;
}

/* ---- what should be mapped ---- */

/* @all without what the IOMMU has no addresses for */
static int within_aperture(struct kassign_guest *guest,
			   const struct kassign_regions *all,
			   struct kassign_regions *out)
{
	u64 end = guest->domain->geometry.aperture_end + 1;
	struct kassign_region above = {
		.gpa = end,
		.npages = PHYS_PFN(U64_MAX) - PHYS_PFN(end),
	};
	struct kassign_regions beyond = { .r = &above, .nr = end ? 1 : 0 };

	return kassign_regions_subtract(out, all, &beyond, false);
}

/* What of @all can be mapped: nor is it reserved, nor where a BAR is (peer.c) */
static int possible_regions(struct kassign_guest *guest,
			    const struct kassign_regions *all,
			    struct kassign_regions *out)
{
	struct kassign_regions translated = { }, allowed = { };
	struct kassign_mirror *mirror = &guest->mirror;
	int err;

	err = within_aperture(guest, all, &translated);
	if (!err)
		err = kassign_regions_subtract(&allowed, &translated,
					       &mirror->resv, false);
	if (!err)
		err = kassign_regions_subtract(out, &allowed, &mirror->peers,
					       false);
	kassign_regions_free(&translated);
	kassign_regions_free(&allowed);
	return err;
}

/*
 * Memslots as regions, without what no device can be given: our own BARs, other
 * devices' memory, guest_memfd, reserved ranges, what is above the IOMMU's addresses.
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
		err = possible_regions(guest, &all, out);
	for (i = 0; i < all.nr; i++)
		skipped += all.r[i].npages;
	for (i = 0; i < out->nr; i++)
		skipped -= out->r[i].npages;
	kassign_regions_merge(out, NULL, NULL);
	kassign_regions_free(&all);
	WRITE_ONCE(guest->mirror.skipped, skipped);
	return err;
}

/**
 * kassign_mirror_wanted - what should be mapped now
 * @guest: mirror->lock held, in the VMM's address space or with its users held
 * @out:   empty; to be freed, also on failure
 */
int kassign_mirror_wanted(struct kassign_guest *guest,
			  struct kassign_regions *out)
{
	struct kassign_slots *snap;
	int err;

	snap = kassign_kvm_slots(guest->kvm, guest->slot_ids, KASSIGN_MAX_SLOTS);
	if (!snap)
		return -ENOMEM;
	err = wanted_regions(guest, snap, out);
	kvfree(snap);
	return err;
}

/* Memory at addresses that the IOMMU does not translate */
static int refuse_beyond(struct kassign_guest *guest,
			 const struct kassign_slots *snap,
			 struct kassign_reason *reason)
{
	u64 end = guest->domain->geometry.aperture_end;
	unsigned int i;

	for (i = 0; i < snap->nr; i++) {
		const struct kassign_slot *slot = &snap->slot[i];
		u64 top = slot->gpa + (slot->npages << PAGE_SHIFT) - 1;

		if (top > end && !slot->ours &&
		    !kassign_hva_is_mmio(guest->mm, slot->hva))
			return kassign_fail(reason, -ERANGE,
					    "the guest has memory at 0x%llx, the IOMMU translates addresses only up to 0x%llx",
					    top, end);
	}
	return 0;
}

/* Memory that only the guest itself may reach: no device can serve it. */
static int refuse_private(const struct kassign_slots *snap,
			  struct kassign_reason *reason)
{
	unsigned int i;

	for (i = 0; i < snap->nr; i++) {
		const struct kassign_slot *slot = &snap->slot[i];

		if (slot->private)
			return kassign_fail(reason, -EOPNOTSUPP,
					    "guest memory 0x%llx-0x%llx is private to the guest (guest_memfd), no device may reach it",
					    slot->gpa,
					    slot->gpa + (slot->npages << PAGE_SHIFT) - 1);
	}
	return 0;
}

/* ---- changing what is mapped ---- */

/*
 * Unmaps [start, end), widened to whole chunks within each region it touches:
 * an IOMMU page may cover that much. What is still wanted is mapped again.
 */
static int remove_range(struct kassign_chunk *chunk, u64 start, u64 end)
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

/**
 * kassign_mirror_put_off - have a removal wait for a quiet moment
 * @mirror: its lock held
 *
 * Until the memslots have not changed for one period, or a second.
 */
void kassign_mirror_put_off(struct kassign_mirror *mirror)
{
	if (!mirror->pending)
		mirror->pending_since = jiffies;
	mirror->pending = true;
}

/*
 * Removes what is mapped but not wanted. Unless @now, only what is in the way
 * of something wanted; the rest is left pending.
 */
static int remove_unwanted(struct kassign_chunk *chunk,
			   const struct kassign_regions *want, bool now,
			   bool *changed)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	struct kassign_regions gone = { };
	bool pending = false;
	unsigned int i;
	int err;

	err = kassign_regions_subtract(&gone, &mirror->cur, want, true);
	for (i = 0; i < gone.nr && !err; i++) {
		u64 start = gone.r[i].gpa;
		u64 end = start + (gone.r[i].npages << PAGE_SHIFT);

		if (!now && !kassign_regions_find(want, start, end)) {
			pending = true;
			continue;
		}
		*changed = true;
		err = remove_range(chunk, start, end);
	}
	/* Once for all of them: whoever goes through the list begins anew each time. */
	if (*changed)
		kassign_follow_publish(mirror);
	if (pending || err)
		kassign_mirror_put_off(mirror);	/* the next check tries again */
	else
		mirror->pending = false;
	kassign_regions_free(&gone);
	return err;
}

static int add_region(struct kassign_chunk *chunk, const struct kassign_region *r,
		      struct kassign_reason *reason)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	int err;

	/* Listed first, so that a mapped page is never unlisted. */
	err = kassign_regions_add(&mirror->cur, r);
	if (err)
		return err;
	err = kassign_follow_publish(mirror);
	if (!err)
		err = map_region(chunk, r, reason);
	if (err)
		kassign_regions_del(&mirror->cur, r->gpa);
	return err;
}

/* Where the VMM has nothing it goes on with the others; that is told all the same. */
static int add_missing(struct kassign_chunk *chunk,
		       const struct kassign_regions *want, bool *changed,
		       struct kassign_reason *reason)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	struct kassign_regions missing = { };
	int err, absent = 0;
	unsigned int i;
	u64 todo = 0;

	err = kassign_regions_subtract(&missing, want, &mirror->cur, false);
	for (i = 0; i < missing.nr; i++)
		todo += missing.r[i].npages;
	atomic64_set(&mirror->todo, todo);
	for (i = 0; i < missing.nr && !err; i++) {
		*changed = true;
		err = add_region(chunk, &missing.r[i], reason);
		if (err == -EFAULT) {
			absent = err;
			err = 0;
		}
	}
	atomic64_set(&mirror->todo, 0);
	if (missing.nr)
		kassign_follow_merge(chunk->guest);
	kassign_regions_free(&missing);
	return err ? err : absent;
}

static int sync_to(struct kassign_chunk *chunk,
		   const struct kassign_slots *snap, bool now,
		   struct kassign_reason *reason)
{
	struct kassign_mirror *mirror = &chunk->guest->mirror;
	struct kassign_regions want = { };
	bool changed = false;
	int err;

	err = wanted_regions(chunk->guest, snap, &want);
	if (!err)
		err = remove_unwanted(chunk, &want, now, &changed);
	if (!err)
		err = add_missing(chunk, &want, &changed, reason);
	if (!err)
		WRITE_ONCE(mirror->generation, snap->generation);
	if (changed)
		WRITE_ONCE(mirror->syncs, mirror->syncs + 1);
	kassign_regions_free(&want);
	return err;
}

/* -ESTALE when the memslots have changed meanwhile */
static int sync_once(struct kassign_chunk *chunk, bool first, bool now,
		     struct kassign_reason *reason)
{
	struct kassign_guest *guest = chunk->guest;
	struct kassign_slots *snap;
	int err;

	snap = kassign_kvm_slots(guest->kvm, guest->slot_ids, KASSIGN_MAX_SLOTS);
	if (!snap)
		return -ENOMEM;
	err = first ? refuse_private(snap, reason) : 0;
	if (!err && first)
		err = refuse_beyond(guest, snap, reason);
	if (!err)
		err = sync_to(chunk, snap, now, reason);
	kvfree(snap);
	return err;
}

/*
 * Under mirror->lock, a domain attached. At the @first sync memory that no device
 * can be given is a reason to refuse; what comes later is left out.
 */
static int sync_locked(struct kassign_guest *guest, bool first, bool now,
		       struct kassign_reason *reason)
{
	struct kassign_mirror *mirror = &guest->mirror;
	struct kassign_chunk *chunk;
	int err = -ENOMEM, tries;

	if (!mmget_not_zero(guest->mm))
		return kassign_fail(reason, -ESRCH, "the VMM has exited");
	chunk = kassign_chunk_alloc(guest);
	for (tries = 0; chunk && tries < SYNC_TRIES; tries++) {
		err = sync_once(chunk, first, now, reason);
		if (err != -ESTALE)
			break;
		cond_resched();
	}
	if (err == -ESTALE)
		err = kassign_fail(reason, -EAGAIN,
				   "the VMM changes the guest's memory slots all the time");
	if (!err || err == -EFAULT)
		kassign_follow_holes(guest);
	mirror->retry_at = jiffies + RETRY_AFTER;
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
		err = sync_locked(guest, false, now, reason);
	mutex_unlock(&mirror->lock);
	return err;
}

/* @quiet: the memslots did not change since the last look, so a burst is over. */
static bool removals_are_due(struct kassign_mirror *mirror, bool quiet)
{
	return mirror->pending &&
	       (quiet || time_after(jiffies, mirror->pending_since + PENDING_MOST));
}

/*
 * The net under VMMs that tell nobody: look at the memslot generation. A sync that
 * fails is told, and tried again at the next change and every second.
 */
static int look_at_memslots(struct kassign_guest *guest,
			    struct kassign_reason *reason)
{
	struct kassign_mirror *mirror = &guest->mirror;
	u64 generation = kassign_kvm_generation(guest->kvm);
	bool quiet = generation == mirror->last_seen;
	int err = 0;

	mirror->last_seen = generation;
	if (kassign_follow_due(mirror))
		queue_work(kassign_wq, &mirror->follow);
	if (removals_are_due(mirror, quiet))
		err = sync_locked(guest, false, true, reason);
	else if (generation != mirror->generation &&
		 (!quiet || time_after(jiffies, mirror->retry_at)))
		err = sync_locked(guest, false, false, reason);
	if (!quiet)
		kassign_mirror_put_off(mirror);
	return err;
}

void kassign_mirror_poll(struct work_struct *work)
{
	struct kassign_mirror *mirror =
		container_of(to_delayed_work(work), struct kassign_mirror, poll);
	struct kassign_guest *guest =
		container_of(mirror, struct kassign_guest, mirror);
	struct kassign_reason reason = { };
	int err = 0;

	mutex_lock(&mirror->lock);
	if (!mirror->active)
		goto out;
	if (!kassign_blind)
		err = look_at_memslots(guest, &reason);
	if (err && err != -ESRCH)
		pr_warn_ratelimited("kassign: guest %u: memory map is behind (errno %d): %s\n",
				    guest->id, -err, reason.text);
	queue_delayed_work(kassign_wq, &mirror->poll, POLL_PERIOD);
out:
	mutex_unlock(&mirror->lock);
}

/* Soon after the MMU notifier has unmapped something */
void kassign_mirror_follow(struct work_struct *work)
{
	struct kassign_mirror *mirror =
		container_of(work, struct kassign_mirror, follow);
	struct kassign_guest *guest =
		container_of(mirror, struct kassign_guest, mirror);
	struct kassign_chunk *chunk = NULL;

	mutex_lock(&mirror->lock);
	if (mirror->active && mmget_not_zero(guest->mm)) {
		chunk = kassign_chunk_alloc(guest);
		if (chunk)	/* else the periodic check comes back to it */
			kassign_follow_doubts(chunk);
		kassign_follow_holes(guest);
		kvfree(chunk);
		mmput_async(guest->mm);
	}
	mutex_unlock(&mirror->lock);
}

void kassign_mirror_init(struct kassign_mirror *mirror)
{
	mutex_init(&mirror->lock);
	rwlock_init(&mirror->map_lock);
	xa_init(&mirror->whole);
	xa_init(&mirror->readonly);
	INIT_DELAYED_WORK(&mirror->poll, kassign_mirror_poll);
	INIT_WORK(&mirror->follow, kassign_mirror_follow);
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
	struct kassign_region r = { .gpa = round_down(start, PAGE_SIZE) };
	struct kassign_regions want = { .r = &r, .nr = 1 }, missing = { };
	struct kassign_mirror *mirror = &guest->mirror;
	unsigned int i;
	int err;

	r.npages = (round_up(start + length, PAGE_SIZE) - r.gpa) >> PAGE_SHIFT;
	mutex_lock(&mirror->lock);
	err = kassign_regions_subtract(&missing, &want, &mirror->resv, false);
	for (i = 0; i < missing.nr && !err; i++)
		err = kassign_regions_add(&mirror->resv, &missing.r[i]);
	mutex_unlock(&mirror->lock);
	kassign_regions_free(&missing);
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
	mirror->ending = false;
	mirror->active = true;
	mirror->notifier = kassign_chunk_alloc(guest);
	err = mirror->notifier ? sync_locked(guest, true, true, reason) : -ENOMEM;
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
	struct kassign_chunk *chunk;
	unsigned int i;

	WRITE_ONCE(mirror->ending, true);
	mutex_lock(&mirror->lock);
	mirror->active = false;
	kassign_follow_nothing(mirror);
	mutex_unlock(&mirror->lock);
	cancel_delayed_work_sync(&mirror->poll);
	cancel_work_sync(&mirror->follow);

	mutex_lock(&mirror->lock);
	chunk = kassign_chunk_get(guest);
	for (i = 0; i < mirror->cur.nr; i++)
		unmap_range(chunk, mirror->cur.r[i].gpa,
			    mirror->cur.r[i].npages);
	kassign_chunk_put(chunk);
	kassign_regions_free(&mirror->cur);
	kassign_regions_free(&mirror->resv);
	kassign_regions_free(&mirror->peers);
	xa_destroy(&mirror->whole);
	xa_destroy(&mirror->readonly);
	kvfree(mirror->notifier);
	mirror->notifier = NULL;
	mirror->holes = (struct kassign_span) { };
	mirror->doubts = (struct kassign_span) { };
	mirror->generation = 0;
	mutex_unlock(&mirror->lock);
}
