// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call of the module that can fail, made to fail in turn: first the first
 * one of an operation, then the second, until the operation has no more. After
 * each, all is as before, and the operation works.
 *
 * Needs a module with fault injection (src/fault.h). On a kernel with failslab
 * and fail_page_alloc also every allocation deeper in the kernel.
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "mirror.h"
#include "nic.h"
#include "tap.h"

#define NTH	"/sys/module/kassign/parameters/fault_nth"
#define WORKERS	"/sys/module/kassign/parameters/map_workers"
#define SITES	"/sys/kernel/debug/kassign/fault_sites"
#define SLOT_GPA (5ULL << 30)
#define ROM_GPA (6ULL << 30)
#define VECTOR	0x41

/* ---- arming ---- */

static void put_number(const char *path, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	ASSERT_EQ(host_put(path, text), 0);
}

static long get_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);

	ASSERT(fd >= 0);
	ASSERT(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atol(text);
}

static void need_faults(void)
{
	const char *build = getenv("KASSIGN_BUILD");

	if (!access(NTH, W_OK))
		return;
	if (build && (strstr(build, "-faults") || !strcmp(build, "debug")))
		TAP_FAIL("a module that was built as \"%s\" has no fault injection", build);
	SKIP("the module has no fault injection (build it with KASSIGN_FAULTS=y)");
}

/* Did the fault happen? */
static bool disarm(void)
{
	bool fired = !get_number(NTH);

	put_number(NTH, 0);
	return fired;
}

/* ---- the picture before and after ---- */

struct picture {
	long pins;
	int fds;
	int guests;
};

static int open_fds(void)
{
	int fd, nr = 0;

	for (fd = 0; fd < 256; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static int guests(void)
{
	struct kassign_guest_entry *entries;
	int nr = kassign_list_guests(&entries);

	if (nr > 0)
		free(entries);
	return nr;
}

static struct picture picture(void)
{
	return (struct picture) { host_pins(), open_fds(), guests() };
}

static void expect_picture(const struct picture *before)
{
	int i;

	host_expect_pins(before->pins);
	ASSERT_EQ(open_fds(), before->fds);
	for (i = 0; i < 100 && guests() != before->guests; i++)
		usleep(10000);
	ASSERT_EQ(guests(), before->guests);
}

/* Is this an error a person understands without a reason of ours? */
static bool plain(int err)
{
	return err == -ENOMEM || err == -EINTR || err == -EMFILE ||
	       err == -ENFILE || err == -EFAULT;
}

static void expect_works(struct rig *rig)
{
	unsigned char *p = vmm_ptr(&rig->vmm, 0x400000);

	ASSERT_EQ(edu_read(rig->dev, EDU_ID), EDU_ID_VALUE);
	memset(p, 0xa5, 64);
	edu_dma(rig->dev, 0x400000, 64, false);
	memset(p, 0, 64);
	edu_dma(rig->dev, 0x400000, 64, true);
	ASSERT_EQ(p[0], 0xa5);
	ASSERT_EQ(p[63], 0xa5);
}

/* A VM, bound device, no guest fd. With one worker the calls come in one order. */
static void start_vm(struct rig *rig)
{
	need_faults();
	put_number(WORKERS, 1);
	mirror_blind(false);
	memset(rig, 0, sizeof(*rig));
	rig->guest = -1;
	rig->dev = -1;
	host_bind(EDU);
	vmm_start(&rig->vmm, VMM_ANON);
	rig->ctl = kassign_open();
	ASSERT(rig->ctl >= 0);
}

static void open_guest(struct rig *rig)
{
	char why[256] = "";

	rig->guest = kassign_guest_open(rig->ctl, rig->vmm.vm_fd, why,
					sizeof(why));
	ASSERT(rig->guest >= 0);
}

static int assign(struct rig *rig, char why[256])
{
	struct kassign_bdf addr;

	ASSERT_EQ(kassign_bdf_parse(EDU, &addr), 0);
	rig->dev = kassign_add_device(rig->guest, &addr, why, 256);
	return rig->dev;
}

static void start_attached(struct rig *rig)
{
	char why[256];

	start_vm(rig);
	open_guest(rig);
	ASSERT(assign(rig, why) >= 0);
	edu_enable(rig, BAR0_GPA);
}

static void end(struct rig *rig)
{
	if (rig->dev >= 0)
		close(rig->dev);
	if (rig->guest >= 0)
		close(rig->guest);
	close(rig->ctl);
	vmm_end(&rig->vmm);
	put_number(WORKERS, 0);
}

static void report(const char *what, int nr)
{
	printf("# %s: %d calls made to fail\n", what, nr - 1);
	ASSERT(nr > 1);
}

/* ---- one operation each ---- */

TEST(binding_the_driver)
{
	bool fired = true;
	int nr;

	need_faults();
	for (nr = 1; fired; nr++) {
		host_unbind(EDU);
		put_number(NTH, nr);
		host_try_bind(EDU);
		fired = disarm();
		if (fired)
			ASSERT_EQ(host_state(EDU), -1);
		host_bind(EDU);
		ASSERT_EQ(host_state(EDU), KASSIGN_DEV_FREE);
	}
	report("bind", nr - 1);
}

TEST(opening_a_guest)
{
	struct picture before;
	char why[256] = "";
	bool fired = true;
	struct rig rig;
	int nr, fd;

	start_vm(&rig);
	before = picture();
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		fd = kassign_guest_open(rig.ctl, rig.vmm.vm_fd, why, sizeof(why));
		fired = disarm();
		if (fd >= 0)
			close(fd);
		else
			ASSERT(why[0] || plain(fd));
		ASSERT(fired == (fd < 0));
		expect_picture(&before);
	}
	report("guest open", nr - 1);
	end(&rig);
}

TEST(asking_for_the_state)
{
	struct kassign_guest_status st;
	bool fired = true;
	struct rig rig;
	int nr, err;

	start_attached(&rig);
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		err = kassign_guest_get_status(rig.guest, &st);
		fired = disarm();
		ASSERT_EQ(err, fired ? -EFAULT : 0);
	}
	report("status", nr - 1);
	end(&rig);
}

