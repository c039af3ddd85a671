// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "tap.h"

/* ---- drivers ---- */

int host_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* A kernel may have no DMI, but QEMU's host bridge says whose it is. */
bool host_is_emulated(void)
{
	static int known = -1;
	char vendor[16] = "";
	FILE *f;

	if (known >= 0)
		return known;
	f = fopen("/sys/bus/pci/devices/0000:00:00.0/subsystem_vendor", "r");
	if (f) {
		if (!fgets(vendor, sizeof(vendor), f))
			vendor[0] = '\0';
		fclose(f);
	}
	known = !strncmp(vendor, "0x1af4", 6);
	return known;
}

bool host_has_qemus_amd_iommu(void)
{
	return host_is_emulated() && !access("/sys/class/iommu/ivhd0", F_OK);
}

static int put_attr(const char *bdf, const char *attr, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, attr);
	return host_put(path, text);
}

bool host_has_driver(const char *bdf, const char *driver)
{
	char path[128], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return !driver;
	target[n] = '\0';
	return driver && !strcmp(strrchr(target, '/') + 1, driver);
}

void host_unbind(const char *bdf)
{
	put_attr(bdf, "driver/unbind", bdf);
}

static int try_bind(const char *bdf, const char *driver)
{
	char path[128];

	if (host_has_driver(bdf, driver))
		return 0;
	host_unbind(bdf);
	ASSERT_EQ(put_attr(bdf, "driver_override", driver), 0);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	return host_put(path, bdf);
}

int host_try_bind(const char *bdf)
{
	return try_bind(bdf, "kassign");
}

void host_bind_driver(const char *bdf, const char *driver)
{
	ASSERT_EQ(try_bind(bdf, driver), 0);
}

void host_bind(const char *bdf)
{
	host_bind_driver(bdf, "kassign");
}

void host_rebind(const char *bdf)
{
	host_unbind(bdf);
	put_attr(bdf, "driver_override", "\n");
	host_put("/sys/bus/pci/drivers_probe", bdf);
}

/* ---- pins and states ---- */

long host_pins(void)
{
	FILE *f;
	long value, acquired = -1, released = -1;
	char name[64];

	/* Else each processor keeps a few for itself. */
	host_put("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/vmstat", "r");
	ASSERT(f);
	while (fscanf(f, "%63s %ld", name, &value) == 2) {
		if (!strcmp(name, "nr_foll_pin_acquired"))
			acquired = value;
		if (!strcmp(name, "nr_foll_pin_released"))
			released = value;
	}
	fclose(f);
	ASSERT(acquired >= 0 && released >= 0);
	return acquired - released;
}

void host_expect_pins(long pins)
{
	long now = host_pins();
	int i;

	for (i = 0; i < 500 && now != pins; i++) {
		usleep(10000);
		now = host_pins();
	}
	ASSERT_EQ(now, pins);
}

int host_state(const char *bdf)
{
	struct kassign_device_entry *entries;
	int nr = kassign_list_devices(&entries), i, state = -1;
	char name[KASSIGN_BDF_LEN];

	for (i = 0; i < nr; i++)
		if (!strcmp(kassign_bdf_str(&entries[i].bdf, name), bdf))
			state = entries[i].state;
	if (nr > 0)
		free(entries);
	return state;
}

void host_expect_state(const char *bdf, int state)
{
	int now = host_state(bdf), i;

	for (i = 0; i < 500 && now != state; i++) {
		usleep(10000);
		now = host_state(bdf);
	}
	/* Not asked again: it may have gone on to the next. */
	ASSERT_EQ(now, state);
}

/* ---- a VM with a device ---- */

int rig_assign(int guest, const char *bdf)
{
	struct kassign_bdf addr;
	char why[256] = "";
	int fd;

	ASSERT_EQ(kassign_bdf_parse(bdf, &addr), 0);
	fd = kassign_add_device(guest, &addr, why, sizeof(why));
	if (fd < 0)
		fprintf(stderr, "# %s: %s (%s)\n", bdf, strerror(-fd), why);
	return fd;
}

