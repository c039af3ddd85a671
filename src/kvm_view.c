// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is known of KVM's inside. The only file that includes kvm_host.h.
 *
 * New kernels keep KVM's exports for KVM's own modules. What stays usable is
 * kvm_get_kvm_safe(), kvm_put_kvm() and the inline helpers around the memslot
 * tables; the memslots are read under kvm->srcu, copied, and left at once.
 */
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/sort.h>

#include "kassign.h"

/* kvm_main.c's ioctl handler is the one thing only a VM file has. */
static bool is_vm_ioctl(void *fn)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(name, (unsigned long)fn);
	return !strcmp(name, "kvm_vm_ioctl [kvm]") ||
	       !strcmp(name, "kvm_vm_ioctl");
}

/**
 * kassign_file_is_kvm - is this the file of a KVM VM?
 * @file: any file
 *
 * file_is_kvm() is closed to modules on new kernels. vCPU and device files
 * have the same owner, and a name can be imitated, so the handler decides.
 */
bool kassign_file_is_kvm(struct file *file)
{
	return file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       file->f_op->unlocked_ioctl &&
	       is_vm_ioctl(file->f_op->unlocked_ioctl);
}

/**
 * kassign_kvm_get - the kvm of a VM file, with a reference
 * @vm_file: a file for which kassign_file_is_kvm() holds
 *
 * The caller keeps @vm_file for as long as the reference: a kvm that outlives
 * its file lets kvm_amd/kvm_intel be unloaded, and the last put then panics.
 */
struct kvm *kassign_kvm_get(struct file *vm_file)
{
	struct kvm *kvm = vm_file->private_data;

	return kvm_get_kvm_safe(kvm) ? kvm : NULL;
}

void kassign_kvm_put(struct kvm *kvm)
{
	kvm_put_kvm(kvm);
}

struct mm_struct *kassign_kvm_mm(struct kvm *kvm)
{
	return kvm->mm;
}

static bool task_has_mm(struct task_struct *task, struct mm_struct *mm)
{
	bool has;

	task_lock(task);
	has = task->mm == mm;
	task_unlock(task);
	return has;
}

/**
 * kassign_kvm_find_pid - the process that runs a VM
 * @kvm: the VM
 *
 * Returns a reference, or NULL if the process that made the VM is not the one
 * that has its address space any more.
 */
struct pid *kassign_kvm_find_pid(struct kvm *kvm)
{
	struct task_struct *task;
	struct pid *pid;

	pid = find_get_pid_init(kvm->userspace_pid);
	if (!pid)
		return NULL;
	task = get_pid_task(pid, PIDTYPE_TGID);
	if (task && task_has_mm(task, kvm->mm)) {
		put_task_struct(task);
		return pid;
	}
	if (task)
		put_task_struct(task);
	put_pid(pid);
	return NULL;
}

/**
 * kassign_kvm_generation - changes with every change of the memslots
 * @kvm: the VM
 */
u64 kassign_kvm_generation(struct kvm *kvm)
{
	u64 generation;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	generation = kvm_memslots(kvm)->generation;
	srcu_read_unlock(&kvm->srcu, idx);
	return generation;
}