#define MANY 1000000

/* Calls that can fail of an attach that goes well */
static int calls_of_attach(struct rig *rig, const struct kassign_bdf *addr)
{
	char why[256];
	int fd, nr;

	put_number(NTH, MANY);
	fd = kassign_add_device(rig->guest, addr, why, sizeof(why));
	nr = MANY - get_number(NTH);
	disarm();
	ASSERT(fd >= 0);
	close(fd);
	return nr;
}

/* Memory in many pieces is mapped by as many calls, all alike: a sample of those */
static int next_call(int nr, int total)
{
	if (nr < 60 || nr >= total - 60)
		return nr + 1;
	return nr + 1 + nr / 8 < total - 60 ? nr + 1 + nr / 8 : total - 60;
}

/* Attaches @bdf again and again, one call more going well each time. */
static void fail_each_attach(struct rig *rig, const char *bdf, const char *what)
{
	struct picture before = picture();
	struct kassign_bdf addr;
	char why[256] = "";
	bool fired = true;
	int nr, fd, total, made = 0;

	ASSERT_EQ(kassign_bdf_parse(bdf, &addr), 0);
	total = calls_of_attach(rig, &addr);
	host_expect_state(bdf, KASSIGN_DEV_FREE);
	for (nr = 1; fired; nr = next_call(nr, total)) {
		why[0] = '\0';
		put_number(NTH, nr);
		fd = kassign_add_device(rig->guest, &addr, why, sizeof(why));
		fired = disarm();
		made += fired;
		if (fd >= 0)
			close(fd);
		else
			ASSERT(why[0] || plain(fd));
		host_expect_state(bdf, KASSIGN_DEV_FREE);
		expect_picture(&before);
	}
	report(what, made + 1);
}