int rig_guest(struct rig *rig)
{
	char why[256] = "";
	int fd;

	rig->ctl = kassign_open();
	ASSERT(rig->ctl >= 0);
	fd = kassign_guest_open(rig->ctl, rig->vmm.vm_fd, why, sizeof(why));
	if (fd < 0)
		TAP_FAIL("GUEST_OPEN: %s (%s)", strerror(-fd), why);
	return fd;
}

void rig_start(struct rig *rig, const char *bdf, enum vmm_memory kind)
{
	host_bind(bdf);
	vmm_start(&rig->vmm, kind);
	rig->guest = rig_guest(rig);
	rig->dev = rig_assign(rig->guest, bdf);
	ASSERT(rig->dev >= 0);
}

void rig_end(struct rig *rig)
{
	close(rig->dev);
	close(rig->guest);
	close(rig->ctl);
	vmm_end(&rig->vmm);
}

uint32_t config_read(int dev, unsigned int off, unsigned int len)
{
	uint32_t value = 0;

	ASSERT_EQ(kassign_region_read(dev, KASSIGN_REGION_CONFIG, off, &value,
				      len), 0);
	return value;
}

void config_write(int dev, unsigned int off, unsigned int len, uint32_t value)
{
	ASSERT_EQ(kassign_region_write(dev, KASSIGN_REGION_CONFIG, off, &value,
				       len), 0);
}

void host_program_msi(int dev, uint8_t vector, bool enable)
{
	struct kassign_device_info info;
	unsigned int pos;

	ASSERT_EQ(kassign_device_get_info(dev, &info), 0);
	pos = info.msi_cap;
	ASSERT(pos);
	ASSERT(config_read(dev, pos + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_64BIT);
	config_write(dev, pos + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	config_write(dev, pos + PCI_MSI_ADDRESS_HI, 4, 0);
	config_write(dev, pos + PCI_MSI_DATA_64, 2, vector);
	config_write(dev, pos + PCI_MSI_FLAGS, 2,
		     enable ? PCI_MSI_FLAGS_ENABLE : 0);
}

void edu_enable(struct rig *rig, uint64_t gpa)
{
	vmm_add_mmio(&rig->vmm, gpa, 1 << 20, rig->dev, 0);
	config_write(rig->dev, PCI_BASE_ADDRESS_0, 4, gpa);
	config_write(rig->dev, PCI_COMMAND, 2,
		     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* ---- edu ---- */

uint32_t edu_read(int dev, unsigned int reg)
{
	uint32_t value = 0;

	ASSERT_EQ(kassign_region_read(dev, 0, reg, &value, 4), 0);
	return value;
}

/* The DMA registers, 0x80 and up, are 64 bits wide, the others 32. */
void edu_write(int dev, unsigned int reg, uint64_t value)
{
	ASSERT_EQ(kassign_region_write(dev, 0, reg, &value,
				       reg < EDU_DMA_SRC ? 4 : 8), 0);
}

void edu_dma(int dev, uint64_t gpa, size_t len, bool to_memory)
{
	int i;

	edu_write(dev, EDU_DMA_SRC, to_memory ? EDU_BUFFER : gpa);
	edu_write(dev, EDU_DMA_DST, to_memory ? gpa : EDU_BUFFER);
	edu_write(dev, EDU_DMA_COUNT, len);
	edu_write(dev, EDU_DMA_CMD,
		  EDU_DMA_START | (to_memory ? EDU_DMA_FROM : 0));
	for (i = 0; i < 2000; i++) {
		if (!(edu_read(dev, EDU_DMA_CMD) & EDU_DMA_START))
			return;
		usleep(1000);
	}
	TAP_FAIL("edu does not finish its DMA");
}
