// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI driver and the assignment of one function to one guest.
 *
 * The order of every release, whoever starts it: stop new work - bus master
 * off, interrupts torn down, BAR slots and CPU maps removed - wait for pending
 * transactions - reset - detach domain - unmap - unpin - restore the host's
 * state. It runs once per assignment, under the device lock, from the last
 * close of the device fd, from the guest's death or from unbind.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "kassign.h"

LIST_HEAD(kassign_bounds);

/* ---- lifetime ---- */

static void device_free(struct kref *ref)
{
	struct kassign_device *dev = container_of(ref, struct kassign_device, ref);

	kassign_inode_put(dev->inode);
	pci_dev_put(dev->pdev);
	kfree(dev);
}

void kassign_device_get(struct kassign_device *dev)
{
	kref_get(&dev->ref);
}

void kassign_device_put(struct kassign_device *dev)
{
	kref_put(&dev->ref, device_free);
}

static struct kassign_device *device_alloc(struct kassign_guest *guest,
					   struct pci_dev *pdev)
{
	struct kassign_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);

	if (!dev)
		return NULL;
	kref_init(&dev->ref);
	mutex_init(&dev->lock);
	init_rwsem(&dev->bar_sem);
	init_waitqueue_head(&dev->wait);
	INIT_LIST_HEAD(&dev->guest_node);
	kassign_irq_init(dev);
	dev->pdev = pci_dev_get(pdev);
	kassign_guest_get(guest);
	dev->guest = guest;
	dev->state = KASSIGN_DEV_ATTACHING;
	return dev;
}

/* ---- hardware ---- */

/*
 * A device that marks its DMA "no snoop" would bypass the caches, and KVM
 * cannot be told on new kernels. PCIe forbids the attribute while Enable No
 * Snoop is clear, and the guest never reaches that bit.
 */
static void forbid_no_snoop(struct pci_dev *pdev)
{
	pcie_capability_clear_word(pdev, PCI_EXP_DEVCTL,
				   PCI_EXP_DEVCTL_NOSNOOP_EN);
}

static int hw_enable(struct kassign_device *dev, struct kassign_reason *reason)
{
	struct pci_dev *pdev = dev->pdev;
	int err;

	err = pci_enable_device(pdev);
	if (err)
		return kassign_fail(reason, err,
				    "%s cannot be enabled (errno %d)",
				    pci_name(pdev), -err);
	pci_clear_master(pdev);
	pci_save_state(pdev);
	dev->saved = pci_store_saved_state(pdev);
	if (dev->saved)
		return 0;
	pci_disable_device(pdev);
	return -ENOMEM;
}

/*
 * The host finds the function as it was before, but for its line: one that was not reset
 * may have it up still, with nobody to serve it. The host's driver opens it when it
 * enables the device.
 */
static void hw_disable(struct kassign_device *dev)
{
	struct pci_dev *pdev = dev->pdev;

	if (dev->saved) {
		pci_load_saved_state(pdev, dev->saved);
		pci_restore_state(pdev);
		if (dev->intx.shared)
			pci_intx(pdev, 0);
		/* For kassign_error_handlers; read anew it could be all ones. */
		pci_load_and_free_saved_state(pdev, &dev->saved);
	}
	pci_clear_master(pdev);
	pci_disable_device(pdev);
}

static void first_reset(struct kassign_device *dev)
{
	struct kassign_bound *bound = pci_get_drvdata(dev->pdev);
	int err = kassign_reset_hardware(dev);

	dev->resettable = !err || err == -EBUSY;
	if (err == -EBUSY && bound->clean)
		err = 0;
	if (err)
		pci_info(dev->pdev, "not reset (errno %d); its state is not cleared between owners\n",
			 -err);
	bound->clean = false;
	dev->quiet = true;
	forbid_no_snoop(dev->pdev);
}

static void last_reset(struct kassign_device *dev)
{
	struct kassign_bound *bound = pci_get_drvdata(dev->pdev);
	int err = kassign_reset_hardware(dev);

	bound->clean = !err;
	if (err)
		pci_info(dev->pdev, "not reset after its guest (errno %d); its next driver finds it as the guest left it\n",
			 -err);
}

