// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of the VMM: pinning, unpinning, accounting.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

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

/* Read-only file mappings (a ROM) cannot be pinned for writing. */
static unsigned int pin_flags(struct mm_struct *mm, unsigned long hva)
{
	struct vm_area_struct *vma = find_vma(mm, hva);

	if (vma && vma->vm_start <= hva && !(vma->vm_flags & VM_WRITE))
		return FOLL_LONGTERM;
	return FOLL_LONGTERM | FOLL_WRITE;
}

/**
 * kassign_pin - pin a run of pages for as long as a device may reach them
 * @mm:	    the VMM's address space, its users held
 * @hva:    first address
 * @npages: how many
 * @pages:  out: the pages
 * @reason: out: why not
 *
 * Always for writing where the mapping allows it, also for read-only slots:
 * a read pin of private memory is lost at the next copy-on-write on older
 * kernels. May sleep; no locks of ours that a notifier takes may be held.
 * Returns @npages, or a negative errno with nothing pinned.
 */
long kassign_pin(struct mm_struct *mm, unsigned long hva, unsigned long npages,
		 struct page **pages, struct kassign_reason *reason)
{
	unsigned long done = 0;
	long n = 0;

	mmap_read_lock(mm);
	while (done < npages) {
		unsigned long addr = hva + (done << PAGE_SHIFT);

		n = kassign_pin_user_pages_remote(mm, addr, npages - done,
						  pin_flags(mm, addr),
						  pages + done);
		/* 7.2 answers 0 to flags it does not like */
		if (n <= 0)
			break;
		done += n;
	}
	mmap_read_unlock(mm);
	if (done == npages)
		return done;

	unpin_user_pages(pages, done);
	if (n == 0)
		n = -EFAULT;
	return kassign_fail(reason, n,
			    "memory of the VMM at 0x%lx cannot be pinned for a device (errno %ld)",
			    hva + (done << PAGE_SHIFT), -n);
}

/**
 * kassign_unpin - give back physically contiguous pages
 * @pfn:    first page frame
 * @npages: how many
 *
 * A device may have written to any of them, so all become dirty.
 */
void kassign_unpin(unsigned long pfn, unsigned long npages)
{
	unpin_user_page_range_dirty_lock(pfn_to_page(pfn), npages, true);
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

/**
 * kassign_account - charge (or give back, if negative) locked memory
 * @guest:  whose VMM pays
 * @npages: pages
 * @reason: out: what is missing
 *
 * The VMM's RLIMIT_MEMLOCK applies unless whoever opened the guest may lock
 * any amount (CAP_IPC_LOCK).
 */
int kassign_account(struct kassign_guest *guest, long npages,
		    struct kassign_reason *reason)
{
	struct mm_struct *mm = guest->mm;
	struct task_struct *task;
	unsigned long limit;
	int err;

	if (!npages)
		return 0;
	task = vmm_task(guest);
	mmap_write_lock(mm);
	err = __account_locked_vm(mm, abs(npages), npages > 0, task,
				  guest->unlimited);
	mmap_write_unlock(mm);
	limit = task_rlimit(task, RLIMIT_MEMLOCK);
	put_task_struct(task);
	if (err)
		kassign_fail(reason, err,
			     "the VMM may lock %lu MiB (RLIMIT_MEMLOCK), %ld MiB more are needed; raise it with prlimit --memlock",
			     limit >> 20, npages >> (20 - PAGE_SHIFT));
	return err;
}
