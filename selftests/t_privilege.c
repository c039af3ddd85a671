// SPDX-License-Identifier: GPL-2.0-only
/*
 * What device and guest fds give their holder, privileged or not: that device,
 * that guest, nothing else.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kassign.h>

#include "host.h"
#include "rnd.h"
#include "tap.h"

TEST(reported_faults_are_counted)
{
	struct kassign_device_status st;
	struct rig rig;

	rig_start(&rig, EDU, VMM_ANON);
	ASSERT_EQ(kassign_device_get_status(rig.dev, &st), 0);
	ASSERT_EQ(st.faults, 0);
	ASSERT_EQ(kassign_report_faults(rig.dev, 0, 0x1000), -EINVAL);
	ASSERT_EQ(kassign_report_faults(rig.dev, 3, 0x123456789000), 0);
	ASSERT_EQ(kassign_report_faults(rig.dev, 4, 0xfffff000), 0);
	ASSERT_EQ(kassign_device_get_status(rig.dev, &st), 0);
	ASSERT_EQ(st.faults, 7);
	ASSERT_EQ(st.fault_addr, 0xfffff000);
	ASSERT_EQ(kassign_report_faults(rig.ctl, 1, 0), -ENOTTY);
	ASSERT_EQ(kassign_report_faults(rig.guest, 1, 0), -ENOTTY);
	rig_end(&rig);
}

/* ---- 32-bit callers ---- */

static sigjmp_buf no_ia32;

static void on_sigsegv(int sig)
{
	(void)sig;
	siglongjmp(no_ia32, 1);
}