TEST(attaching)
{
	char why[256];
	struct rig rig;

	start_vm(&rig);
	open_guest(&rig);
	fail_each_attach(&rig, EDU, "attach");
	ASSERT(assign(&rig, why) >= 0);
	edu_enable(&rig, BAR0_GPA);
	expect_works(&rig);
	end(&rig);
}

/* Refused for a reason that cannot be handed over: the error is the same. */
TEST(a_reason_that_gets_lost)
{
	struct kassign_bdf nowhere = { .bus = 0x77 };
	char why[256] = "";
	struct rig rig;

	start_vm(&rig);
	open_guest(&rig);
	ASSERT_EQ(kassign_add_device(rig.guest, &nowhere, why, sizeof(why)),
		  -ENODEV);
	ASSERT(why[0]);
	put_number(NTH, 1);
	ASSERT_EQ(kassign_add_device(rig.guest, &nowhere, why, sizeof(why)),
		  -ENODEV);
	ASSERT(disarm());
	end(&rig);
}

/* A second device of the guest takes another path. */
TEST(attaching_a_second_device)
{
	struct rig rig;

	start_attached(&rig);
	host_bind(IGB);
	fail_each_attach(&rig, IGB, "second attach");
	expect_works(&rig);
	end(&rig);
	host_rebind(IGB);
}

TEST(releasing)
{
	struct picture before;
	bool fired = true;
	char why[256];
	struct rig rig;
	int nr;

	start_vm(&rig);
	open_guest(&rig);
	before = picture();
	for (nr = 1; fired; nr++) {
		ASSERT(assign(&rig, why) >= 0);
		rig.vmm.nr_mmio = 0;
		edu_enable(&rig, BAR0_GPA);
		ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSI), 0);
		host_program_msi(rig.dev, VECTOR, true);
		put_number(NTH, nr);
		close(rig.dev);
		host_expect_state(EDU, KASSIGN_DEV_FREE);
		host_expect_pins(before.pins);
		fired = disarm();
		expect_picture(&before);
	}
	report("release", nr - 1);
	ASSERT(assign(&rig, why) >= 0);
	rig.vmm.nr_mmio = 0;
	edu_enable(&rig, BAR0_GPA);
	expect_works(&rig);
	end(&rig);
}

/* As config_write(), but once more if the access itself was made to fail */
static void write_anyway(int dev, unsigned int off, unsigned int len,
			 uint32_t value)
{
	if (kassign_region_write(dev, KASSIGN_REGION_CONFIG, off, &value, len))
		config_write(dev, off, len, value);
}

