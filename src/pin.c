// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of the VMM: pinning, unpinning, accounting.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>

#include "kassign.h"

/**
 * kassign_hva_is_mmio - is this address a device's memory, not RAM?
 * @mm:  the VMM's address space, its users held
 * @hva: address in it
 */
bool kassign_hva_is_mmio(struct mm_struct *mm, unsigned long hva)
{
	struct vm_area_struct *vma;
	bool mmio;

	mmap_read_lock(mm);
	vma = find_vma(mm, hva);
	mmio = vma && vma->vm_start <= hva &&
	       (vma->vm_flags & (VM_IO | VM_PFNMAP));
	mmap_read_unlock(mm);
	return mmio;
}

/*
 * Pages from @addr on that nobody may write to, a ROM for example, at most
 * @npages: they cannot be pinned for writing. 0 if it is not such memory.
 */
static unsigned long readonly_pages(unsigned long addr, unsigned long npages)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned long n = 0;

	mmap_read_lock(mm);
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start <= addr && !(vma->vm_flags & VM_WRITE))
		n = min(npages, (vma->vm_end - addr) >> PAGE_SHIFT);
	mmap_read_unlock(mm);
	return n;
}

/*
 * Pins as many of @npages as it can from @addr on, all for writing or, where the
 * VMM itself may not write, all for reading only.
 */
static long pin_some(unsigned long addr, unsigned long npages,
		     struct page **pages, bool *writable)
{
	long n = pin_user_pages_fast(addr, npages, FOLL_LONGTERM | FOLL_WRITE,
				     pages);

	*writable = n != -EFAULT;
	if (*writable)
		return n;
	npages = readonly_pages(addr, npages);
	return npages ? pin_user_pages_fast(addr, npages, FOLL_LONGTERM, pages) :
			-EFAULT;
}

/* Under mmap_lock */
static int explain_vma(const struct vm_area_struct *vma, u64 gpa,
		       unsigned long hva, long err, struct kassign_reason *reason)
{
	const struct file *file = vma->vm_file;

	if (!(vma->vm_flags & VM_READ))
		return kassign_fail(reason, err,
				    "guest memory at 0x%llx: the VMM itself may not read it (0x%lx)",
				    gpa, hva);
	if (file && err == -EFAULT)
		return kassign_fail(reason, err,
				    "guest memory at 0x%llx is the file %pD (%s), whose pages may not be pinned for long; use anonymous memory, memfd, tmpfs or hugetlbfs",
				    gpa, file, file_inode(file)->i_sb->s_type->name);
	return kassign_fail(reason, err,
			    "guest memory at 0x%llx (0x%lx in the VMM) cannot be pinned for a device (errno %ld)",
			    gpa, hva, -err);
}

static int explain_pin(u64 gpa, unsigned long hva, long err,
		       struct kassign_reason *reason)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	if (err == -ENOMEM)
		return kassign_fail(reason, err,
				    "no memory left for the guest's memory at 0x%llx",
				    gpa);
	mmap_read_lock(mm);
	vma = find_vma(mm, hva);
	if (vma && vma->vm_start <= hva)
		explain_vma(vma, gpa, hva, err, reason);
	else
		kassign_fail(reason, err,
			     "guest memory at 0x%llx: the VMM has nothing at 0x%lx",
			     gpa, hva);
	mmap_read_unlock(mm);
	return err;
}

/**
 * kassign_pin - pin pages for as long as a device may reach them
 * @hva:      first address, in current->mm, the VMM's
 * @gpa:      the guest's address of it, for a person
 * @npages:   how many at most
 * @pages:    out: the pages
 * @writable: out: a device may write to them; else the VMM itself may not
 * @reason:   out: why not
 *
 * For writing where the mapping allows it, also for read-only slots: a read pin
 * of private memory is lost at the next copy-on-write on older kernels. May
 * sleep; no locks of ours that a notifier takes may be held.
 * Returns how many were pinned, at least one, or a negative errno.
 */
long kassign_pin(unsigned long hva, u64 gpa, unsigned long npages,
		 struct page **pages, bool *writable,
		 struct kassign_reason *reason)
{
	long n = pin_some(hva, npages, pages, writable);

	/* 7.2 answers 0 to flags it does not like */
	return n > 0 ? n : explain_pin(gpa, hva, n ?: -EFAULT, reason);
}

