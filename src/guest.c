// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest object: one per KVM VM, made from the VM's file.
 *
 * It ends in any order of events: the VMM exits (the notifier's release, from
 * exit_mmap, in whatever task does the last mmput), fds are closed, devices are
 * unbound. The notifier only queues work; the work and the last reference do
 * the rest, each in process context without foreign locks.
 */
#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "kassign.h"

/* The lists of guests and of bound devices, and bound->assigned */
DEFINE_MUTEX(kassign_lock);
LIST_HEAD(kassign_guests);

static u32 guest_ids;

/* Drops what keeps the VM alive. Once; the devices are gone. */
static void guest_drop_vm(struct kassign_guest *guest)
{
	struct file *vm_file;
	struct kvm *kvm;

	mutex_lock(&kassign_lock);
	vm_file = guest->vm_file;
	kvm = guest->kvm;
	guest->vm_file = NULL;
	guest->kvm = NULL;
	mutex_unlock(&kassign_lock);
	if (!vm_file)
		return;
	kassign_scratch_unmap(guest, &guest->scratch);
	kassign_kvm_put(kvm);
	fput(vm_file);
}

static void guest_release(struct kref *ref)
{
	struct kassign_guest *guest = container_of(ref, struct kassign_guest, ref);

	/* kref_put_mutex took kassign_lock */
	list_del(&guest->node);
	mutex_unlock(&kassign_lock);
	/* May call our release() one last time; it finds no reference to take. */
	mmu_notifier_unregister(&guest->mn, guest->mm);
	guest_drop_vm(guest);
	mmdrop(guest->mm);
	put_pid(guest->pid);
	kfree(guest);
}

void kassign_guest_get(struct kassign_guest *guest)
{
	kref_get(&guest->ref);
}

void kassign_guest_put(struct kassign_guest *guest)
{
	kref_put_mutex(&guest->ref, guest_release, &kassign_lock);
}

/**
 * kassign_guests_wait - until there is no guest any more
 *
 * For the end of the module: no fd is open, so what is left is about to end. A notifier
 * that has its reference may not have queued the work yet.
 */
void kassign_guests_wait(void)
{
	bool none;

	for (;;) {
		mutex_lock(&kassign_lock);
		none = list_empty(&kassign_guests);
		mutex_unlock(&kassign_lock);
		if (none)
			return;
		msleep(20);
	}
}

static struct kassign_device *first_device(struct kassign_guest *guest)
{
	struct kassign_device *dev;

	mutex_lock(&guest->lock);
	dev = list_first_entry_or_null(&guest->devices, struct kassign_device,
				       guest_node);
	if (dev)
		kassign_device_get(dev);
	mutex_unlock(&guest->lock);
	return dev;
}

static void guest_death(struct work_struct *work)
{
	struct kassign_guest *guest = container_of(work, struct kassign_guest,
						   death_work);
	struct kassign_device *dev;

	while ((dev = first_device(guest))) {
		kassign_device_release(dev);
		kassign_device_put(dev);
	}
	guest_drop_vm(guest);
	kassign_guest_put(guest);
}

/* From exit_mmap of the VMM, or from our own unregister: idempotent, no locks. */
static void guest_mm_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct kassign_guest *guest = container_of(mn, struct kassign_guest, mn);

	WRITE_ONCE(guest->dead, true);
	if (!kref_get_unless_zero(&guest->ref))
		return;
	if (!queue_work(kassign_wq, &guest->death_work))
		kassign_guest_put(guest);
}

static const struct mmu_notifier_ops guest_mn_ops = {
	.release = guest_mm_release,
	.invalidate_range_end = kassign_follow_changed,
};

static struct kassign_guest *find_guest(struct kvm *kvm)
{
	struct kassign_guest *guest;

	list_for_each_entry(guest, &kassign_guests, node)
		if (guest->kvm == kvm && !READ_ONCE(guest->dead) &&
		    kref_get_unless_zero(&guest->ref))
			return guest;
	return NULL;
}

/* The VMM's users are held by the caller. */
static struct kassign_guest *guest_alloc(struct file *vm_file, struct kvm *kvm,
					 struct mm_struct *mm)
{
	struct kassign_guest *guest = kzalloc(sizeof(*guest), GFP_KERNEL_ACCOUNT);

	if (!guest)
		return NULL;
	kref_init(&guest->ref);
	INIT_LIST_HEAD(&guest->node);
	INIT_LIST_HEAD(&guest->devices);
	INIT_LIST_HEAD(&guest->groups);
	INIT_WORK(&guest->death_work, guest_death);
	mutex_init(&guest->lock);
	spin_lock_init(&guest->fault_lock);
	mutex_init(&guest->slot_lock);
	kassign_mirror_init(&guest->mirror);
	guest->vm_file = get_file(vm_file);
	guest->kvm = kvm;
	guest->mm = mm;
	guest->pid = kassign_kvm_find_pid(kvm);
	guest->unlimited = capable(CAP_IPC_LOCK);
	guest->mn.ops = &guest_mn_ops;
	return guest;
}

/*
 * Not listed yet; takes over @kvm's reference on success. Without kassign_lock, since
 * whoever has the VMM's mmap_lock may keep it for long.
 */