/* The ioctl of a 32-bit program: 0 or more, or -errno */
static int ioctl32(int fd, unsigned int cmd, void *arg)
{
	long ret;

	asm volatile("int $0x80"
		     : "=a"(ret)
		     : "0"(54L), "b"((long)fd), "c"((long)cmd), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static void need_ia32(void *low)
{
	int pair[2];

	signal(SIGSEGV, on_sigsegv);
	if (sigsetjmp(no_ia32, 1))
		SKIP("int 0x80 faults: the kernel runs no 32-bit programs");
	ASSERT_OK(pipe(pair));
	ASSERT_EQ(write(pair[1], "abc", 3), 3);
	if (ioctl32(pair[0], 0x541b /* FIONREAD */, low) == -ENOSYS)
		SKIP("int 0x80 is ENOSYS: the kernel runs no 32-bit programs");
	ASSERT_EQ(*(int *)low, 3);
	signal(SIGSEGV, SIG_DFL);
}

static void answered(int fd, unsigned int cmd, uint32_t *arg)
{
	memset(arg, 0, 4096);
	arg[0] = 256;
	ASSERT_EQ(ioctl(fd, cmd, arg), 0);
}

TEST(callers_of_32_bits_are_refused)
{
	uint32_t *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct rig rig;
	unsigned int nr;

	ASSERT(low != MAP_FAILED && (uintptr_t)low >> 32 == 0);
	need_ia32(low);
	rig_start(&rig, EDU, VMM_ANON);
	for (nr = 0; nr < 64; nr++) {
		memset(low, 0, 4096);
		low[0] = 256;
		ASSERT_EQ(ioctl32(rig.ctl, KASSIGN_IOC(nr), low), -ENOTTY);
		ASSERT_EQ(ioctl32(rig.guest, KASSIGN_IOC(nr), low), -ENOTTY);
		ASSERT_EQ(ioctl32(rig.dev, KASSIGN_IOC(nr), low), -ENOTTY);
	}
	/* The same by a 64-bit call is answered. */
	answered(rig.ctl, KASSIGN_GET_INFO, low);
	answered(rig.guest, KASSIGN_GUEST_GET_STATUS, low);
	answered(rig.dev, KASSIGN_DEVICE_GET_STATUS, low);
	rig_end(&rig);
}

/* ---- a holder without privileges ---- */

#define NOBODY 65534

/* Runs @fn as nobody with two descriptors of kassign and no others. */
static void as_nobody(struct rig *rig, void (*fn)(struct rig *rig))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ASSERT_EQ(dup2(rig->guest, 100), 100);
		ASSERT_EQ(dup2(rig->dev, 101), 101);
		ASSERT_OK(close_range(3, 99, 0));
		ASSERT_OK(close_range(102, ~0U, 0));
		rig->guest = 100;
		rig->dev = 101;
		ASSERT_OK(setgroups(0, NULL));
		ASSERT_OK(setresgid(NOBODY, NOBODY, NOBODY));
		ASSERT_OK(setresuid(NOBODY, NOBODY, NOBODY));
		fn(rig);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void uses_the_device(struct rig *rig)
{
	unsigned char *from = vmm_ptr(&rig->vmm, 0x400000);
	unsigned char *to = vmm_ptr(&rig->vmm, 0x600000);
	struct kassign_guest_status gs;
	struct kassign_bdf igb;

	ASSERT_EQ(edu_read(rig->dev, EDU_ID), EDU_ID_VALUE);
	ASSERT_EQ(config_read(rig->dev, PCI_VENDOR_ID, 2), 0x1234);
	memset(from, 0x5a, 256);
	edu_dma(rig->dev, 0x400000, 256, false);
	edu_dma(rig->dev, 0x600000, 256, true);
	ASSERT(!memcmp(from, to, 256));
	ASSERT_EQ(kassign_guest_sync(rig->guest, 0, NULL), 0);
	ASSERT_EQ(kassign_guest_get_status(rig->guest, &gs), 0);
	ASSERT_EQ(gs.devices, 1);

	/* No more than that */
	ASSERT_EQ(kassign_bdf_parse(IGB, &igb), 0);
	ASSERT_EQ(kassign_add_device(rig->guest, &igb, NULL, 0), -EPERM);
	ASSERT_EQ(kassign_open(), -EACCES);
	ASSERT_EQ(kassign_guest_open(rig->guest, rig->guest, NULL, 0), -ENOTTY);
	ASSERT_EQ(kassign_guest_open(rig->dev, rig->guest, NULL, 0), -ENOTTY);
}

TEST(nobody_uses_the_device_and_gets_no_other)
{
	struct rig rig;
	int dev;

	host_bind(IGB);
	rig_start(&rig, EDU, VMM_MEMFD);
	edu_enable(&rig, BAR0_GPA);
	as_nobody(&rig, uses_the_device);
	/* It was there to be had. */
	dev = rig_assign(rig.guest, IGB);
	ASSERT(dev >= 0);
	close(dev);
	rig_end(&rig);
}

static bool maps(int dev, uint64_t pos, uint64_t len, int flags)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, dev, pos);

	if (p == MAP_FAILED)
		return false;
	munmap(p, len);
	return true;
}

static struct kassign_region_info region(int dev, unsigned int index)
{
	struct kassign_region_info info;

	ASSERT_EQ(kassign_device_get_region(dev, index, &info), 0);
	return info;
}

/* Position on the fd of the page with IGB's MSI-X table or PBA */
static uint64_t msix_page(int dev, unsigned int reg)
{
	struct kassign_device_info info;
	uint32_t where;

	ASSERT_EQ(kassign_device_get_info(dev, &info), 0);
	ASSERT(info.msix_cap);
	where = config_read(dev, info.msix_cap + reg, 4);
	return KASSIGN_REGION_OFFSET(where & PCI_MSIX_TABLE_BIR) +
	       (where & PCI_MSIX_TABLE_OFFSET & ~4095U);
}

