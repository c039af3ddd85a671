// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of the three kinds of fd: check, dispatch, nothing else.
 *
 * One table per kind and one path that checks size, unknown trailing bytes and
 * flags for all. Handlers get a kernel copy of the argument; it is copied back
 * when they succeed and the table says so.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kassign.h"

/* Every argument starts like this. */
struct ioctl_head {
	__u32 argsz;
	__u32 flags;
};

/**
 * struct ioctl_op - one command
 * @cmd:	number
 * @size:	of its argument
 * @flags:	allowed bits
 * @out:	copy the argument back
 * @fn:		does it
 * @prep:	fetches what the argument points to, before any lock is taken; NULL
 * @done:	undoes @prep
 */
struct ioctl_op {
	unsigned int cmd;
	size_t size;
	u32 flags;
	bool out;
	long (*fn)(void *obj, void *arg);
	int (*prep)(void *arg);
	void (*done)(void *arg);
};

typedef long (*invoke_fn)(const struct ioctl_op *op, void *obj, void *arg);

#define IOCTL_OP(_cmd, _type, _flags, _out, _fn)			\
	.cmd = (_cmd), .size = sizeof(struct _type), .flags = (_flags),	\
	.out = (_out), .fn = (_fn)

union ioctl_arg {
	struct ioctl_head head;
	struct kassign_info info;
	struct kassign_guest_open guest_open;
	struct kassign_add_device add_device;
	struct kassign_guest_sync guest_sync;
	struct kassign_guest_status guest_status;
	struct kassign_device_info device_info;
	struct kassign_region_info region_info;
	struct kassign_irq_info irq_info;
	struct kassign_set_irqs set_irqs;
	struct kassign_device_reset device_reset;
	struct kassign_device_status device_status;
	struct kassign_report_faults report_faults;
};

static long invoke_plain(const struct ioctl_op *op, void *obj, void *arg)
{
	return op->fn(obj, arg);
}

static long prep_and_invoke(const struct ioctl_op *op, void *obj, void *arg,
			    invoke_fn invoke)
{
	long ret;

	ret = op->prep ? op->prep(arg) : 0;
	if (ret)
		return ret;
	ret = invoke(op, obj, arg);
	if (op->done)
		op->done(arg);
	return ret;
}

/* User memory is only touched here and in prep(), with no lock held. */
static long run_op(const struct ioctl_op *op, void *obj, void __user *uarg,
		   invoke_fn invoke)
{
	union ioctl_arg arg = { };
	u32 argsz;
	long ret;

	if (get_user(argsz, (u32 __user *)uarg))
		return -EFAULT;
	if (argsz < op->size || argsz > PAGE_SIZE)
		return -EINVAL;
	ret = copy_struct_from_user(&arg, op->size, uarg, argsz);
	if (ret)
		return ret;
	if (arg.head.flags & ~op->flags)
		return -EINVAL;
	ret = prep_and_invoke(op, obj, &arg, invoke);
	/* The caller's flags of a query are answered in place. */
	if (ret >= 0 && op->out) {
		arg.head.argsz = argsz;
		if (copy_to_user(uarg, &arg, op->size))
			return -EFAULT;
	}
	return ret;
}

static long dispatch(const struct ioctl_op *op, void *obj, unsigned int cmd,
		     unsigned long arg, invoke_fn invoke)
{
	for (; op->fn; op++)
		if (op->cmd == cmd)
			return run_op(op, obj, (void __user *)arg, invoke);
	return -ENOTTY;
}

/* Hands the reason of a failure to the caller, as much as fits. */
static void give_reason(const struct kassign_reason *reason, u64 ptr, u32 len)
{
	size_t n = min_t(size_t, strlen(reason->text) + 1, len);

	if (!n)
		return;
	if (copy_to_user(u64_to_user_ptr(ptr), reason->text, n) ||
	    put_user('\0', (char __user *)u64_to_user_ptr(ptr) + n - 1))
		pr_debug("kassign: no room for: %s\n", reason->text);
}

/* ---- control ---- */