/* On, elsewhere, off. The guest always reaches the device, directly or not. */
TEST(moving_bars)
{
	struct kassign_device_status st;
	bool fired = true;
	struct rig rig;
	int nr, pass = 0;

	start_attached(&rig);
	vmm_add_mmio(&rig.vmm, BAR0_GPA + (16 << 20), 1 << 20, rig.dev, 0);
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		write_anyway(rig.dev, PCI_COMMAND, 2, 0);
		write_anyway(rig.dev, PCI_BASE_ADDRESS_0, 4, BAR0_GPA + (16 << 20));
		write_anyway(rig.dev, PCI_COMMAND, 2,
			     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		fired = disarm();
		ASSERT_EQ(vmm_read(&rig.vmm, BAR0_GPA + (16 << 20), 1), EDU_ID_VALUE);
		config_write(rig.dev, PCI_COMMAND, 2, 0);
		config_write(rig.dev, PCI_BASE_ADDRESS_0, 4, BAR0_GPA);
		config_write(rig.dev, PCI_COMMAND, 2,
			     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		ASSERT_EQ(kassign_device_get_status(rig.dev, &st), 0);
		ASSERT_EQ(st.bar_slots, 1);
		ASSERT_EQ(vmm_read(&rig.vmm, BAR0_GPA, 1), EDU_ID_VALUE);
		/* Often: the check of the memslots may take a fault meant for us. */
		if (!fired && ++pass < 5) {
			fired = true;
			nr = 0;
		}
	}
	report("BAR moves", nr - 1);
	expect_works(&rig);
	end(&rig);
}

static void raise_once(struct rig *rig)
{
	uint64_t before = rig->vmm.mbox->irqs[VECTOR];

	edu_write(rig->dev, EDU_IRQ_RAISE, 1);
	edu_write(rig->dev, EDU_IRQ_ACK, 1);
	ASSERT(vmm_wait_irqs(&rig->vmm, VECTOR, before + 1));
}

TEST(interrupts_by_eventfd)
{
	int32_t fd = eventfd(0, EFD_NONBLOCK);
	bool fired = true;
	struct rig rig;
	int nr, fds, err;

	start_attached(&rig);
	vmm_irqfd(&rig.vmm, fd, 24, 0xfee00000, VECTOR);
	fds = open_fds();
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		err = kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, 0, 1, &fd);
		fired = disarm();
		/* The check of the memslots may have taken the fault. */
		ASSERT(fired || !err);
		ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSI), 0);
		ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_MSI, 0, 1,
					       &fd), 0);
		raise_once(&rig);
		ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSI), 0);
		ASSERT_EQ(open_fds(), fds);
	}
	report("irqfd", nr - 1);
	end(&rig);
}

static bool has_come(int fd)
{
	uint64_t n;
	int i;

	for (i = 0; i < 100; i++) {
		if (read(fd, &n, sizeof(n)) == sizeof(n))
			return n == 1;
		usleep(10000);
	}
	return false;
}

/* Two vectors; the second is added where the kernel can. */
static int set_msix(int dev, int32_t fd)
{
	int32_t fds[3] = { fd, -1, fd };

	return kassign_irq_eventfds(dev, KASSIGN_IRQ_MSIX, 0, 3, fds);
}

static int set_msi(int dev, int32_t fd)
{
	int err = kassign_irq_eventfds(dev, KASSIGN_IRQ_MSI, 0, 1, &fd);

	return err ? err : kassign_irq_disable(dev, KASSIGN_IRQ_MSI);
}

TEST(vectors_that_come_one_by_one)
{
	int32_t fd = eventfd(0, EFD_NONBLOCK);
	bool fired = true;
	struct rig rig;
	int nr, err;

	need_faults();
	rig_start(&rig, NIC, VMM_ANON);
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		err = set_msix(rig.dev, fd);
		fired = disarm();
		ASSERT(fired || !err);
		/* What failed half way is no obstacle, for another kind neither. */
		if (err)
			ASSERT_EQ(set_msi(rig.dev, fd), 0);
		ASSERT_EQ(set_msix(rig.dev, fd), 0);
		ASSERT_EQ(kassign_irq_loopback(rig.dev, KASSIGN_IRQ_MSIX, 2, 1), 0);
		ASSERT(has_come(fd));
		ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSIX), 0);
	}
	report("MSI-X", nr - 1);
	end(&rig);
	host_rebind(NIC);
}

static int set_line(int dev, int32_t trigger, int32_t resample)
{
	int err = kassign_irq_eventfds(dev, KASSIGN_IRQ_INTX, 0, 1, &trigger);

	return err ? err : kassign_intx_resample(dev, resample);
}

TEST(the_interrupt_line)
{
	int trigger = eventfd(0, EFD_NONBLOCK), resample = eventfd(0, EFD_NONBLOCK);
	bool fired = true;
	struct rig rig;
	int nr, err, fds;

	start_attached(&rig);
	fds = open_fds();
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		err = set_line(rig.dev, trigger, resample);
		fired = disarm();
		/* The check of the memslots may have taken the fault. */
		ASSERT(fired || !err);
		ASSERT_EQ(set_line(rig.dev, trigger, resample), 0);
		edu_write(rig.dev, EDU_IRQ_RAISE, 1);
		ASSERT(has_come(trigger));
		edu_write(rig.dev, EDU_IRQ_ACK, 1);
		ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_INTX), 0);
		ASSERT_EQ(open_fds(), fds);
	}
	report("line", nr - 1);
	end(&rig);
}