static int slot_cmp(const void *a, const void *b)
{
	const struct kassign_slot *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

/* Slots a device could ever be given: set by the user, and not on their way out */
static bool slot_counts(const struct kvm_memory_slot *slot)
{
	return slot->npages && slot->id >= 0 && slot->id < KVM_USER_MEM_SLOTS &&
	       !(slot->flags & KVM_MEMSLOT_INVALID);
}

static void slot_copy(struct kassign_slot *to, const struct kvm_memory_slot *from)
{
	to->gpa = (u64)from->base_gfn << PAGE_SHIFT;
	to->hva = from->userspace_addr;
	to->npages = from->npages;
	to->id = from->id;
	to->readonly = from->flags & KVM_MEM_READONLY;
	to->private = from->flags & KASSIGN_KVM_GUEST_MEMFD;
}

/* Returns how many slots there are; copies as many as fit. */
static unsigned int copy_slots(struct kvm *kvm, struct kassign_slots *snap,
			       unsigned int room, const unsigned long *ours,
			       unsigned int nr_ours)
{
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	unsigned int nr = 0;
	int bkt, idx;

	idx = srcu_read_lock(&kvm->srcu);
	slots = kvm_memslots(kvm);
	snap->generation = slots->generation;
	kvm_for_each_memslot(slot, bkt, slots) {
		if (!slot_counts(slot))
			continue;
		if (nr < room) {
			unsigned int bit = kassign_kvm_top_slot() - slot->id;

			slot_copy(&snap->slot[nr], slot);
			snap->slot[nr].ours = bit < nr_ours && test_bit(bit, ours);
		}
		nr++;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return nr;
}

/**
 * kassign_kvm_slots - copy of a VM's memslots, sorted by guest address
 * @kvm:     the VM
 * @ours:    bitmap of our own slots, counted from the top slot id downwards
 * @nr_ours: bits in it
 *
 * Which slots are ours is noted under srcu: KVM waits for its readers before a
 * removal returns, and only then is the bit cleared. Looked up later, a slot of
 * ours that was just removed would pass for the guest's memory.
 *
 * Address space 0 only (1 is SMM). Returns memory for kvfree(), or NULL when
 * there is none.
 */
struct kassign_slots *kassign_kvm_slots(struct kvm *kvm,
					const unsigned long *ours,
					unsigned int nr_ours)
{
	struct kassign_slots *snap;
	unsigned int room = 64, nr;

	for (;;) {
		snap = kvzalloc(struct_size(snap, slot, room), GFP_KERNEL);
		if (!snap)
			return NULL;
		nr = copy_slots(kvm, snap, room, ours, nr_ours);
		if (nr <= room)
			break;
		kvfree(snap);
		room = nr + 16;
	}
	snap->nr = nr;
	sort(snap->slot, nr, sizeof(snap->slot[0]), slot_cmp, NULL);
	return snap;
}

/* Does the slot show what the region has at @gfn? */
static bool slot_shows(const struct kvm_memory_slot *slot,
		       const struct kassign_region *r, u64 gfn)
{
	u64 hva = slot->userspace_addr + ((gfn - slot->base_gfn) << PAGE_SHIFT);

	return slot_counts(slot) && hva == r->hva + ((gfn << PAGE_SHIFT) - r->gpa) &&
	       !(slot->flags & KASSIGN_KVM_GUEST_MEMFD) &&
	       !!(slot->flags & KVM_MEM_READONLY) == r->readonly;
}

/**
 * kassign_kvm_backs - is a region still what the memslots say?
 * @kvm:    the VM
 * @r:	    region
 * @gpa:    from where in it on
 * @npages: how many pages
 *
 * For one who has just pinned them. A slot that is still there was there then, for a
 * VMM that gives the address to something else removes the slot first.
 */
bool kassign_kvm_backs(struct kvm *kvm, const struct kassign_region *r, u64 gpa,
		       u64 npages)
{
	u64 gfn = gpa >> PAGE_SHIFT, end = gfn + npages;
	const struct kvm_memory_slot *slot;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	while (gfn < end) {
		slot = __gfn_to_memslot(kvm_memslots(kvm), gfn);
		if (!slot || !slot_shows(slot, r, gfn))
			break;
		gfn = slot->base_gfn + slot->npages;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return gfn >= end;
}

bool kassign_kvm_slot_used(struct kvm *kvm, int id)
{
	bool used;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	used = id_to_memslot(kvm_memslots(kvm), id);
	srcu_read_unlock(&kvm->srcu, idx);
	return used;
}

/* VMMs number their slots from 0 upwards; ours go from the top downwards. */
int kassign_kvm_top_slot(void)
{
	return KVM_USER_MEM_SLOTS - 1;
}