static long get_info(void *obj, void *data)
{
	struct kassign_info *arg = data;

	if (arg->pad)
		return -EINVAL;
	arg->api_version = KASSIGN_API_VERSION;
	arg->features = KASSIGN_FEATURE_IRQFD | KASSIGN_FEATURE_INJECT |
			KASSIGN_FEATURE_BAR_SLOTS |
			KASSIGN_FEATURE_INTX;
	return 0;
}

static long guest_open(void *obj, void *data)
{
	struct kassign_guest_open *arg = data;
	struct kassign_reason reason = { };
	int fd = kassign_guest_open_fd(arg->vm_fd, &reason);

	if (fd < 0)
		give_reason(&reason, arg->err_ptr, arg->err_len);
	return fd;
}

static const struct ioctl_op control_ops[] = {
	{ IOCTL_OP(KASSIGN_GET_INFO, kassign_info, 0, true, get_info) },
	{ IOCTL_OP(KASSIGN_GUEST_OPEN, kassign_guest_open, 0, false, guest_open) },
	{ }
};

long kassign_control_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	return dispatch(control_ops, NULL, cmd, arg, invoke_plain);
}

/* ---- guest ---- */

static long add_device(void *obj, void *data)
{
	struct kassign_add_device *arg = data;
	struct kassign_reason reason = { };
	int fd;

	/* A guest fd alone, as an agent has it, must not pull devices in. */
	if (capable(CAP_SYS_ADMIN))
		fd = kassign_device_attach_fd(obj, arg, &reason);
	else
		fd = kassign_fail(&reason, -EPERM,
				  "only root (CAP_SYS_ADMIN) assigns devices");
	if (fd < 0)
		give_reason(&reason, arg->err_ptr, arg->err_len);
	return fd;
}

static long guest_sync(void *obj, void *data)
{
	struct kassign_guest_sync *arg = data;
	struct kassign_guest *guest = obj;
	struct kassign_reason reason = { };
	int err;

	err = kassign_mirror_sync(guest, arg->flags & KASSIGN_SYNC_NOW, &reason);
	if (err)
		return err;
	arg->generation = READ_ONCE(guest->mirror.generation);
	return 0;
}

static long guest_status(void *obj, void *data)
{
	kassign_guest_fill_status(obj, data);
	return 0;
}

static const struct ioctl_op guest_ops[] = {
	{ IOCTL_OP(KASSIGN_GUEST_ADD_DEVICE, kassign_add_device, 0, false,
		   add_device) },
	{ IOCTL_OP(KASSIGN_GUEST_SYNC, kassign_guest_sync, KASSIGN_SYNC_NOW, true,
		   guest_sync) },
	{ IOCTL_OP(KASSIGN_GUEST_GET_STATUS, kassign_guest_status, 0, true,
		   guest_status) },
	{ }
};

long kassign_guest_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(guest_ops, file->private_data, cmd, arg, invoke_plain);
}

/* ---- device: handlers run under dev->lock, the device not gone ---- */

static long device_info(void *obj, void *data)
{
	struct kassign_device_info *arg = data;
	struct kassign_device *dev = obj;
	struct pci_dev *pdev = dev->pdev;

	arg->flags = dev->resettable ? KASSIGN_DEVICE_RESETTABLE : 0;
	arg->num_regions = KASSIGN_NUM_REGIONS;
	arg->num_irqs = KASSIGN_NUM_IRQS;
	arg->domain = pci_domain_nr(pdev->bus);
	arg->bus = pdev->bus->number;
	arg->devfn = pdev->devfn;
	arg->msix_cap = dev->config.msix;
	arg->msi_cap = dev->config.msi;
	arg->config_size = dev->config.size;
	arg->guest_id = dev->guest->id;
	arg->pad = 0;
	return 0;
}