/**
 * kassign_device_do_reset - reset the function and what the guest sees of it
 * @dev: dev->lock and the device lock held
 *
 * Errors: EOPNOTSUPP, EBUSY: what the guest sees of it is reset all the same.
 */
int kassign_device_do_reset(struct kassign_device *dev)
{
	int err;

	pci_clear_master(dev->pdev);
	kassign_irq_off(dev);
	kassign_msix_reset(dev);
	kassign_config_reset(dev);
	kassign_irq_follow(dev);
	kassign_bars_update(dev);
	dev->quiet = true;
	/* Nobody may touch the BARs while the reset has decoding off. */
	kassign_bars_zap(dev);
	kassign_intx_suspend(dev);
	err = kassign_reset_hardware(dev);
	forbid_no_snoop(dev->pdev);
	kassign_intx_sync(dev);
	kassign_bars_revive(dev);
	return err == -ENOTTY ? -EOPNOTSUPP : err;
}

u32 kassign_device_flags(struct kassign_device *dev)
{
	u16 cmd = kassign_config_command(dev);
	u32 flags = 0;

	if (cmd & PCI_COMMAND_MEMORY)
		flags |= KASSIGN_STATUS_MEMORY;
	if (cmd & PCI_COMMAND_MASTER)
		flags |= KASSIGN_STATUS_MASTER;
	if (cmd & PCI_COMMAND_IO)
		flags |= KASSIGN_STATUS_IO;
	if (dev->irqs.inject)
		flags |= KASSIGN_STATUS_INJECT;
	return flags;
}

/**
 * kassign_device_fault - the IOMMU refused DMA of the device
 * @dev:   the device
 * @count: times
 * @addr:  IOVA, hence guest-physical address, of the last one
 */
void kassign_device_fault(struct kassign_device *dev, u64 count, u64 addr)
{
	atomic64_add(count, &dev->faults);
	WRITE_ONCE(dev->fault_addr, addr);
}

/* ---- attach and release ---- */

static void guest_unlink(struct kassign_device *dev)
{
	mutex_lock(&dev->guest->lock);
	spin_lock_irq(&dev->guest->fault_lock);
	list_del_init(&dev->guest_node);
	spin_unlock_irq(&dev->guest->fault_lock);
	if (dev->group)
		kassign_domain_leave(dev);
	mutex_unlock(&dev->guest->lock);
}

/* Undoes setup_device() as far as it came. Device lock held. */
static void teardown_device(struct kassign_device *dev)
{
	mutex_lock(&dev->lock);
	dev->gone = true;
	dev->state = KASSIGN_DEV_RELEASING;
	wake_up_all(&dev->wait);
	pci_clear_master(dev->pdev);
	kassign_irq_off(dev);
	kassign_intx_off(dev);
	dev->irqs.inject = 0;
	kassign_events_end(dev);
	kassign_bars_unslot(dev);
	mutex_unlock(&dev->lock);

	kassign_bars_zap(dev);
	pci_wait_for_pending_transaction(dev->pdev);
	last_reset(dev);
	guest_unlink(dev);

	mutex_lock(&dev->lock);
	kassign_bars_exit(dev);
	kassign_rom_exit(dev);
	kassign_msix_exit(dev);
	kassign_config_exit(dev);
	mutex_unlock(&dev->lock);
	hw_disable(dev);
}

static int guest_link(struct kassign_device *dev, struct kassign_reason *reason)
{
	struct kassign_guest *guest = dev->guest;
	int err;

	if (mutex_lock_killable(&guest->lock))
		return -EINTR;
	if (READ_ONCE(guest->dead)) {
		mutex_unlock(&guest->lock);
		return kassign_fail(reason, -ESRCH, "the guest has exited");
	}
	err = kassign_domain_join(dev, reason);
	if (!err) {
		spin_lock_irq(&guest->fault_lock);
		list_add_tail(&dev->guest_node, &guest->devices);
		spin_unlock_irq(&guest->fault_lock);
	}
	mutex_unlock(&guest->lock);
	return err;
}

