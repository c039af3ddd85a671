// SPDX-License-Identifier: GPL-2.0-only
/*
 * Acting in the VMM's address space: KVM memslots for BARs, scratch pages for
 * ioctl arguments. The only file that knows the trick.
 *
 * KVM accepts ioctls on a VM file only under the address space that made the
 * VM, and its memslot functions are closed to modules. A kernel thread may
 * adopt that address space (kthread_use_mm) and call the VM file's own ioctl.
 * mm_users is held only meanwhile, so that a dying VMM is not kept alive, and
 * is dropped with mmput_async(): a plain mmput() could run exit_mmap(), and
 * with it our own notifier, in this very thread.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>

#include "kassign.h"

/**
 * kassign_vmm_enter - adopt the VMM's address space
 * @guest: the guest
 *
 * Only in a kernel thread. Returns -ESRCH when the VMM is gone.
 */
int kassign_vmm_enter(struct kassign_guest *guest)
{
	/* In brackets: not for fault.h, a VMM is never gone for one call only. */
	if (!(mmget_not_zero)(guest->mm))
		return -ESRCH;
	kthread_use_mm(guest->mm);
	return 0;
}

void kassign_vmm_leave(struct kassign_guest *guest)
{
	kthread_unuse_mm(guest->mm);
	mmput_async(guest->mm);
}

struct vmm_call {
	struct work_struct work;
	struct kassign_guest *guest;
	kassign_vmm_fn fn;
	void *arg;
	int ret;
};

static void vmm_call_work(struct work_struct *work)
{
	struct vmm_call *call = container_of(work, struct vmm_call, work);

	call->ret = kassign_vmm_enter(call->guest);
	if (call->ret)
		return;
	call->ret = call->fn(call->guest, call->arg);
	kassign_vmm_leave(call->guest);
}

/**
 * kassign_vmm_run - call a function under the VMM's address space and wait
 * @guest: the guest
 * @fn:    runs in a kernel thread
 * @arg:   for @fn
 *
 * The caller must hold no mmap_lock and nothing a notifier or a fault handler
 * takes. Returns what @fn returns, or -ESRCH when the VMM is gone.
 */
int kassign_vmm_run(struct kassign_guest *guest, kassign_vmm_fn fn, void *arg)
{
	struct vmm_call call = { .guest = guest, .fn = fn, .arg = arg };

	INIT_WORK_ONSTACK(&call.work, vmm_call_work);
	queue_work(kassign_call_wq, &call.work);
	flush_work(&call.work);
	destroy_work_on_stack(&call.work);
	return call.ret;
}

/* ---- scratch pages ---- */

static vm_fault_t scratch_fault(struct vm_fault *vmf)
{
	void *kaddr = vmf->vma->vm_private_data;

	vmf->page = vmalloc_to_page(kaddr + (vmf->pgoff << PAGE_SHIFT));
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct scratch_vm_ops = {
	.fault = scratch_fault,
};

static int scratch_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	vm_flags_clear(vma, VM_MAYWRITE);
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = file->private_data;
	vma->vm_ops = &scratch_vm_ops;
	return 0;
}

static int scratch_file_release(struct inode *inode, struct file *file)
{
	vfree(file->private_data);
	return 0;
}

static const struct file_operations scratch_fops = {
	.owner	 = THIS_MODULE,
	.mmap	 = scratch_mmap,
	.release = scratch_file_release,
};

static int scratch_do_map(struct kassign_guest *guest, void *arg)
{
	struct kassign_scratch *scratch = arg;
	unsigned long addr;

	addr = vm_mmap(scratch->file, 0, scratch->size, PROT_READ, MAP_SHARED,
		       0);
	if (IS_ERR_VALUE(addr))
		return addr;
	scratch->uaddr = addr;
	return 0;
}

static int scratch_do_unmap(struct kassign_guest *guest, void *arg)
{
	struct kassign_scratch *scratch = arg;

	return vm_munmap(scratch->uaddr, scratch->size);
}

