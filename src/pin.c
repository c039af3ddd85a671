// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of the VMM: pinning, unpinning, accounting.
 */
#include <linux/fs.h>
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

static long pin_some(unsigned long addr, unsigned long npages,
		     struct page **pages)
{
	long n = pin_user_pages_fast(addr, npages, FOLL_LONGTERM | FOLL_WRITE,
				     pages);

	if (n != -EFAULT)
		return n;
	npages = readonly_pages(addr, npages);
	return npages ? pin_user_pages_fast(addr, npages, FOLL_LONGTERM, pages) :
			-EFAULT;
}

/*
 * Pins as many of @npages as it can, from @hva on, in current->mm; why it stopped
 * is in @err.
 */
static unsigned long pin_until(unsigned long hva, unsigned long npages,
			       struct page **pages, long *err)
{
	unsigned long done = 0;
	long n;

	*err = 0;
	while (done < npages) {
		n = pin_some(hva + (done << PAGE_SHIFT), npages - done,
			     pages + done);
		/* 7.2 answers 0 to flags it does not like */
		if (n <= 0) {
			*err = n ?: -EFAULT;
			break;
		}
		done += n;
	}
	return done;
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
 * kassign_pin - pin a run of pages for as long as a device may reach them
 * @hva:    first address, in current->mm, the VMM's
 * @gpa:    the guest's address of it, for a person
 * @npages: how many
 * @pages:  out: the pages
 * @reason: out: why not
 *
 * Always for writing where the mapping allows it, also for read-only slots:
 * a read pin of private memory is lost at the next copy-on-write on older
 * kernels. May sleep; no locks of ours that a notifier takes may be held.
 * Returns 0, or a negative errno with nothing pinned.
 */
int kassign_pin(unsigned long hva, u64 gpa, unsigned long npages,
		struct page **pages, struct kassign_reason *reason)
{
	unsigned long done;
	long err;

	done = pin_until(hva, npages, pages, &err);
	if (!err)
		return 0;
	unpin_user_pages(pages, done);
	done <<= PAGE_SHIFT;
	return explain_pin(gpa + done, hva + done, err, reason);
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
