// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping a region by several workers at once.
 *
 * Workers are kernel threads that adopt the VMM's address space, so pages that
 * are there are pinned without taking its mmap_lock. Whoever asked waits, and may
 * be interrupted; then all workers stop after the chunk they are at.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "kassign.h"

/* How often a chunk is tried whose memory the VMM changes meanwhile */
#define MOST_TRIES	64

/* What a worker takes at a time: 16 MiB */
#define SHARE_PAGES	(8 * KASSIGN_CHUNK_PAGES)

static unsigned int map_workers;
module_param(map_workers, uint, 0644);
MODULE_PARM_DESC(map_workers,
		 "CPUs that map a guest's memory at once, at most 32; 0: as many as there are, up to 8");

/**
 * struct mapping - one region being mapped
 * @guest:	the guest
 * @region:	what is mapped
 * @fill:	only what of it is not; what cannot be mapped is no failure
 * @holes:	chunks that cannot
 * @next:	first page frame of the gpa that no worker has taken
 * @end:	page frame after the last
 * @running:	workers that have not ended
 * @done:	all have
 * @lock:	@err and @reason
 * @err:	the first failure, 0 for none; all stop then
 * @reason:	of that
 */
struct mapping {
	struct kassign_guest *guest;
	const struct kassign_region *region;
	bool fill;
	atomic64_t holes;
	atomic64_t next;
	u64 end;
	atomic_t running;
	struct completion done;
	spinlock_t lock;	/* @err and @reason */
	int err;
	struct kassign_reason reason;
};

struct map_worker {
	struct work_struct work;
	struct mapping *job;
};

static void stop_mapping(struct mapping *job, int err,
			 const struct kassign_reason *reason)
{
	spin_lock(&job->lock);
	if (!job->err) {
		WRITE_ONCE(job->err, err);
		if (reason)
			job->reason = *reason;
	}
	spin_unlock(&job->lock);
}

/* The next share of the work, up to a chunk's border */
static bool take_share(struct mapping *job, u64 *first, u64 *last)
{
	s64 from = atomic64_read(&job->next);
	s64 to;

	do {
		if (from >= job->end)
			return false;
		to = min_t(u64, job->end,
			   round_down(from + SHARE_PAGES, KASSIGN_CHUNK_PAGES));
	} while (!atomic64_try_cmpxchg(&job->next, &from, to));
	*first = from;
	*last = to;
	return true;
}

/**
 * kassign_mirror_ends - is what is being done for the mirror in vain?
 * @guest: the VMM's users held, once
 *
 * Its last device is being released, or the VMM dies: only we are left to use it.
 */
bool kassign_mirror_ends(struct kassign_guest *guest)
{
	return READ_ONCE(guest->mirror.ending) || READ_ONCE(guest->dead) ||
	       atomic_read(&guest->mm->mm_users) == 1;
}

/* Not while the notifier may unmap it, and free what is read here */
static bool is_mapped(struct kassign_guest *guest, u64 gpa)
{
	bool mapped;

	read_lock(&guest->mirror.map_lock);
	mapped = kassign_chunk_is_mapped(guest, gpa);
	read_unlock(&guest->mirror.map_lock);
	return mapped;
}

/* Why to stop, or 0 */
static int must_stop(struct mapping *job)
{
	if (READ_ONCE(job->err))
		return -EINTR;
	return kassign_mirror_ends(job->guest) ? -ESRCH : 0;
}

/* Tries again, though not for ever, when the VMM has changed its memory meanwhile. */
static long map_calmly(struct mapping *job, struct kassign_chunk *chunk, u64 gpa,
		       u64 npages, struct kassign_reason *reason)
{
	unsigned int tries;
	long done;

	for (tries = 0; tries < MOST_TRIES; tries++) {
		done = kassign_chunk_map(chunk, job->region, gpa, npages, reason);
		if (done != -EAGAIN)
			return done;
		if (must_stop(job))
			return must_stop(job);
		cond_resched();
	}
	return kassign_fail(reason, -EAGAIN,
			    "the VMM changes its memory at guest address 0x%llx all the time",
			    gpa);
}

/* Maps some from @pfn on; returns how many pages there are done with. */
static long map_some(struct mapping *job, struct kassign_chunk *chunk,
		     u64 pfn, u64 end, struct kassign_reason *reason)
{
	struct kassign_guest *guest = job->guest;
	u64 gpa = PFN_PHYS(pfn), n = end - pfn;
	long done;

	if (job->fill) {
		n = kassign_chunk_len(gpa, n);
		if (is_mapped(guest, gpa))
			return n;
	}
	done = map_calmly(job, chunk, gpa, n, reason);
	if (done > 0)
		atomic64_add(done, &guest->mirror.mapped);
	if (done >= 0 || !job->fill)
		return done;
	/* What cannot be filled stays a hole; the rest need not. */
	atomic64_inc(&job->holes);
	return n;
}

