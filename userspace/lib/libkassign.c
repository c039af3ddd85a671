// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libkassign: the ioctls. See libkassign.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libkassign.h"

/* Every argument starts with argsz; fills it in. */
#define CALL(fd, cmd, arg) ({ \
	__typeof__(arg) _arg = (arg); \
	_arg->argsz = sizeof(*_arg); \
	result(ioctl(fd, cmd, _arg)); })

static int result(int ret)
{
	return ret < 0 ? -errno : ret;
}

int kassign_open(void)
{
	return result(open(KASSIGN_DEV_PATH, O_RDWR | O_CLOEXEC));
}

int kassign_get_info(int ctl_fd, struct kassign_info *info)
{
	memset(info, 0, sizeof(*info));
	return CALL(ctl_fd, KASSIGN_GET_INFO, info);
}

int kassign_guest_open(int ctl_fd, int vm_fd, char *err, size_t err_len)
{
	struct kassign_guest_open arg = {
		.vm_fd = vm_fd,
		.err_len = err ? err_len : 0,
		.err_ptr = (uintptr_t)err,
	};

	if (err && err_len)
		err[0] = '\0';
	return CALL(ctl_fd, KASSIGN_GUEST_OPEN, &arg);
}

int kassign_add_device(int guest_fd, const struct kassign_bdf *bdf,
		       char *err, size_t err_len)
{
	struct kassign_add_device arg = {
		.domain = bdf->domain,
		.bus = bdf->bus,
		.devfn = bdf->dev << 3 | bdf->fn,
		.err_len = err ? err_len : 0,
		.err_ptr = (uintptr_t)err,
	};

	if (err && err_len)
		err[0] = '\0';
	return CALL(guest_fd, KASSIGN_GUEST_ADD_DEVICE, &arg);
}

int kassign_guest_sync(int guest_fd, uint32_t flags, uint64_t *generation)
{
	struct kassign_guest_sync arg = { .flags = flags };
	int ret = CALL(guest_fd, KASSIGN_GUEST_SYNC, &arg);

	if (!ret && generation)
		*generation = arg.generation;
	return ret;
}

int kassign_guest_get_status(int guest_fd, struct kassign_guest_status *st)
{
	memset(st, 0, sizeof(*st));
	return CALL(guest_fd, KASSIGN_GUEST_GET_STATUS, st);
}

int kassign_device_get_info(int dev_fd, struct kassign_device_info *info)
{
	memset(info, 0, sizeof(*info));
	return CALL(dev_fd, KASSIGN_DEVICE_GET_INFO, info);
}

int kassign_device_get_region(int dev_fd, uint32_t index,
			      struct kassign_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->index = index;
	return CALL(dev_fd, KASSIGN_DEVICE_GET_REGION_INFO, info);
}

int kassign_device_get_irq(int dev_fd, uint32_t index,
			   struct kassign_irq_info *info)
{
	memset(info, 0, sizeof(*info));
	info->index = index;
	return CALL(dev_fd, KASSIGN_DEVICE_GET_IRQ_INFO, info);
}

static int set_irqs(int dev_fd, uint32_t how, uint32_t index, uint32_t start,
		    uint32_t count, const int32_t *fds)
{
	struct kassign_set_irqs arg = {
		.flags = how,
		.index = index,
		.start = start,
		.count = count,
		.fds = (uintptr_t)fds,
	};

	return CALL(dev_fd, KASSIGN_DEVICE_SET_IRQS, &arg);
}

int kassign_irq_eventfds(int dev_fd, uint32_t index, uint32_t start,
			 uint32_t count, const int32_t *fds)
{
	return set_irqs(dev_fd, KASSIGN_SET_IRQS_EVENTFD, index, start, count,
			fds);
}

int kassign_intx_mask(int dev_fd, bool mask)
{
	return set_irqs(dev_fd, mask ? KASSIGN_SET_IRQS_MASK :
				       KASSIGN_SET_IRQS_UNMASK,
			KASSIGN_IRQ_INTX, 0, 1, NULL);
}

int kassign_intx_resample(int dev_fd, int32_t fd)
{
	return set_irqs(dev_fd, KASSIGN_SET_IRQS_RESAMPLE, KASSIGN_IRQ_INTX, 0,
			1, &fd);
}

int kassign_irq_disable(int dev_fd, uint32_t index)
{
	return set_irqs(dev_fd, KASSIGN_SET_IRQS_DISABLE, index, 0, 0, NULL);
}

int kassign_irq_inject(int dev_fd, uint32_t index)
{
	return set_irqs(dev_fd, KASSIGN_SET_IRQS_INJECT, index, 0, 0, NULL);
}

int kassign_irq_loopback(int dev_fd, uint32_t index, uint32_t start,
			 uint32_t count)
{
	return set_irqs(dev_fd, KASSIGN_SET_IRQS_LOOPBACK, index, start, count,
			NULL);
}

int kassign_device_reset(int dev_fd)
{
	struct kassign_device_reset arg = { 0 };

	return CALL(dev_fd, KASSIGN_DEVICE_RESET, &arg);
}

int kassign_device_get_status(int dev_fd, struct kassign_device_status *st)
{
	memset(st, 0, sizeof(*st));
	return CALL(dev_fd, KASSIGN_DEVICE_GET_STATUS, st);
}

int kassign_report_faults(int dev_fd, uint64_t count, uint64_t addr)
{
	struct kassign_report_faults arg = { .count = count, .addr = addr };

	return CALL(dev_fd, KASSIGN_DEVICE_REPORT_FAULTS, &arg);
}

static int whole(ssize_t done, size_t len)
{
	if (done < 0)
		return -errno;
	return (size_t)done == len ? 0 : -EIO;
}

int kassign_region_read(int dev_fd, uint32_t index, uint64_t off,
			void *buf, size_t len)
{
	return whole(pread(dev_fd, buf, len,
			   KASSIGN_REGION_OFFSET(index) + off), len);
}

int kassign_region_write(int dev_fd, uint32_t index, uint64_t off,
			 const void *buf, size_t len)
{
	return whole(pwrite(dev_fd, buf, len,
			    KASSIGN_REGION_OFFSET(index) + off), len);
}