static int guest_map(struct kassign_device *dev, struct kassign_reason *reason)
{
	struct kassign_guest *guest = dev->guest;
	int err;

	if (mutex_lock_killable(&guest->lock))
		return -EINTR;
	err = kassign_domain_attach(dev, reason);
	mutex_unlock(&guest->lock);
	return err;
}

/*
 * The group is claimed, hence its DMA blocked, before the function is touched;
 * it is reset before it can reach guest memory. Device lock held.
 */
static int setup_device(struct kassign_device *dev, struct kassign_reason *reason)
{
	int err;

	err = guest_link(dev, reason);
	if (err)
		return err;
	err = hw_enable(dev, reason);
	if (err)
		goto err_unlink;
	first_reset(dev);
	kassign_intx_init(dev);
	kassign_rom_init(dev);
	err = kassign_msix_init(dev);
	if (!err)
		err = kassign_bars_init(dev, reason);
	if (!err)
		err = kassign_config_init(dev);
	if (!err)
		err = guest_map(dev, reason);
	if (err)
		teardown_device(dev);
	return err;

err_unlink:
	dev->gone = true;
	guest_unlink(dev);
	return err;
}

/* Takes the assignment out of its slot; nobody finds it any more. */
static void forget_assignment(struct kassign_device *dev)
{
	struct kassign_bound *bound = pci_get_drvdata(dev->pdev);
	struct kassign_guest *guest;

	mutex_lock(&kassign_lock);
	if (bound && bound->assigned == dev)
		bound->assigned = NULL;
	guest = dev->guest;
	dev->guest = NULL;
	mutex_unlock(&kassign_lock);
	kassign_guest_put(guest);
	kassign_device_put(dev);
}

/**
 * kassign_device_release_locked - take a device away from its guest
 * @dev: reference and device lock held by the caller, dev->lock not
 *
 * Idempotent. When it returns, the device is quiet and the host's.
 */
void kassign_device_release_locked(struct kassign_device *dev)
{
	if (dev->gone)
		return;
	teardown_device(dev);
	forget_assignment(dev);
}

/**
 * kassign_device_release - the same, without the device lock held
 * @dev: reference held by the caller
 */
void kassign_device_release(struct kassign_device *dev)
{
	struct pci_dev *pdev = dev->pdev;

	device_lock(&pdev->dev);
	kassign_device_release_locked(dev);
	device_unlock(&pdev->dev);
}

static int claim_bound(struct kassign_device *dev, struct kassign_reason *reason)
{
	struct kassign_bound *bound;
	int err = 0;

	if (dev->pdev->dev.driver != &kassign_pci_driver.driver)
		return kassign_fail(reason, -ENODEV,
				    "%s is not bound to the kassign driver",
				    pci_name(dev->pdev));
	/* They are others', and it can reset them. */
	if (pci_num_vf(dev->pdev))
		return kassign_fail(reason, -EBUSY,
				    "%s has %d virtual functions; remove them first: echo 0 > /sys/bus/pci/devices/%s/sriov_numvfs",
				    pci_name(dev->pdev), pci_num_vf(dev->pdev),
				    pci_name(dev->pdev));
	bound = pci_get_drvdata(dev->pdev);
	mutex_lock(&kassign_lock);
	if (bound->assigned)
		err = kassign_fail(reason, -EBUSY,
				   "%s is already assigned to guest %u",
				   pci_name(dev->pdev), bound->assigned->guest->id);
	else
		bound->assigned = dev;
	mutex_unlock(&kassign_lock);
	return err;
}

static int attach_locked(struct kassign_device *dev, struct kassign_reason *reason)
{
	int err;

	err = claim_bound(dev, reason);
	if (err) {
		kassign_guest_put(dev->guest);
		return err;
	}
	kassign_device_get(dev);	/* for bound->assigned */
	err = setup_device(dev, reason);
	if (err)
		forget_assignment(dev);
	else
		dev->state = KASSIGN_DEV_ASSIGNED;
	return err;
}

static struct file *device_file(struct kassign_device *dev)
{
	struct file *file = kassign_file_new(dev->inode, "[kassign-device]",
					     O_RDWR, &kassign_device_fops, dev);

	if (!IS_ERR(file))
		file->f_mode |= FMODE_PREAD | FMODE_PWRITE;
	return file;
}