/* The enable bit last, and again if the write was made to fail */
static void enable_msi(struct rig *rig, unsigned int pos)
{
	write_anyway(rig->dev, pos + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	write_anyway(rig->dev, pos + PCI_MSI_DATA_64, 2, VECTOR);
	write_anyway(rig->dev, pos + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
}

/*
 * Acknowledged when the interrupt has come, or will not come. If the two calls
 * raced, the thread that injects could be the one behind the fault each time.
 */
static void raise_anyhow(struct rig *rig)
{
	uint64_t before = rig->vmm.mbox->irqs[VECTOR];
	uint32_t one = 1;

	kassign_region_write(rig->dev, 0, EDU_IRQ_RAISE, &one, 4);
	vmm_wait_irqs_for(&rig->vmm, VECTOR, before + 1, 500);
	kassign_region_write(rig->dev, 0, EDU_IRQ_ACK, &one, 4);
}

TEST(interrupts_by_injection)
{
	struct kassign_device_info info;
	bool fired = true;
	struct rig rig;
	int nr, err;

	start_attached(&rig);
	ASSERT_EQ(kassign_device_get_info(rig.dev, &info), 0);
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		err = kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSI);
		enable_msi(&rig, info.msi_cap);
		raise_anyhow(&rig);
		ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSI), 0);
		fired = disarm();
		ASSERT(fired || !err);
		host_program_msi(rig.dev, VECTOR, false);
		ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSI), 0);
		host_program_msi(rig.dev, VECTOR, true);
		raise_once(&rig);
		ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_MSI), 0);
		host_program_msi(rig.dev, VECTOR, false);
	}
	report("injection", nr - 1);
	end(&rig);
}

/* Every other page first, so that no two that are neighbours come one after the other */
static void scatter(volatile unsigned char *hva, size_t size)
{
	size_t at;

	if (size > 512 * 1024)
		return;
	ASSERT_OK(madvise((void *)hva, size, MADV_NOHUGEPAGE));
	for (at = 4096; at < size; at += 8192)
		hva[at] = 1;
	for (at = 0; at < size; at += 8192)
		hva[at] = 1;
}

/* New memory, and the loss of it */
static void follow(struct rig *rig, size_t size)
{
	struct kassign_guest_status st;
	bool fired = true;
	unsigned char *rom;
	int nr, err;

	for (nr = 1; fired; nr++) {
		rig->vmm.nr_slots = 1;
		scatter(vmm_add_slot(&rig->vmm, SLOT_GPA, size, 0, VMM_ANON), size);
		/* Nobody may write to this one, so it is pinned in another way. */
		rom = vmm_add_slot(&rig->vmm, ROM_GPA, 8192, 0, VMM_ANON);
		memset(rom, 1, 8192);
		ASSERT_OK(mprotect(rom, 8192, PROT_READ));
		put_number(NTH, nr);
		err = kassign_guest_sync(rig->guest, 0, NULL);
		vmm_del_slot(&rig->vmm, SLOT_GPA);
		vmm_del_slot(&rig->vmm, ROM_GPA);
		err |= kassign_guest_sync(rig->guest, KASSIGN_SYNC_NOW, NULL);
		fired = disarm();
		(void)err;
		ASSERT_EQ(kassign_guest_sync(rig->guest, KASSIGN_SYNC_NOW, NULL), 0);
		ASSERT_EQ(kassign_guest_get_status(rig->guest, &st), 0);
		ASSERT_EQ(st.mapped_bytes, VMM_LOW_SIZE);
		ASSERT_EQ(st.todo_bytes, 0);
	}
	report("sync", nr - 1);
}