/**
 * kassign_pinned_once - is one pin enough for the chunk that starts here?
 * @pfn: its first page, of 2 MiB that are physically contiguous and pinned
 *
 * A pin of any page of a huge one keeps all of it: it is neither freed, nor
 * moved, nor split, so this stays true until it is unpinned.
 */
bool kassign_pinned_once(unsigned long pfn)
{
	return IS_ALIGNED(pfn, KASSIGN_CHUNK_PAGES) &&
	       folio_nr_pages(page_folio(pfn_to_page(pfn))) >= KASSIGN_CHUNK_PAGES;
}

static void unpin_run(const struct kassign_run *run, bool dirty)
{
	unsigned long i;

	if (!run->huge) {
		unpin_user_page_range_dirty_lock(pfn_to_page(run->pfn),
						 run->npages, dirty);
		return;
	}
	for (i = 0; i < run->npages; i += KASSIGN_CHUNK_PAGES)
		unpin_user_page_range_dirty_lock(pfn_to_page(run->pfn + i), 1,
						 dirty);
}

/**
 * kassign_unpin - give back physically contiguous pages
 * @run: the pages
 *
 * A device may have written to any it could write to, so they become dirty.
 */
void kassign_unpin(const struct kassign_run *run)
{
	unpin_run(run, run->writable);
}

/**
 * kassign_unpin_atomic - the same where nothing may sleep
 * @run: the pages
 *
 * Pages that are locked, hence on their way out, do not become dirty.
 */
void kassign_unpin_atomic(const struct kassign_run *run)
{
	unsigned long step = run->huge ? KASSIGN_CHUNK_PAGES : 1, i;

	for (i = 0; run->writable && i < run->npages; i += step) {
		struct folio *folio = page_folio(pfn_to_page(run->pfn + i));

		if (folio_test_dirty(folio) || !folio_trylock(folio))
			continue;
		folio_mark_dirty(folio);
		folio_unlock(folio);
	}
	unpin_run(run, false);
}

static struct task_struct *vmm_task(struct kassign_guest *guest)
{
	struct task_struct *task = NULL;

	if (guest->pid)
		task = get_pid_task(guest->pid, PIDTYPE_TGID);
	if (!task)
		task = get_task_struct(current);
	return task;
}

static unsigned long lock_limit(struct kassign_guest *guest,
				struct task_struct *task)
{
	return guest->unlimited ? RLIM_INFINITY : task_rlimit(task, RLIMIT_MEMLOCK);
}

static int explain_account(struct kassign_guest *guest, int err, u64 needed,
			   u64 used, u64 limit, struct kassign_reason *reason)
{
	return kassign_fail(reason, err,
			    "the VMM may lock %llu MiB of memory (RLIMIT_MEMLOCK), of which %llu MiB are in use, and %llu MiB more are needed; raise it: prlimit --pid %d --memlock=%llu",
			    limit >> 20, used >> 20, DIV_ROUND_UP_ULL(needed, SZ_1M),
			    pid_nr(guest->pid), used + needed);
}

/**
 * kassign_account - charge (or give back, if negative) locked memory
 * @guest:  whose VMM pays
 * @npages: pages
 * @reason: out: what is missing, and how to allow it
 *
 * The VMM's RLIMIT_MEMLOCK applies unless whoever opened the guest may lock
 * any amount (CAP_IPC_LOCK).
 */
int kassign_account(struct kassign_guest *guest, long npages,
		    struct kassign_reason *reason)
{
	struct mm_struct *mm = guest->mm;
	struct task_struct *task;
	u64 limit, used;
	int err;

	if (!npages)
		return 0;
	task = vmm_task(guest);
	mmap_write_lock(mm);
	used = PFN_PHYS(mm->locked_vm);
	err = __account_locked_vm(mm, abs(npages), npages > 0, task,
				  guest->unlimited);
	mmap_write_unlock(mm);
	limit = lock_limit(guest, task);
	put_task_struct(task);
	if (!err) {
		atomic64_add(npages, &guest->mirror.listed);
		return 0;
	}
	return explain_account(guest, err, PFN_PHYS(npages), used, limit, reason);
}

/**
 * kassign_fill_locked - what the VMM has locked, and may lock
 * @guest: the guest
 * @st:    out
 */
void kassign_fill_locked(struct kassign_guest *guest,
			 struct kassign_guest_status *st)
{
	struct task_struct *task = vmm_task(guest);

	st->locked_bytes = PFN_PHYS(READ_ONCE(guest->mm->locked_vm));
	st->limit_bytes = lock_limit(guest, task);
	put_task_struct(task);
}
