// SPDX-License-Identifier: GPL-2.0-only
/*
 * The UAPI's rules: sizes, flags, pointers, descriptors of the wrong kind.
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "tap.h"

#define ASSERT_ERRNO(call, err)						\
	do {								\
		errno = 0;						\
		ASSERT((call) < 0);					\
		ASSERT_EQ(errno, err);					\
	} while (0)

static int control(void)
{
	int fd = kassign_open();

	ASSERT(fd >= 0);
	return fd;
}

TEST(info_tells_version_and_features)
{
	struct kassign_info info;

	ASSERT_EQ(kassign_get_info(control(), &info), 0);
	ASSERT_EQ(info.api_version, KASSIGN_API_VERSION);
	ASSERT(info.features & KASSIGN_FEATURE_INJECT);
}

TEST(sizes_are_checked)
{
	struct {
		struct kassign_info info;
		char more[64];
	} arg = { 0 };
	int fd = control();

	ASSERT_ERRNO(ioctl(fd, KASSIGN_GET_INFO, &arg), EINVAL);
	arg.info.argsz = sizeof(arg.info) - 1;
	ASSERT_ERRNO(ioctl(fd, KASSIGN_GET_INFO, &arg), EINVAL);
	arg.info.argsz = sizeof(arg);
	ASSERT_OK(ioctl(fd, KASSIGN_GET_INFO, &arg));
	ASSERT_EQ(arg.info.argsz, sizeof(arg));
	memset(&arg.info, 0, sizeof(arg.info));
	arg.info.argsz = sizeof(arg);
	arg.more[63] = 1;
	ASSERT_ERRNO(ioctl(fd, KASSIGN_GET_INFO, &arg), E2BIG);
	arg.info.argsz = 1 << 20;
	ASSERT_ERRNO(ioctl(fd, KASSIGN_GET_INFO, &arg), EINVAL);
}

TEST(unknown_flags_and_commands_are_refused)
{
	struct kassign_info info = { .argsz = sizeof(info), .flags = 1 };
	int fd = control();

	ASSERT_ERRNO(ioctl(fd, KASSIGN_GET_INFO, &info), EINVAL);
	info.flags = 0;
	info.pad = 1;
	ASSERT_ERRNO(ioctl(fd, KASSIGN_GET_INFO, &info), EINVAL);
	ASSERT_ERRNO(ioctl(fd, KASSIGN_GUEST_SYNC, &info), ENOTTY);
	ASSERT_ERRNO(ioctl(fd, 0x1234, &info), ENOTTY);
}

TEST(bad_pointers_are_refused)
{
	int fd = control();

	ASSERT_ERRNO(ioctl(fd, KASSIGN_GET_INFO, NULL), EFAULT);
	ASSERT_ERRNO(ioctl(fd, KASSIGN_GET_INFO, -4096L), EFAULT);
}

static void refuse_fd(int ctl, int fd, int err)
{
	char why[128];
	int ret = kassign_guest_open(ctl, fd, why, sizeof(why));

	ASSERT_EQ(ret, -err);
	ASSERT(why[0]);
}

TEST(only_a_vm_opens_a_guest)
{
	struct vmm vmm;
	int ctl = control();

	vmm_start(&vmm, VMM_ANON);
	refuse_fd(ctl, -1, EBADF);
	refuse_fd(ctl, 999, EBADF);
	refuse_fd(ctl, open("/etc/passwd", O_RDONLY), EINVAL);
	refuse_fd(ctl, eventfd(0, 0), EINVAL);
	refuse_fd(ctl, vmm.kvm_fd, EINVAL);
	refuse_fd(ctl, vmm.vcpu_fd, EINVAL);
	refuse_fd(ctl, ctl, EINVAL);
	ASSERT(kassign_guest_open(ctl, vmm.vm_fd, NULL, 0) >= 0);
}

TEST(a_reason_is_cut_to_the_buffer)
{
	char why[8] = "xxxxxxx";

	ASSERT_EQ(kassign_guest_open(control(), 999, why, 5), -EBADF);
	ASSERT_EQ(strlen(why), 4);
	ASSERT_EQ(why[5], 'x');
}

TEST(the_same_vm_is_the_same_guest)
{
	struct kassign_guest_status a, b;
	struct rig rig;
	int other;

	vmm_start(&rig.vmm, VMM_ANON);
	rig.guest = rig_guest(&rig);
	other = kassign_guest_open(rig.ctl, rig.vmm.vm_fd, NULL, 0);
	ASSERT(other >= 0);
	ASSERT_EQ(kassign_guest_get_status(rig.guest, &a), 0);
	ASSERT_EQ(kassign_guest_get_status(other, &b), 0);
	ASSERT_EQ(a.guest_id, b.guest_id);
	ASSERT_EQ(a.pid, getpid());
	ASSERT_EQ(a.devices, 0);
}

TEST(devices_that_cannot_be_assigned_are_named)
{
	struct kassign_bdf none = { .bus = 0xee };
	struct kassign_bdf bridge = { .dev = 4 };
	struct rig rig;
	char why[256];

	vmm_start(&rig.vmm, VMM_ANON);
	rig.guest = rig_guest(&rig);
	ASSERT_EQ(kassign_add_device(rig.guest, &none, why, sizeof(why)), -ENODEV);
	ASSERT(strstr(why, "0000:ee:00.0"));
	ASSERT_EQ(kassign_add_device(rig.guest, &bridge, why, sizeof(why)),
		  -ENODEV);
	ASSERT(strstr(why, "not bound"));
}

TEST(too_many_workers_are_refused)
{
	struct kassign_add_device arg = { .argsz = sizeof(arg), .workers = 33 };
	struct rig rig;

	vmm_start(&rig.vmm, VMM_ANON);
	rig.guest = rig_guest(&rig);
	ASSERT_EQ(ioctl(rig.guest, KASSIGN_GUEST_ADD_DEVICE, &arg), -1);
	ASSERT_EQ(errno, EINVAL);
	arg.workers = 32;
	ASSERT_EQ(ioctl(rig.guest, KASSIGN_GUEST_ADD_DEVICE, &arg), -1);
	ASSERT_EQ(errno, ENODEV);
}

TEST(a_group_with_a_host_driver_is_refused)
{
	struct kassign_bdf shared = { .bus = 6, .dev = 2 };
	struct rig rig;
	char why[256];

	ASSERT(host_has_driver(EDU_SHARED_PEER, "e1000"));
	host_bind(EDU_SHARED);
	vmm_start(&rig.vmm, VMM_ANON);
	rig.guest = rig_guest(&rig);
	ASSERT_EQ(kassign_add_device(rig.guest, &shared, why, sizeof(why)),
		  -EBUSY);
	ASSERT(strstr(why, EDU_SHARED_PEER));
	ASSERT(strstr(why, "e1000"));
	host_expect_state(EDU_SHARED, KASSIGN_DEV_FREE);
	host_rebind(EDU_SHARED);
}

TEST(an_assigned_device_is_not_assigned_twice)
{
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	ASSERT_EQ(rig_assign(rig.guest, EDU), -EBUSY);
	ASSERT_EQ(host_state(EDU), KASSIGN_DEV_ASSIGNED);
	rig_end(&rig);
}

TEST(regions_are_described_and_bounded)
{
	struct kassign_region_info info;
	struct rig rig;
	uint32_t value;

	rig_start(&rig, EDU, VMM_ANON);
	ASSERT_EQ(kassign_device_get_region(rig.dev, 0, &info), 0);
	ASSERT_EQ(info.size, 1 << 20);
	ASSERT(info.flags & KASSIGN_REGION_INFO_MMAP);
	ASSERT_EQ(kassign_device_get_region(rig.dev, 1, &info), 0);
	ASSERT_EQ(info.size, 0);
	ASSERT_EQ(kassign_device_get_region(rig.dev, 8, &info), -EINVAL);
	ASSERT_EQ(kassign_region_read(rig.dev, 0, 1 << 20, &value, 4), -EINVAL);
	ASSERT_EQ(kassign_region_read(rig.dev, 0, 2, &value, 4), -EINVAL);
	ASSERT_EQ(kassign_region_read(rig.dev, 0, 0, &value, 3), -EINVAL);
	ASSERT_EQ(kassign_region_read(rig.dev, 1, 0, &value, 4), -EINVAL);
	ASSERT_EQ(kassign_region_read(rig.dev, 6, 0, &value, 4), -EINVAL);
	ASSERT_EQ(kassign_region_write(rig.dev, 6, 0, &value, 4), -EINVAL);
	ASSERT_EQ(kassign_region_read(rig.dev, 9, 0, &value, 4), -EINVAL);
	ASSERT_EQ(kassign_region_read(rig.dev, 7, 4096, &value, 1), -EINVAL);
	ASSERT_EQ(edu_read(rig.dev, EDU_ID), EDU_ID_VALUE);
	rig_end(&rig);
}

static void *map(int dev, uint32_t index, uint64_t off, size_t len, int flags)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, flags, dev,
		    KASSIGN_REGION_OFFSET(index) + off);
}

TEST(only_bars_can_be_mapped)
{
	volatile uint32_t *bar;
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	ASSERT(map(rig.dev, 0, 0, 2 << 20, MAP_SHARED) == MAP_FAILED);
	ASSERT(map(rig.dev, 0, 1 << 20, 4096, MAP_SHARED) == MAP_FAILED);
	ASSERT(map(rig.dev, 1, 0, 4096, MAP_SHARED) == MAP_FAILED);
	ASSERT(map(rig.dev, 7, 0, 4096, MAP_SHARED) == MAP_FAILED);
	ASSERT(map(rig.dev, 0, 0, 4096, MAP_PRIVATE) == MAP_FAILED);
	bar = map(rig.dev, 0, 0, 4096, MAP_SHARED);
	ASSERT(bar != MAP_FAILED);
	ASSERT_EQ(bar[0], EDU_ID_VALUE);
	bar[1] = 0x0f0f0f0f;
	ASSERT_EQ(bar[1], 0xf0f0f0f0);
	munmap((void *)bar, 4096);
	rig_end(&rig);
}

TEST(pages_of_the_msix_table_are_not_mapped)
{
	struct kassign_region_info info;
	struct rig rig;
	uint32_t i;

	rig_start(&rig, IGB, VMM_ANON);
	ASSERT_EQ(kassign_device_get_region(rig.dev, 3, &info), 0);
	ASSERT(info.size);
	for (i = 0; i < info.nr_areas; i++)
		ASSERT(info.areas[i].offset > 0);
	ASSERT(map(rig.dev, 3, 0, 4096, MAP_SHARED) == MAP_FAILED);
	rig_end(&rig);
	host_rebind(IGB);
}

TEST(others_than_root_cannot_open_the_control_device)
{
	ASSERT_OK(setuid(65534));
	ASSERT_EQ(kassign_open(), -EACCES);
}

TEST(anybody_can_list_devices)
{
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	ASSERT_OK(setuid(65534));
	ASSERT_EQ(host_state(EDU), KASSIGN_DEV_ASSIGNED);
}

/* ---- a VMM that does not give its memory ---- */