static void maps_only_areas(struct rig *rig)
{
	uint64_t table = msix_page(rig->dev, PCI_MSIX_TABLE);
	uint64_t pba = msix_page(rig->dev, PCI_MSIX_PBA);
	struct kassign_region_info bar = region(rig->dev, 0);
	struct kassign_region_info msix = region(rig->dev, table >> KASSIGN_REGION_SHIFT);
	unsigned int i;
	void *p;

	ASSERT_EQ(bar.nr_areas, 1);
	ASSERT(maps(rig->dev, 0, bar.size, MAP_SHARED));
	for (i = 0; i < msix.nr_areas; i++)
		ASSERT(maps(rig->dev, msix.offset + msix.areas[i].offset,
			    msix.areas[i].size, MAP_SHARED));
	ASSERT(!maps(rig->dev, table, 4096, MAP_SHARED));
	ASSERT(!maps(rig->dev, pba, 4096, MAP_SHARED));
	ASSERT(!maps(rig->dev, msix.offset, msix.size, MAP_SHARED));
	ASSERT(!maps(rig->dev, 0, bar.size, MAP_PRIVATE));
	ASSERT(!maps(rig->dev, 0, bar.size + 4096, MAP_SHARED));
	ASSERT(!maps(rig->dev, bar.size, 4096, MAP_SHARED));
	ASSERT(!maps(rig->dev, bar.size - 4096, 8192, MAP_SHARED));
	ASSERT(!maps(rig->dev, KASSIGN_REGION_OFFSET(1) - 4096, 8192, MAP_SHARED));
	for (i = KASSIGN_REGION_ROM; i < 300; i++)
		ASSERT(!maps(rig->dev, KASSIGN_REGION_OFFSET(i), 4096, MAP_SHARED));
	ASSERT(!maps(rig->dev, 1ULL << 62, 4096, MAP_SHARED));
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, rig->dev, bar.size - 4096);
	ASSERT(p != MAP_FAILED);
	ASSERT(mremap(p, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED);
}

static bool refused(int dev, uint64_t pos, size_t len)
{
	char buf[8192] = { 0 };

	return pread(dev, buf, len, pos) < 0 && pwrite(dev, buf, len, pos) < 0;
}

static void accesses_only_regions(struct rig *rig)
{
	uint64_t bar = region(rig->dev, 0).size, i;
	uint64_t config = KASSIGN_REGION_OFFSET(KASSIGN_REGION_CONFIG);
	uint64_t config_size = region(rig->dev, KASSIGN_REGION_CONFIG).size;

	ASSERT(!refused(rig->dev, bar - 8, 8));
	ASSERT(refused(rig->dev, bar, 4));
	ASSERT(refused(rig->dev, bar, 1));
	ASSERT(refused(rig->dev, bar - 4, 8));
	ASSERT(refused(rig->dev, 2, 4));
	ASSERT(refused(rig->dev, 0, 3));
	ASSERT(refused(rig->dev, 0, 16));
	ASSERT(refused(rig->dev, KASSIGN_REGION_OFFSET(1) - 4, 4));
	ASSERT(refused(rig->dev, config + config_size, 1));
	ASSERT(refused(rig->dev, config + config_size - 1, 2));
	ASSERT(refused(rig->dev, config, 8192));
	ASSERT(refused(rig->dev, KASSIGN_REGION_OFFSET(KASSIGN_REGION_ROM), 4));
	for (i = KASSIGN_NUM_REGIONS; i < 300; i++)
		ASSERT(refused(rig->dev, KASSIGN_REGION_OFFSET(i), 4));
	ASSERT(refused(rig->dev, ~0ULL << 40, 4));
	ASSERT(refused(rig->dev, -4ULL, 4));
}

TEST(nobody_maps_and_accesses_only_the_bars)
{
	struct rig rig;

	rig_start(&rig, IGB, VMM_ANON);
	as_nobody(&rig, maps_only_areas);
	as_nobody(&rig, accesses_only_regions);
	rig_end(&rig);
}

static size_t sysfs_read(const char *bdf, const char *attr, void *buf, size_t size)
{
	char path[128];
	ssize_t n;
	int fd;

	memset(buf, 0, size);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, attr);
	fd = open(path, O_RDONLY);
	ASSERT(fd >= 0);
	n = read(fd, buf, size);
	ASSERT(n > 0);
	close(fd);
	return n;
}

struct hardware {
	unsigned char config[4096];
	char resource[4096];
	uint32_t msix[40];	/* ten entries of the table, all that IGB has */
	bool msix_seen;		/* CONFIG_IO_STRICT_DEVMEM wants iomem=relaxed */
};

