// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts: both ways into the guest.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host.h"
#include "nic.h"
#include "rnd.h"
#include "tap.h"

#define VECTOR 0x41

static void program_msi(struct rig *rig, uint8_t vector, bool enable)
{
	host_program_msi(rig->dev, vector, enable);
}

static void raise_irq(struct rig *rig)
{
	edu_write(rig->dev, EDU_IRQ_RAISE, 1);
	edu_write(rig->dev, EDU_IRQ_ACK, 1);
}

static struct kassign_device_status status(struct rig *rig)
{
	struct kassign_device_status st;

	ASSERT_EQ(kassign_device_get_status(rig->dev, &st), 0);
	return st;
}

static int start_irqfd(struct rig *rig)
{
	int32_t fd = eventfd(0, EFD_NONBLOCK);

	rig_start(rig, EDU, VMM_ANON);
	edu_enable(rig, BAR0_GPA);
	vmm_irqfd(&rig->vmm, fd, 24, 0xfee00000, VECTOR);
	ASSERT_EQ(kassign_irq_eventfds(rig->dev, KASSIGN_IRQ_MSI, 0, 1, &fd), 0);
	return fd;
}

static void start_inject(struct rig *rig)
{
	rig_start(rig, EDU, VMM_ANON);
	edu_enable(rig, BAR0_GPA);
	ASSERT_EQ(kassign_irq_inject(rig->dev, KASSIGN_IRQ_MSI), 0);
	program_msi(rig, VECTOR, true);
}

/* @n interrupts of the device, one after the other; each must arrive. */
static void count_irqs(struct rig *rig, int n)
{
	uint64_t before = rig->vmm.mbox->irqs[VECTOR];
	uint64_t counted = status(rig).irqs;
	int i;

	for (i = 1; i <= n; i++) {
		raise_irq(rig);
		ASSERT(vmm_wait_irqs(&rig->vmm, VECTOR, before + i));
	}
	ASSERT_EQ(rig->vmm.mbox->irqs[VECTOR], before + n);
	ASSERT_EQ(status(rig).irqs, counted + n);
	ASSERT_EQ(status(rig).irqs_failed, 0);
}

TEST(msi_by_irqfd_reaches_the_guest)
{
	struct rig rig;

	start_irqfd(&rig);
	count_irqs(&rig, 200);
	ASSERT_EQ(status(&rig).irq_index, KASSIGN_IRQ_MSI);
	rig_end(&rig);
}

TEST(msi_by_injection_reaches_the_guest)
{
	struct rig rig;

	start_inject(&rig);
	count_irqs(&rig, 200);
	ASSERT(status(&rig).flags & KASSIGN_STATUS_INJECT);
	rig_end(&rig);
}

/*
 * The guest itself raises them, without a trap, and acknowledges each: as many as it
 * raised arrive, in the guest and in the counters. IRQS=N of each kind.
 */
static void count_many(struct rig *rig)
{
	uint64_t n = env("IRQS", 3000), batch = 500, done;

	ASSERT_EQ(status(rig).bar_slots, 1);
	rig->vmm.mbox->ack = BAR0_GPA + EDU_IRQ_ACK;
	for (done = 0; done < n; done += batch) {
		ASSERT_EQ(vmm_raise(&rig->vmm, BAR0_GPA + EDU_IRQ_RAISE, VECTOR,
				    batch), batch);
		ASSERT_EQ(rig->vmm.mbox->irqs[VECTOR], done + batch);
	}
	usleep(10000);
	ASSERT_EQ(rig->vmm.mbox->irqs[VECTOR], done);
	ASSERT_EQ(status(rig).irqs, done);
	ASSERT_EQ(status(rig).irqs_failed, 0);
	printf("# %llu interrupts\n", (unsigned long long)done);
}

TEST(many_by_irqfd)
{
	struct rig rig;

	start_irqfd(&rig);
	count_many(&rig);
	rig_end(&rig);
}

TEST(many_by_injection)
{
	struct rig rig;

	start_inject(&rig);
	count_many(&rig);
	rig_end(&rig);
}