static int userfault(void *p, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		SKIP("this kernel has no userfaultfd");
	ASSERT_OK(ioctl(fd, UFFDIO_API, &api));
	ASSERT_OK(ioctl(fd, UFFDIO_REGISTER, &reg));
	return fd;
}

static void *sync_thread(void *arg)
{
	struct rig *rig = arg;

	kassign_guest_sync(rig->guest, 0, NULL);
	return NULL;
}

/* The device's lock is held while it waits for that of the memory. */
static void *decode_thread(void *arg)
{
	struct rig *rig = arg;

	config_write(rig->dev, PCI_COMMAND, 2, 0);
	config_write(rig->dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	return NULL;
}

/* In a process of its own: it may be stuck. True if it was told within 5 s. */
static bool listed_soon(int uffd)
{
	pid_t pid = fork();
	int i, status;

	ASSERT_OK(pid);
	if (pid == 0) {
		close(uffd);
		_exit(host_state(EDU) != KASSIGN_DEV_ASSIGNED);
	}
	for (i = 0; i < 500; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) && !WEXITSTATUS(status);
		usleep(10000);
	}
	return false;
}

TEST(a_list_does_not_wait_for_a_vmm)
{
	size_t size = 2 << 20;
	void *hva = vmm_reserve(size);
	pthread_t syncs, decodes;
	struct rig rig;
	bool soon;
	int uffd;

	vmm_memory_at(hva, size);
	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	uffd = userfault(hva, size);
	vmm_set_slot(&rig.vmm, VMM_MAX_SLOTS, 5ULL << 30, hva, size);
	ASSERT_EQ(pthread_create(&syncs, NULL, sync_thread, &rig), 0);
	usleep(300000);
	ASSERT_EQ(pthread_create(&decodes, NULL, decode_thread, &rig), 0);
	usleep(300000);
	soon = listed_soon(uffd);
	/* Closed, it gives empty pages to all who wait. */
	close(uffd);
	pthread_join(syncs, NULL);
	pthread_join(decodes, NULL);
	ASSERT(soon);
	rig_end(&rig);
}

TEST(a_guest_fd_alone_assigns_nothing)
{
	struct rig rig;

	host_bind(EDU);
	vmm_start(&rig.vmm, VMM_ANON);
	rig.guest = rig_guest(&rig);
	ASSERT_OK(setuid(65534));
	ASSERT_EQ(rig_assign(rig.guest, EDU), -EPERM);
	ASSERT_EQ(host_state(EDU), KASSIGN_DEV_FREE);
}