/* The file takes over the caller's reference. */
static int device_fd(struct kassign_device *dev)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = device_file(dev);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static int attach_pdev(struct kassign_guest *guest, struct pci_dev *pdev,
		       struct kassign_reason *reason)
{
	struct kassign_device *dev = device_alloc(guest, pdev);
	int err;

	if (!dev)
		return -ENOMEM;
	device_lock(&pdev->dev);
	err = attach_locked(dev, reason);
	device_unlock(&pdev->dev);
	if (!err) {
		err = device_fd(dev);
		if (err >= 0)
			return err;
		kassign_device_release(dev);
	}
	kassign_device_put(dev);
	return err;
}

/**
 * kassign_device_attach_fd - assign a function, return its device fd
 * @guest:  the guest
 * @arg:    which one
 * @reason: out: why not
 */
int kassign_device_attach_fd(struct kassign_guest *guest,
			     const struct kassign_add_device *arg,
			     struct kassign_reason *reason)
{
	struct pci_dev *pdev;
	int ret;

	if (arg->workers > KASSIGN_MAX_WORKERS || arg->domain > 0xffff ||
	    arg->bus > 0xff || arg->devfn > 0xff)
		return -EINVAL;
	if (arg->workers)
		WRITE_ONCE(guest->mirror.workers, arg->workers);
	pdev = pci_get_domain_bus_and_slot(arg->domain, arg->bus, arg->devfn);
	if (!pdev)
		return kassign_fail(reason, -ENODEV,
				    "there is no PCI device %04x:%02x:%02x.%x",
				    arg->domain, arg->bus, PCI_SLOT(arg->devfn),
				    PCI_FUNC(arg->devfn));
	ret = attach_pdev(guest, pdev, reason);
	pci_dev_put(pdev);
	return ret;
}

/* ---- the device fd ---- */

static int device_fd_release(struct inode *inode, struct file *file)
{
	struct kassign_device *dev = file->private_data;

	kassign_device_release(dev);
	kassign_device_put(dev);
	return 0;
}

static int region_access(struct kassign_device *dev, u64 pos, void *buf,
			 size_t len, bool write)
{
	unsigned int index = pos >> KASSIGN_REGION_SHIFT;
	u64 off = pos & (KASSIGN_REGION_OFFSET(1) - 1);

	if (index == KASSIGN_REGION_CONFIG && write)
		return kassign_config_write(dev, off, buf, len);
	if (index == KASSIGN_REGION_CONFIG)
		return kassign_config_read(dev, off, buf, len);
	if (index <= KASSIGN_REGION_BAR5)
		return kassign_bar_access(dev, index, off, buf, len, write);
	if (index == KASSIGN_REGION_ROM && !write)
		return kassign_rom_read(dev, off, buf, len);
	return -EINVAL;
}

/*
 * User memory is copied outside dev->lock: a page fault there may wait for an
 * address space that waits for us. Writes to config space may reset the device,
 * which wants the device lock, outermost.
 */
static int locked_access(struct kassign_device *dev, u64 pos, void *buf,
			 size_t len, bool write)
{
	bool config = pos >> KASSIGN_REGION_SHIFT == KASSIGN_REGION_CONFIG;
	int err = -ENODEV;

	if (config && write)
		device_lock(&dev->pdev->dev);
	mutex_lock(&dev->lock);
	if (!dev->gone)
		err = region_access(dev, pos, buf, len, write);
	mutex_unlock(&dev->lock);
	if (config && write)
		device_unlock(&dev->pdev->dev);
	return err;
}

#define MAX_ACCESS	4096

static ssize_t device_read(struct file *file, char __user *ubuf, size_t len,
			   loff_t *ppos)
{
	u64 small;
	void *buf = &small;
	int err = -ENOMEM;

	if (!len || len > MAX_ACCESS)
		return -EINVAL;
	if (len > sizeof(small))
		buf = kmalloc(len, GFP_KERNEL);
	if (buf)
		err = locked_access(file->private_data, *ppos, buf, len, false);
	if (!err && copy_to_user(ubuf, buf, len))
		err = -EFAULT;
	if (buf != &small)
		kfree(buf);
	return err ?: (ssize_t)len;
}