static void bar_info(const struct kassign_bar *bar,
		     struct kassign_region_info *arg)
{
	arg->size = bar->size;
	if (!bar->size)
		return;
	arg->flags = KASSIGN_REGION_INFO_READ | KASSIGN_REGION_INFO_WRITE;
	if (bar->flags & IORESOURCE_IO)
		arg->flags |= KASSIGN_REGION_INFO_IO;
	if (bar->nr_areas)
		arg->flags |= KASSIGN_REGION_INFO_MMAP;
	arg->nr_areas = bar->nr_areas;
	memcpy(arg->areas, bar->areas, sizeof(arg->areas));
}

static long region_info(void *obj, void *data)
{
	struct kassign_region_info *arg = data;
	struct kassign_device *dev = obj;
	u32 index = arg->index;

	if (index >= KASSIGN_NUM_REGIONS)
		return -EINVAL;
	*arg = (struct kassign_region_info) {
		.argsz = arg->argsz,
		.index = index,
		.offset = KASSIGN_REGION_OFFSET(index),
	};
	if (index <= KASSIGN_REGION_BAR5) {
		bar_info(&dev->bar[index], arg);
	} else if (index == KASSIGN_REGION_ROM && dev->rom.size) {
		arg->size = dev->rom.size;
		arg->flags = KASSIGN_REGION_INFO_READ;
	} else if (index == KASSIGN_REGION_CONFIG) {
		arg->size = dev->config.size;
		arg->flags = KASSIGN_REGION_INFO_READ | KASSIGN_REGION_INFO_WRITE;
	}
	return 0;
}

static u32 irq_flags(u32 index)
{
	switch (index) {
	case KASSIGN_IRQ_INTX:
		return KASSIGN_IRQ_INFO_LEVEL;
	case KASSIGN_IRQ_MSI:
	case KASSIGN_IRQ_MSIX:
		return KASSIGN_IRQ_INFO_INJECT;
	default:
		return 0;
	}
}

static long irq_info(void *obj, void *data)
{
	struct kassign_irq_info *arg = data;

	if (arg->index >= KASSIGN_NUM_IRQS)
		return -EINVAL;
	arg->count = kassign_irq_count(obj, arg->index);
	arg->flags = 0;
	if (arg->count)
		arg->flags = KASSIGN_IRQ_INFO_EVENTFD |
			     irq_flags(arg->index);
	return 0;
}

/* More than any device has: 2048 MSI-X vectors (PCI Local Bus 3.0, 6.8.2) */
#define MAX_VECTORS	2048

static int prep_set_irqs(void *data)
{
	struct kassign_set_irqs *arg = data;
	void *fds;

	if (arg->flags != KASSIGN_SET_IRQS_EVENTFD &&
	    arg->flags != KASSIGN_SET_IRQS_RESAMPLE) {
		arg->fds = 0;
		return 0;
	}
	if (!arg->count || arg->count > MAX_VECTORS)
		return -EINVAL;
	fds = memdup_user(u64_to_user_ptr(arg->fds), arg->count * sizeof(s32));
	if (IS_ERR(fds))
		return PTR_ERR(fds);
	arg->fds = (uintptr_t)fds;
	return 0;
}

static void done_set_irqs(void *data)
{
	struct kassign_set_irqs *arg = data;

	kfree((void *)(uintptr_t)arg->fds);
}

/* What only a line has */
static long set_line(struct kassign_device *dev,
		     const struct kassign_set_irqs *arg)
{
	const s32 *fds = (const s32 *)(uintptr_t)arg->fds;

	if (arg->index != KASSIGN_IRQ_INTX || arg->start || arg->count != 1)
		return -EINVAL;
	if (arg->flags == KASSIGN_SET_IRQS_RESAMPLE)
		return kassign_intx_resample(dev, fds[0]);
	return kassign_intx_mask(dev, arg->flags == KASSIGN_SET_IRQS_MASK);
}