static struct kassign_guest *guest_create(struct file *vm_file, struct kvm *kvm)
{
	struct mm_struct *mm = kassign_kvm_mm(kvm);
	struct kassign_guest *guest;
	int err = -ENOMEM;

	if (!mmget_not_zero(mm))
		return ERR_PTR(-ESRCH);
	guest = guest_alloc(vm_file, kvm, mm);
	if (!guest)
		goto err_mm;
	mmgrab(mm);
	err = mmu_notifier_register(&guest->mn, mm);
	if (err)
		goto err_guest;
	mmput_async(mm);
	return guest;

err_guest:
	mmdrop(mm);
	put_pid(guest->pid);
	fput(guest->vm_file);
	kfree(guest);
err_mm:
	mmput_async(mm);
	return ERR_PTR(err);
}

/* The guest of a VM, with a reference: the one there is, or else @made */
static struct kassign_guest *listed_guest(struct kvm *kvm,
					  struct kassign_guest *made)
{
	struct kassign_guest *guest;

	mutex_lock(&kassign_lock);
	guest = find_guest(kvm);
	if (!guest && made) {
		made->id = ++guest_ids;
		list_add_tail(&made->node, &kassign_guests);
		guest = made;
	}
	mutex_unlock(&kassign_lock);
	return guest;
}

static struct kassign_guest *guest_of_file(struct file *vm_file)
{
	struct kassign_guest *guest, *made;
	struct kvm *kvm;

	kvm = kassign_kvm_get(vm_file);
	if (!kvm)
		return ERR_PTR(-ESRCH);
	guest = listed_guest(kvm, NULL);
	if (guest) {
		kassign_kvm_put(kvm);
		return guest;
	}
	made = guest_create(vm_file, kvm);
	if (IS_ERR(made)) {
		kassign_kvm_put(kvm);
		return made;
	}
	guest = listed_guest(kvm, made);
	if (guest != made)
		kassign_guest_put(made);
	return guest;
}

static int guest_fd_release(struct inode *inode, struct file *file)
{
	kassign_guest_put(file->private_data);
	return 0;
}

const struct file_operations kassign_guest_fops = {
	.owner		= THIS_MODULE,
	.release	= guest_fd_release,
	.unlocked_ioctl	= kassign_guest_ioctl,
	.llseek		= noop_llseek,
};

/**
 * kassign_guest_open_fd - guest fd for a VM fd
 * @vm_fd:  of the caller
 * @reason: out: why not
 */
int kassign_guest_open_fd(int vm_fd, struct kassign_reason *reason)
{
	struct file *vm_file = fget(vm_fd);
	struct kassign_guest *guest;
	int fd;

	if (!vm_file)
		return kassign_fail(reason, -EBADF, "fd %d is not open", vm_fd);
	if (!kassign_file_is_kvm(vm_file)) {
		fput(vm_file);
		return kassign_fail(reason, -EINVAL, "fd %d is not a KVM VM",
				    vm_fd);
	}
	guest = guest_of_file(vm_file);
	fput(vm_file);
	if (guest == ERR_PTR(-ESRCH))
		return kassign_fail(reason, -ESRCH, "the VM's process has exited");
	if (IS_ERR(guest))
		return PTR_ERR(guest);
	fd = anon_inode_getfd("[kassign-guest]", &kassign_guest_fops, guest,
			      O_RDWR | O_CLOEXEC);
	if (fd < 0)
		kassign_guest_put(guest);
	return fd;
}

static u32 guest_bar_slots(struct kassign_guest *guest)
{
	return bitmap_weight(guest->slot_ids, KASSIGN_MAX_SLOTS);
}

/**
 * kassign_guest_fill_status - counters of a guest
 * @guest: the guest
 * @st:    out
 *
 * Takes no lock that a running map operation holds, so a list may be one step
 * behind.
 */
void kassign_guest_fill_status(struct kassign_guest *guest,
			       struct kassign_guest_status *st)
{
	const struct kassign_mirror *mirror = &guest->mirror;
	struct list_head *pos;

	st->guest_id = guest->id;
	st->pid = pid_vnr(guest->pid);
	st->devices = 0;
	mutex_lock(&kassign_lock);
	list_for_each(pos, &kassign_bounds) {
		struct kassign_bound *bound =
			list_entry(pos, struct kassign_bound, node);

		if (bound->assigned && bound->assigned->guest == guest)
			st->devices++;
	}
	mutex_unlock(&kassign_lock);
	st->domains = READ_ONCE(guest->domain) ? 1 : 0;
	st->regions = READ_ONCE(mirror->cur.nr);
	st->bar_slots = guest_bar_slots(guest);
	st->mapped_bytes = (u64)atomic64_read(&mirror->mapped) << PAGE_SHIFT;
	st->todo_bytes = (u64)atomic64_read(&mirror->todo) << PAGE_SHIFT;
	st->skipped_bytes = READ_ONCE(mirror->skipped) << PAGE_SHIFT;
	st->generation = READ_ONCE(mirror->generation);
	st->syncs = READ_ONCE(mirror->syncs);
	st->discards = READ_ONCE(mirror->discards);
	st->missing_bytes = ((u64)atomic64_read(&mirror->listed) << PAGE_SHIFT) -
			    min(st->mapped_bytes,
				(u64)atomic64_read(&mirror->listed) << PAGE_SHIFT);
	kassign_fill_locked(guest, st);
}