static struct file *scratch_file(void *kaddr)
{
	struct inode *inode = kassign_inode_new();
	struct file *file;

	if (IS_ERR(inode))
		return ERR_CAST(inode);
	file = kassign_file_new(inode, "[kassign-scratch]", O_RDONLY,
				&scratch_fops, kaddr);
	kassign_inode_put(inode);
	return file;
}

/**
 * kassign_scratch_map - get memory the VMM's address space can read
 * @guest:   the guest
 * @scratch: out
 * @size:    bytes
 */
int kassign_scratch_map(struct kassign_guest *guest,
			struct kassign_scratch *scratch, size_t size)
{
	int err;

	scratch->size = PAGE_ALIGN(size);
	scratch->kaddr = vmalloc_user(scratch->size);
	if (!scratch->kaddr)
		return -ENOMEM;
	scratch->file = scratch_file(scratch->kaddr);
	if (IS_ERR(scratch->file)) {
		err = PTR_ERR(scratch->file);
		vfree(scratch->kaddr);
		goto err_clear;
	}
	err = kassign_vmm_run(guest, scratch_do_map, scratch);
	if (!err)
		return 0;
	fput(scratch->file);	/* frees kaddr */
err_clear:
	memset(scratch, 0, sizeof(*scratch));
	return err;
}

/* The pages live on until the VMM's mapping is gone too: the file has them. */
void kassign_scratch_unmap(struct kassign_guest *guest,
			   struct kassign_scratch *scratch)
{
	if (!scratch->file)
		return;
	kassign_vmm_run(guest, scratch_do_unmap, scratch);
	fput(scratch->file);
	memset(scratch, 0, sizeof(*scratch));
}

/* ---- memslots ---- */

struct slot_call {
	struct kassign_vmslot *slot;
	struct file *file;
	u64 pgoff;
	u64 phys;
};

/* In the VMM's address space, under slot_lock. */
static int set_memslot(struct kassign_guest *guest, int id, u64 gpa,
		       unsigned long hva, u64 size)
{
	struct kvm_userspace_memory_region *region = guest->scratch.kaddr;

	*region = (struct kvm_userspace_memory_region) {
		.slot = id,
		.guest_phys_addr = gpa,
		.userspace_addr = hva,
		.memory_size = size,
	};
	return kassign_vm_ioctl(guest, KVM_SET_USER_MEMORY_REGION,
				guest->scratch.uaddr);
}

static unsigned long slot_map(const struct slot_call *call, unsigned long addr,
			      unsigned long flags)
{
	return vm_mmap(call->file, addr, call->slot->size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | flags, call->pgoff << PAGE_SHIFT);
}

/*
 * The largest page size there is in it decides where the mapping may start: KVM
 * uses large pages only where address and physical address allow them.
 */
static unsigned long slot_alignment(const struct slot_call *call)
{
	u64 size = call->slot->size;
	u64 first = call->phys, end = call->phys + size;

	if (ALIGN(first, PUD_SIZE) + PUD_SIZE <= end)
		return PUD_SIZE;
	if (ALIGN(first, PMD_SIZE) + PMD_SIZE <= end)
		return PMD_SIZE;
	return PAGE_SIZE;
}

/* Finds room with some to spare, maps in the right place of it, gives the rest back. */
static unsigned long slot_map_aligned(const struct slot_call *call)
{
	unsigned long align = slot_alignment(call), size = call->slot->size;
	unsigned long room, addr, at;

	if (align == PAGE_SIZE)
		return slot_map(call, 0, 0);
	room = vm_mmap(NULL, 0, size + align, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0);
	if (IS_ERR_VALUE(room))
		return slot_map(call, 0, 0);
	addr = room + ((call->phys - room) & (align - 1));
	at = slot_map(call, addr, MAP_FIXED);
	if (IS_ERR_VALUE(at)) {
		vm_munmap(room, size + align);
		return at;
	}
	if (addr > room)
		vm_munmap(room, addr - room);
	vm_munmap(addr + size, room + align - addr);
	return at;
}