/* Through KVM's own IOAPIC, which tells the guest's end of interrupt */
TEST(many_by_the_line)
{
	int32_t fd = eventfd(0, EFD_NONBLOCK), resample = eventfd(0, EFD_NONBLOCK);
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	vmm_line(&rig.vmm, fd, resample, 10, VECTOR);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_INTX, 0, 1, &fd), 0);
	ASSERT_EQ(kassign_intx_resample(rig.dev, resample), 0);
	count_many(&rig);
	rig_end(&rig);
}

TEST(injection_follows_a_changed_vector)
{
	struct rig rig;

	start_inject(&rig);
	count_irqs(&rig, 1);
	program_msi(&rig, VECTOR + 1, true);
	raise_irq(&rig);
	ASSERT(vmm_wait_irqs(&rig.vmm, VECTOR + 1, 1));
	ASSERT_EQ(rig.vmm.mbox->irqs[VECTOR], 1);
	rig_end(&rig);
}

static void expect_silence(struct rig *rig)
{
	uint64_t before = rig->vmm.mbox->irqs[VECTOR];

	raise_irq(rig);
	usleep(100000);
	ASSERT_EQ(rig->vmm.mbox->irqs[VECTOR], before);
}

TEST(a_guest_that_disables_msi_gets_none)
{
	struct rig rig;

	start_inject(&rig);
	count_irqs(&rig, 1);
	program_msi(&rig, VECTOR, false);
	expect_silence(&rig);
	program_msi(&rig, VECTOR, true);
	count_irqs(&rig, 1);
	rig_end(&rig);
}

TEST(disable_ends_either_way)
{
	struct rig rig;

	start_irqfd(&rig);
	ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSI), 0);
	expect_silence(&rig);
	ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSI), 0);
	program_msi(&rig, VECTOR, true);
	count_irqs(&rig, 1);
	ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSI), 0);
	expect_silence(&rig);
	rig_end(&rig);
}

TEST(the_two_ways_exclude_each_other)
{
	struct rig rig;
	int32_t fd = eventfd(0, 0);

	start_inject(&rig);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, 0, 1, &fd),
		  -EBUSY);
	count_irqs(&rig, 1);
	rig_end(&rig);
}

/* A VM without an interrupt controller in KVM: its VMM delivers what the eventfds tell. */
TEST(without_an_irqchip_eventfds_tell_and_nothing_is_injected)
{
	int32_t fd = eventfd(0, EFD_NONBLOCK);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct rig rig = { };
	uint64_t count;

	host_bind(EDU);
	ASSERT_OK(rig.vmm.kvm_fd = open("/dev/kvm", O_RDWR));
	ASSERT_OK(rig.vmm.vm_fd = ioctl(rig.vmm.kvm_fd, KVM_CREATE_VM, 0));
	vmm_add_slot(&rig.vmm, 0, VMM_LOW_SIZE, 0, VMM_ANON);
	rig.guest = rig_guest(&rig);
	rig.dev = rig_assign(rig.guest, EDU);
	ASSERT_OK(rig.dev);
	ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSI), -EOPNOTSUPP);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, 0, 1, &fd), 0);
	config_write(rig.dev, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	raise_irq(&rig);
	ASSERT_EQ(poll(&p, 1, 2000), 1);
	ASSERT_EQ(read(fd, &count, sizeof(count)), sizeof(count));
	ASSERT_EQ(count, 1);
	close(rig.dev);
	close(rig.guest);
	close(rig.ctl);
	close(rig.vmm.vm_fd);
	close(rig.vmm.kvm_fd);
}

TEST(loopback_delivers_without_the_device)
{
	struct rig rig;

	start_irqfd(&rig);
	ASSERT_EQ(kassign_irq_loopback(rig.dev, KASSIGN_IRQ_MSI, 0, 1), 0);
	ASSERT(vmm_wait_irqs(&rig.vmm, VECTOR, 1));
	ASSERT_EQ(kassign_irq_loopback(rig.dev, KASSIGN_IRQ_MSI, 1, 1), -EINVAL);
	rig_end(&rig);
	start_inject(&rig);
	ASSERT_EQ(kassign_irq_loopback(rig.dev, KASSIGN_IRQ_MSI, 0, 1), 0);
	ASSERT(vmm_wait_irqs(&rig.vmm, VECTOR, 1));
	rig_end(&rig);
}