static ssize_t device_write(struct file *file, const char __user *ubuf,
			    size_t len, loff_t *ppos)
{
	u64 small;
	void *buf = &small;
	int err = 0;

	if (!len || len > MAX_ACCESS)
		return -EINVAL;
	if (len > sizeof(small))
		buf = kmalloc(len, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	if (copy_from_user(buf, ubuf, len))
		err = -EFAULT;
	if (!err)
		err = locked_access(file->private_data, *ppos, buf, len, true);
	if (buf != &small)
		kfree(buf);
	return err ?: (ssize_t)len;
}

static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	return kassign_bar_mmap(file->private_data, vma);
}

/* Nothing to wait for but the end */
static __poll_t device_poll(struct file *file, poll_table *table)
{
	struct kassign_device *dev = file->private_data;

	poll_wait(file, &dev->wait, table);
	return READ_ONCE(dev->gone) ? EPOLLHUP | EPOLLERR : 0;
}

const struct file_operations kassign_device_fops = {
	.owner		= THIS_MODULE,
	.release	= device_fd_release,
	.read		= device_read,
	.write		= device_write,
	.mmap		= device_mmap,
	.poll		= device_poll,
	.unlocked_ioctl	= kassign_device_ioctl,
	.llseek		= noop_llseek,
};

/* ---- the PCI driver ---- */

static int kassign_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct kassign_bound *bound;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return -EINVAL;
	bound = kzalloc(sizeof(*bound), GFP_KERNEL);
	if (!bound)
		return -ENOMEM;
	bound->pdev = pdev;
	pci_set_drvdata(pdev, bound);
	pci_save_state(pdev);		/* for kassign_error_handlers */
	mutex_lock(&kassign_lock);
	list_add_tail(&bound->node, &kassign_bounds);
	mutex_unlock(&kassign_lock);
	return 0;
}

/**
 * kassign_device_assigned - the assignment of a function, NULL if it has none
 * @pdev: bound to us, its device lock held
 *
 * With a reference for the caller.
 */
struct kassign_device *kassign_device_assigned(struct pci_dev *pdev)
{
	struct kassign_bound *bound = pci_get_drvdata(pdev);
	struct kassign_device *dev;

	mutex_lock(&kassign_lock);
	dev = bound->assigned;
	if (dev)
		kassign_device_get(dev);
	mutex_unlock(&kassign_lock);
	return dev;
}

/* Device lock held by the core. */
static void kassign_remove(struct pci_dev *pdev)
{
	struct kassign_bound *bound = pci_get_drvdata(pdev);
	struct kassign_device *dev = kassign_device_assigned(pdev);

	if (dev) {
		pci_info(pdev, "taken from its guest\n");
		kassign_device_release_locked(dev);
		kassign_device_put(dev);
	}
	mutex_lock(&kassign_lock);
	list_del(&bound->node);
	mutex_unlock(&kassign_lock);
	pci_set_drvdata(pdev, NULL);
	kfree(bound);
}

/*
 * A guest's device cannot be put to sleep under it. Asked before anything sleeps,
 * so that a refusal costs nothing.
 */
static int kassign_pm_prepare(struct device *device)
{
	struct kassign_bound *bound = dev_get_drvdata(device);
	int err = 0;

	mutex_lock(&kassign_lock);
	if (bound && bound->assigned) {
		err = -EBUSY;
		dev_warn(device, "assigned to guest %u: the host cannot sleep (kassign detach %s)\n",
			 bound->assigned->guest->id, dev_name(device));
	}
	mutex_unlock(&kassign_lock);
	return err;
}

static const struct dev_pm_ops kassign_pm_ops = {
	.prepare = kassign_pm_prepare,
};

/* No table: the driver takes only what driver_override gives it. */
static const struct pci_device_id kassign_ids[] = {
	{ }
};

struct pci_driver kassign_pci_driver = {
	.name			= KASSIGN_NAME,
	.id_table		= kassign_ids,
	.probe			= kassign_probe,
	.remove			= kassign_remove,
	.driver_managed_dma	= true,
	.err_handler		= &kassign_error_handlers,
	.driver.pm		= &kassign_pm_ops,
};