TEST(following_the_memory)
{
	struct rig rig;

	start_attached(&rig);
	/* The periodic check must not do it in our place. */
	mirror_blind(true);
	/*
	 * In how many pieces memory is differs from time to time, and so do the calls
	 * that map it. Of one page, and of some that are scattered, they do not.
	 */
	follow(&rig, 4096);
	follow(&rig, 64 * 4096);
	follow(&rig, 4 << 20);
	mirror_blind(false);
	expect_works(&rig);
	end(&rig);
}

TEST(resetting)
{
	bool fired = true;
	struct rig rig;
	int nr;

	start_attached(&rig);
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		kassign_device_reset(rig.dev);
		fired = disarm();
		rig.vmm.nr_mmio = 0;
		edu_enable(&rig, BAR0_GPA);
		ASSERT_EQ(vmm_read(&rig.vmm, BAR0_GPA, 1), EDU_ID_VALUE);
	}
	report("reset", nr - 1);
	end(&rig);
}

TEST(long_accesses)
{
	unsigned char buf[256], copy[256];
	bool fired = true;
	struct rig rig;
	int nr, err;

	start_attached(&rig);
	ASSERT_EQ(kassign_region_read(rig.dev, 7, 0, copy, 256), 0);
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		err = kassign_region_read(rig.dev, 7, 0, buf, 256);
		if (!err)
			err = kassign_region_write(rig.dev, 7, 64, buf + 64, 16);
		fired = disarm();
		/* The check of the memslots may have taken the fault. */
		ASSERT(fired || !err);
		ASSERT_EQ(kassign_region_read(rig.dev, 7, 0, buf, 256), 0);
		ASSERT(!memcmp(buf, copy, 256));
	}
	report("accesses", nr - 1);
	end(&rig);
}

TEST(events)
{
	int32_t fd = eventfd(0, EFD_NONBLOCK);
	bool fired = true;
	struct rig rig;
	int nr, err;

	start_attached(&rig);
	for (nr = 1; fired; nr++) {
		put_number(NTH, nr);
		err = kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_ERR, 0, 1, &fd);
		fired = disarm();
		ASSERT(fired || !err);
		ASSERT_EQ(kassign_irq_eventfds(rig.dev, KASSIGN_IRQ_ERR, 0, 1, &fd), 0);
		ASSERT_EQ(kassign_irq_loopback(rig.dev, KASSIGN_IRQ_ERR, 0, 1), 0);
		ASSERT(has_come(fd));
		ASSERT_EQ(kassign_irq_disable(rig.dev, KASSIGN_IRQ_ERR), 0);
	}
	report("events", nr - 1);
	end(&rig);
}

/* It is read from the device at the first access only. */
TEST(the_option_rom)
{
	unsigned char buf[2] = { 0 };
	bool fired = true;
	struct rig rig;
	int nr, err;

	need_faults();
	for (nr = 1; fired; nr++) {
		rig_start(&rig, NIC, VMM_ANON);
		put_number(NTH, nr);
		err = kassign_region_read(rig.dev, KASSIGN_REGION_ROM, 0, buf, 2);
		fired = disarm();
		ASSERT(fired || !err);
		ASSERT_EQ(kassign_region_read(rig.dev, KASSIGN_REGION_ROM, 0, buf, 2), 0);
		ASSERT_EQ(buf[0] | buf[1] << 8, 0xaa55);
		end(&rig);
	}
	report("option ROM", nr - 1);
	host_rebind(NIC);
}

/* The VMM is killed; nobody is left to be told. */
TEST(dying)
{
	struct picture before;
	bool fired = true;
	int nr, status;
	pid_t pid;

	need_faults();
	host_bind(EDU);
	before = picture();
	for (nr = 1; fired; nr++) {
		pid = fork();
		if (!pid) {
			struct rig rig;

			start_attached(&rig);
			ASSERT_EQ(kassign_irq_inject(rig.dev, KASSIGN_IRQ_MSI), 0);
			host_program_msi(rig.dev, VECTOR, true);
			put_number(NTH, nr);
			kill(getpid(), SIGKILL);
		}
		waitpid(pid, &status, 0);
		ASSERT(WIFSIGNALED(status));
		host_expect_state(EDU, KASSIGN_DEV_FREE);
		expect_picture(&before);
		fired = disarm();
	}
	report("death", nr - 1);
}