/* IGB as the host sees it; its MSI-X table is at the start of BAR 3. */
static void look(struct hardware *hw)
{
	const char *bar3 = "/sys/bus/pci/devices/" IGB "/resource3";
	volatile uint32_t *table;
	int fd = open(bar3, O_RDWR | O_SYNC), i;

	ASSERT_EQ(sysfs_read(IGB, "config", hw->config, 4096), 4096);
	sysfs_read(IGB, "resource", hw->resource, sizeof(hw->resource));
	ASSERT(fd >= 0);
	table = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	hw->msix_seen = table != MAP_FAILED;
	for (i = 0; i < 40 && hw->msix_seen; i++)
		hw->msix[i] = table[i];
	if (hw->msix_seen)
		munmap((void *)table, 4096);
	close(fd);
}

/* Command and status, of PCI and of PCI Express, may follow the guest. */
static void expect_same(const struct hardware *a, const struct hardware *b,
			unsigned int exp)
{
	unsigned int i, differ = 0;

	for (i = 0; i < 4096; i++) {
		if (a->config[i] == b->config[i] ||
		    (i >= PCI_COMMAND && i < PCI_COMMAND + 4) ||
		    (i >= exp + PCI_EXP_DEVSTA && i < exp + PCI_EXP_DEVSTA + 2))
			continue;
		fprintf(stderr, "# config 0x%x: 0x%02x, now 0x%02x\n", i,
			a->config[i], b->config[i]);
		differ++;
	}
	ASSERT_EQ(differ, 0);
	ASSERT(!memcmp(a->resource, b->resource, sizeof(a->resource)));
	if (a->msix_seen && b->msix_seen)
		ASSERT(!memcmp(a->msix, b->msix, sizeof(a->msix)));
	else
		fprintf(stderr, "# the hardware's MSI-X table cannot be looked at\n");
}

static unsigned int find_cap(const unsigned char *config, unsigned char id)
{
	unsigned int pos = config[PCI_CAPABILITY_LIST], i;

	for (i = 0; i < 48 && pos; i++, pos = config[pos + 1])
		if (config[pos] == id)
			return pos;
	ASSERT(!"no such capability");
	return 0;
}

/* Ones and zeros and all between over everything; MSI-X entries too */
static void writes_everything(struct rig *rig)
{
	uint64_t table = msix_page(rig->dev, PCI_MSIX_TABLE);
	uint32_t value;
	unsigned int i, round;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < 4096; i += 4)
			config_write(rig->dev, i, 4, round == 0 ? ~0U :
				     round == 1 ? 0 : rnd(1ULL << 32));
		for (i = 0; i < 64; i++)
			config_write(rig->dev, rnd(64), 1, rnd(256));
		for (i = 0; i < 40; i++) {
			value = rnd(1ULL << 32);
			ASSERT_EQ(pwrite(rig->dev, &value, 4, table + 4 * i), 4);
		}
	}
	/* The guest's own picture has followed. */
	config_write(rig->dev, PCI_BASE_ADDRESS_0, 4, ~0U);
	ASSERT_EQ(config_read(rig->dev, PCI_BASE_ADDRESS_0, 4) & ~15U,
		  ~(uint32_t)(region(rig->dev, 0).size - 1));
	config_write(rig->dev, PCI_COMMAND, 2, 0);
}

TEST(nobody_changes_the_hardwares_config_space)
{
	struct hardware *before = malloc(sizeof(*before));
	struct hardware *after = malloc(sizeof(*after));
	struct rig rig;
	unsigned int exp;

	ASSERT(before && after);
	seed_from_env();
	rig_start(&rig, IGB, VMM_ANON);
	look(before);
	exp = find_cap(before->config, PCI_CAP_ID_EXP);
	as_nobody(&rig, writes_everything);
	look(after);
	expect_same(before, after, exp);
	rig_end(&rig);
	look(after);
	expect_same(before, after, exp);
}