static long set_irqs(void *obj, void *data)
{
	const struct kassign_set_irqs *arg = data;
	bool whole = !arg->start && !arg->count;

	if (arg->pad || arg->index >= KASSIGN_NUM_IRQS)
		return -EINVAL;
	switch (arg->flags) {
	case KASSIGN_SET_IRQS_MASK:
	case KASSIGN_SET_IRQS_UNMASK:
	case KASSIGN_SET_IRQS_RESAMPLE:
		return set_line(obj, arg);
	case KASSIGN_SET_IRQS_EVENTFD:
		return kassign_irq_set_eventfds(obj, arg->index, arg->start,
						arg->count,
						(s32 *)(uintptr_t)arg->fds);
	case KASSIGN_SET_IRQS_LOOPBACK:
		return kassign_irq_loopback(obj, arg->index, arg->start,
					    arg->count);
	case KASSIGN_SET_IRQS_INJECT:
		return whole ? kassign_irq_inject_on(obj, arg->index) : -EINVAL;
	case KASSIGN_SET_IRQS_DISABLE:
		if (!whole)
			return -EINVAL;
		kassign_irq_disable(obj, arg->index);
		return 0;
	default:
		return -EINVAL;
	}
}

static long device_reset(void *obj, void *data)
{
	return kassign_device_do_reset(obj);
}

static long device_status(void *obj, void *data)
{
	struct kassign_device_status *arg = data;
	struct kassign_device *dev = obj;

	arg->flags = kassign_device_flags(dev);
	kassign_irq_enabled(dev, &arg->irq_index, &arg->irq_vectors);
	arg->bar_slots = kassign_bars_slots(dev);
	arg->resets = dev->resets;
	kassign_irq_totals(dev, &arg->irqs, &arg->irqs_failed);
	arg->trapped = dev->trapped;
	arg->config_accesses = dev->config_accesses;
	arg->faults = atomic64_read(&dev->faults);
	arg->fault_addr = READ_ONCE(dev->fault_addr);
	arg->errors = atomic64_read(&dev->errors);
	return 0;
}

static long report_faults(void *obj, void *data)
{
	const struct kassign_report_faults *arg = data;

	if (!arg->count)
		return -EINVAL;
	kassign_device_fault(obj, arg->count, arg->addr);
	return 0;
}

#define SET_IRQS_FLAGS	(KASSIGN_SET_IRQS_EVENTFD | KASSIGN_SET_IRQS_DISABLE | \
			 KASSIGN_SET_IRQS_INJECT | KASSIGN_SET_IRQS_LOOPBACK | \
			 KASSIGN_SET_IRQS_MASK | KASSIGN_SET_IRQS_UNMASK | \
			 KASSIGN_SET_IRQS_RESAMPLE)

static const struct ioctl_op device_ops[] = {
	{ IOCTL_OP(KASSIGN_DEVICE_GET_INFO, kassign_device_info, 0, true,
		   device_info) },
	{ IOCTL_OP(KASSIGN_DEVICE_GET_REGION_INFO, kassign_region_info, 0, true,
		   region_info) },
	{ IOCTL_OP(KASSIGN_DEVICE_GET_IRQ_INFO, kassign_irq_info, 0, true,
		   irq_info) },
	{ IOCTL_OP(KASSIGN_DEVICE_SET_IRQS, kassign_set_irqs, SET_IRQS_FLAGS,
		   false, set_irqs),
	  .prep = prep_set_irqs, .done = done_set_irqs },
	{ IOCTL_OP(KASSIGN_DEVICE_RESET, kassign_device_reset, 0, false,
		   device_reset) },
	{ IOCTL_OP(KASSIGN_DEVICE_GET_STATUS, kassign_device_status, 0, true,
		   device_status) },
	{ IOCTL_OP(KASSIGN_DEVICE_REPORT_FAULTS, kassign_report_faults, 0, false,
		   report_faults) },
	{ }
};

static long invoke_device(const struct ioctl_op *op, void *obj, void *arg)
{
	struct kassign_device *dev = obj;
	long ret = -ENODEV;

	device_lock(&dev->pdev->dev);
	mutex_lock(&dev->lock);
	if (!dev->gone)
		ret = op->fn(dev, arg);
	mutex_unlock(&dev->lock);
	device_unlock(&dev->pdev->dev);
	return ret;
}

long kassign_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(device_ops, file->private_data, cmd, arg, invoke_device);
}