/* Nothing that ran may have been left out. */
TEST(every_call_has_failed_once)
{
	char what[64], where[64];
	int runs, failed, nr = 0, never = 0;
	FILE *f;

	need_faults();
	f = fopen(SITES, "r");
	ASSERT(f);
	while (fscanf(f, "%63s %63s %d %d", what, where, &runs, &failed) == 4) {
		nr++;
		if (failed)
			continue;
		never++;
		printf("# never failed: %s in %s, ran %d times\n", what, where,
		       runs);
	}
	fclose(f);
	printf("# %d calls that can fail, %d never did\n", nr, never);
	ASSERT(nr > 40);
	ASSERT_EQ(never, 0);
}

/* ---- the kernel's own fault injection ---- */

#define FAIL_NTH "/proc/thread-self/fail-nth"

static void any_allocation(void)
{
	static const char * const all[] = {
		"failslab/ignore-gfp-wait", "fail_page_alloc/ignore-gfp-wait",
		"fail_page_alloc/ignore-gfp-highmem", "fail_page_alloc/min-order",
		"failslab/verbose", "fail_page_alloc/verbose",
	};
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", all[i]);
		put_number(path, 0);
	}
}

/*
 * In steps, for there are many: every allocation near the start, then a sample.
 * Those of the workers that map are not among them: the kernel counts by task.
 */
static int next_nth(int nr)
{
	return nr < 40 ? nr + 1 : nr + 1 + nr / 12;
}

/*
 * Enabling a device evaluates ACPI methods, and ACPICA frees what it still uses
 * when it gets no memory. A device
 * that is enabled already is spared that.
 */
static void spare_acpi(bool on)
{
	host_unbind(EDU);
	put_number("/sys/bus/pci/devices/" EDU "/enable", on);
	host_bind(EDU);
}

/* Opened before: opening allocates, too. */
static long fail_nth_left(int fd)
{
	char text[32] = "";

	ASSERT(pread(fd, text, sizeof(text) - 1, 0) > 0);
	return atol(text);
}

static void fail_nth(int fd, int nr)
{
	char text[32];
	int n = sprintf(text, "%d", nr);

	ASSERT_EQ(pwrite(fd, text, n, 0), n);
}

TEST(attaching_with_any_allocation_failing)
{
	struct picture before;
	char why[256] = "";
	struct rig rig;
	int nr, tried = 0, refused = 0, fd = open(FAIL_NTH, O_RDWR);
	long left = 0;

	if (fd < 0)
		SKIP("this kernel has no fault injection");
	start_vm(&rig);
	spare_acpi(true);
	open_guest(&rig);
	any_allocation();
	before = picture();
	for (nr = 1; !left; nr = next_nth(nr)) {
		fail_nth(fd, nr);
		assign(&rig, why);
		left = fail_nth_left(fd);
		fail_nth(fd, 0);
		tried++;
		refused += rig.dev < 0;
		if (rig.dev >= 0)
			close(rig.dev);
		host_expect_state(EDU, KASSIGN_DEV_FREE);
		expect_picture(&before);
	}
	printf("# %d of the first %d allocations tried, %d refused the attach\n",
	       tried, nr, refused);
	ASSERT(refused > 10);
	ASSERT(assign(&rig, why) >= 0);
	edu_enable(&rig, BAR0_GPA);
	expect_works(&rig);
	end(&rig);
	spare_acpi(false);
}

/*
 * Not so for the release: there the kernel's IOMMU core itself warns when it has
 * no memory to go back to the host's domain, for VFIO as for us. The calls of our
 * own are covered above.
 */