TEST(an_interrupt_waits_for_its_eventfd)
{
	struct rig rig;
	int32_t none = -1, fd;

	fd = start_irqfd(&rig);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, 0, 1, &none), 0);
	expect_silence(&rig);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, 0, 1, &fd), 0);
	ASSERT(vmm_wait_irqs(&rig.vmm, VECTOR, 1));
	rig_end(&rig);
}

/* Interrupts of the host that a function has */
static int host_irqs(const char *bdf)
{
	char path[128];
	int nr = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/msi_irqs", bdf);
	dir = opendir(path);
	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return dir ? nr - 2 : 0;
}

static void unmask(struct rig *rig, const struct kassign_region_info *table,
		   unsigned int entry)
{
	uint32_t open = 0;

	ASSERT_EQ(kassign_region_write(rig->dev, table->index, entry * 16 + 12,
				       &open, sizeof(open)), 0);
}

/* The NIC has 5 vectors; its table is at the start of BAR 3. */
TEST(msix_vectors_take_an_interrupt_of_the_host_when_they_are_used)
{
	int32_t fd = eventfd(0, EFD_NONBLOCK), fds[5] = { fd, fd, fd, fd, fd };
	struct kassign_region_info table = { .index = 3 };
	struct kassign_device_info info;
	uint64_t count = 0;
	struct rig rig;

	rig_start(&rig, NIC, VMM_ANON);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSIX, 2, 1, &fd), 0);
	if (host_irqs(NIC) == 5)
		SKIP("this kernel cannot add vectors");
	ASSERT_EQ(host_irqs(NIC), 2);
	ASSERT_EQ(kassign_irq_loopback(rig.dev, KASSIGN_IRQ_MSIX, 4, 1), -EINVAL);
	/* One eventfd for all is no error, though posting wants one for each. */
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSIX, 0, 5, fds), 0);
	ASSERT_EQ(host_irqs(NIC), 5);
	ASSERT_EQ(kassign_irq_loopback(rig.dev, KASSIGN_IRQ_MSIX, 0, 5), 0);
	ASSERT_EQ(read(fd, &count, sizeof(count)), sizeof(count));
	ASSERT_EQ(count, 5);
	ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSIX), 0);
	ASSERT_EQ(host_irqs(NIC), 0);

	ASSERT_EQ(kassign_device_get_info(rig.dev, &info), 0);
	ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSIX), 0);
	unmask(&rig, &table, 1);
	config_write(rig.dev, info.msix_cap + PCI_MSIX_FLAGS, 2,
		     PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	ASSERT_EQ(host_irqs(NIC), 1);
	config_write(rig.dev, info.msix_cap + PCI_MSIX_FLAGS, 2,
		     PCI_MSIX_FLAGS_ENABLE);
	ASSERT_EQ(host_irqs(NIC), 2);
	unmask(&rig, &table, 4);
	ASSERT_EQ(host_irqs(NIC), 3);
	config_write(rig.dev, info.msix_cap + PCI_MSIX_FLAGS, 2, 0);
	ASSERT_EQ(host_irqs(NIC), 0);
	rig_end(&rig);
	host_rebind(NIC);
}

TEST(wrong_arguments_are_refused)
{
	struct kassign_irq_info info;
	struct rig rig;
	int32_t bad = 1, closed = 999, fds[40] = { 0 };

	rig_start(&rig, EDU, VMM_ANON);
	ASSERT_EQ(kassign_device_get_irq(rig.dev, KASSIGN_IRQ_MSI, &info), 0);
	ASSERT_EQ(info.count, 1);
	ASSERT_EQ(kassign_device_get_irq(rig.dev, KASSIGN_IRQ_MSIX, &info), 0);
	ASSERT_EQ(info.count, 0);
	ASSERT_EQ(kassign_device_get_irq(rig.dev, KASSIGN_NUM_IRQS, &info), -EINVAL);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, 0, 1, &bad),
		  -EINVAL);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, 0, 1, &closed),
		  -EBADF);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, 0, 40, fds),
		  -EINVAL);
	ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, ~0U, 1, fds),
		  -EINVAL);
	ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSIX), -EINVAL);
	ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_INTX), -EINVAL);
	rig_end(&rig);
}