static int slot_do_add(struct kassign_guest *guest, void *arg)
{
	struct slot_call *call = arg;
	struct kassign_vmslot *slot = call->slot;
	unsigned long addr;
	int err;

	addr = slot_map_aligned(call);
	if (IS_ERR_VALUE(addr))
		return addr;
	err = set_memslot(guest, slot->id, slot->gpa, addr, slot->size);
	if (err) {
		vm_munmap(addr, slot->size);
		return err;
	}
	slot->hva = addr;
	return 0;
}

/*
 * KVM allocates even to remove a slot. Short of memory it is asked again: a slot
 * that stays, with nothing behind it, would stop the guest at its next access.
 */
static int slot_do_del(struct kassign_guest *guest, void *arg)
{
	struct kassign_vmslot *slot = arg;
	unsigned int wait;
	int err;

	for (wait = 1; wait <= 512; wait *= 2) {
		err = set_memslot(guest, slot->id, slot->gpa, slot->hva, 0);
		if (err != -ENOMEM)
			break;
		msleep(wait);
	}
	/* Where KVM still has the slot, nothing else of the VMM may come. */
	if (!err)
		vm_munmap(slot->hva, slot->size);
	return err;
}

static int slot_id_get(struct kassign_guest *guest)
{
	int bit, id;

	for_each_clear_bit(bit, guest->slot_ids, KASSIGN_MAX_SLOTS) {
		id = kassign_kvm_top_slot() - bit;
		if (kassign_kvm_slot_used(guest->kvm, id))
			continue;
		__set_bit(bit, guest->slot_ids);
		return id;
	}
	return -ENOSPC;
}

static void slot_id_put(struct kassign_guest *guest, int id)
{
	__clear_bit(kassign_kvm_top_slot() - id, guest->slot_ids);
}

static int slot_add_locked(struct kassign_guest *guest, struct slot_call *call)
{
	int err;

	if (!guest->scratch.file) {
		err = kassign_scratch_map(guest, &guest->scratch, PAGE_SIZE);
		if (err)
			return err;
	}
	call->slot->id = slot_id_get(guest);
	if (call->slot->id < 0)
		return call->slot->id;
	err = kassign_vmm_run(guest, slot_do_add, call);
	if (err) {
		slot_id_put(guest, call->slot->id);
		call->slot->id = -1;
	}
	return err;
}

/**
 * kassign_vmslot_add - show a piece of a file to the guest as memory
 * @guest: the guest
 * @slot:  out
 * @file:  file to map
 * @pgoff: first page in it
 * @gpa:   where the guest is to see it, page aligned
 * @size:  bytes, page aligned
 * @phys:  physical address behind it, for its alignment
 *
 * Errors: EEXIST when the guest has something else there.
 */
int kassign_vmslot_add(struct kassign_guest *guest, struct kassign_vmslot *slot,
		       struct file *file, u64 pgoff, u64 gpa, u64 size,
		       u64 phys)
{
	struct slot_call call = {
		.slot = slot,
		.file = file,
		.pgoff = pgoff,
		.phys = phys,
	};
	int err;

	slot->gpa = gpa;
	slot->size = size;
	mutex_lock(&guest->slot_lock);
	err = slot_add_locked(guest, &call);
	mutex_unlock(&guest->slot_lock);
	return err;
}

/*
 * When the VMM is gone, so are its slots and mappings. The number of a slot that
 * KVM did not remove stays ours, or it would pass for the guest's memory.
 */
void kassign_vmslot_del(struct kassign_guest *guest, struct kassign_vmslot *slot)
{
	int err;

	if (slot->id < 0)
		return;
	mutex_lock(&guest->slot_lock);
	err = kassign_vmm_run(guest, slot_do_del, slot);
	if (!err || err == -ESRCH)
		slot_id_put(guest, slot->id);
	mutex_unlock(&guest->slot_lock);
	slot->id = -1;
}