static int map_share(struct mapping *job, struct kassign_chunk *chunk,
		     u64 pfn, u64 end, struct kassign_reason *reason)
{
	while (pfn < end) {
		long n = must_stop(job);

		if (n)
			return n;
		n = map_some(job, chunk, pfn, end, reason);
		if (n < 0)
			return n;
		pfn += n;
		if (!job->fill)
			atomic64_sub(n, &job->guest->mirror.todo);
		cond_resched();
	}
	return 0;
}

static void map_work(struct work_struct *work)
{
	struct map_worker *worker = container_of(work, struct map_worker, work);
	struct mapping *job = worker->job;
	struct kassign_reason reason = { };
	struct kassign_chunk *chunk;
	u64 first, last;
	int err = 0;

	chunk = kassign_chunk_alloc(job->guest);
	if (!chunk) {
		err = -ENOMEM;
		goto out;
	}
	kthread_use_mm(job->guest->mm);
	while (!err && !READ_ONCE(job->err) && take_share(job, &first, &last))
		err = map_share(job, chunk, first, last, &reason);
	kthread_unuse_mm(job->guest->mm);
	kvfree(chunk);
out:
	if (err)
		stop_mapping(job, err, &reason);
	/* The last one's complete() ends the life of @job and of all workers. */
	if (atomic_dec_and_test(&job->running))
		complete(&job->done);
}

static unsigned int nr_workers(struct kassign_guest *guest, u64 npages)
{
	unsigned int most = READ_ONCE(guest->mirror.workers);

	if (!most)
		most = READ_ONCE(map_workers);
	if (!most)
		most = min(num_online_cpus(), 8U);
	return clamp_t(u64, DIV_ROUND_UP(npages, SHARE_PAGES), 1,
		       min(most, KASSIGN_MAX_WORKERS));
}

/* Lets the workers run; -EINTR when the caller gets a signal. */
static int run_workers(struct mapping *job, u64 npages)
{
	unsigned int i, nr = nr_workers(job->guest, npages);
	struct map_worker *worker = kcalloc(nr, sizeof(*worker), GFP_KERNEL);

	if (!worker)
		return -ENOMEM;
	spin_lock_init(&job->lock);
	atomic_set(&job->running, nr);
	for (i = 0; i < nr; i++) {
		worker[i].job = job;
		INIT_WORK(&worker[i].work, map_work);
		queue_work(kassign_map_wq, &worker[i].work);
	}
	if (wait_for_completion_interruptible(&job->done)) {
		stop_mapping(job, -EINTR, NULL);
		wait_for_completion(&job->done);
	}
	kfree(worker);
	return job->err;
}

/**
 * kassign_map_region - map a whole region, or nothing of it
 * @chunk:  working memory, for undoing it
 * @r:	    the region, of which nothing is mapped
 * @reason: out: why not
 *
 * Under mirror->lock, the VMM's users held. Returns -EINTR when the caller gets
 * a signal.
 */
int kassign_map_region(struct kassign_chunk *chunk,
		       const struct kassign_region *r,
		       struct kassign_reason *reason)
{
	struct mapping job = {
		.guest = chunk->guest,
		.region = r,
		.next = ATOMIC64_INIT(PHYS_PFN(r->gpa)),
		.end = PHYS_PFN(r->gpa) + r->npages,
		.done = COMPLETION_INITIALIZER_ONSTACK(job.done),
	};
	int err = run_workers(&job, r->npages);

	if (err) {
		kassign_chunk_unmap(chunk, r->gpa, r->npages);
		*reason = job.reason;
	}
	return err;
}

/**
 * kassign_fill_region - map again what the VMM's discards have unmapped
 * @guest:  the guest
 * @r:      a region that was mapped
 * @start:  from this chunk of it on
 * @end:    up to this one
 *
 * Under mirror->lock, the VMM's users held. Returns true when nothing is missing
 * any more; false to be tried again.
 */
bool kassign_fill_region(struct kassign_guest *guest,
			 const struct kassign_region *r, u64 start, u64 end)
{
	struct mapping job = {
		.guest = guest,
		.region = r,
		.fill = true,
		.next = ATOMIC64_INIT(PHYS_PFN(start)),
		.end = PHYS_PFN(end),
		.done = COMPLETION_INITIALIZER_ONSTACK(job.done),
	};

	return !run_workers(&job, job.end - PHYS_PFN(start)) &&
	       !atomic64_read(&job.holes);
}
