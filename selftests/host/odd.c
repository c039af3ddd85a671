// SPDX-License-Identifier: GPL-2.0-only
/*
 * odd SOCKET: a PCI function for the virtual host, with what none of the emulator's has:
 * MSI with a mask for each vector, advanced features (AF), vital product data, a table of
 * MSI-X in the middle of a page, a BAR of less than a page. QEMU shows it (vfio-user-pci);
 * the protocol is the agent's (userspace/agent), which here serves this device in place
 * of one that libkassign has: hence the names of the functions.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "odd.h"
#include "vfu_device.h"

#define CONFIG_SIZE	256
#define MAX_BAR		ODD_BAR2_SIZE

static uint8_t config[CONFIG_SIZE];
static uint8_t writable[CONFIG_SIZE];
static uint8_t bar[6][MAX_BAR];
static const uint32_t bar_size[6] = {
	ODD_BAR0_SIZE, ODD_BAR1_SIZE, ODD_BAR2_SIZE, 0, ODD_BAR4_SIZE, 0,
};

static uint32_t resets;
static int32_t triggers[ODD_VECTORS];

/* An identifier, read-only data with a part number and a checksum, the end */
static uint8_t vpd[64] = {
	0x82, 3, 0, 'o', 'd', 'd',
	0x90, 11, 0, 'P', 'N', 4, 'o', 'd', 'd', '1', 'R', 'V', 1, 0,
	0x78,
};

#define VPD_CHECKSUM	19

/* ---- config space ---- */

static void put(unsigned int off, unsigned int len, uint32_t value, uint32_t wr)
{
	memcpy(config + off, &value, len);
	memcpy(writable + off, &wr, len);
}

static void cap(unsigned int pos, uint8_t id, unsigned int next)
{
	put(pos, 2, id | next << 8, 0);
}

static void bars(void)
{
	unsigned int i;

	for (i = 0; i < 6; i++)
		if (bar_size[i])
			put(PCI_BASE_ADDRESS_0 + 4 * i, 4, 0, -bar_size[i]);
	config[PCI_BASE_ADDRESS_2] = PCI_BASE_ADDRESS_MEM_TYPE_64 |
				     PCI_BASE_ADDRESS_MEM_PREFETCH;
	put(PCI_BASE_ADDRESS_3, 4, 0, ~0);
	config[PCI_BASE_ADDRESS_4] = PCI_BASE_ADDRESS_SPACE_IO;
}

static void capabilities(void)
{
	put(PCI_CAPABILITY_LIST, 1, ODD_CAP_AF, 0);
	cap(ODD_CAP_AF, PCI_CAP_ID_AF, ODD_CAP_VPD);
	put(ODD_CAP_AF + PCI_AF_LENGTH, 1, 6, 0);
	put(ODD_CAP_AF + PCI_AF_CAP, 1, PCI_AF_CAP_TP | PCI_AF_CAP_FLR, 0);
	cap(ODD_CAP_VPD, PCI_CAP_ID_VPD, ODD_CAP_MSI);
	put(ODD_CAP_VPD + PCI_VPD_ADDR, 2, 0, 0xffff);
	put(ODD_CAP_VPD + PCI_VPD_DATA, 4, 0, ~0);
	cap(ODD_CAP_MSI, PCI_CAP_ID_MSI, ODD_CAP_VENDOR);
	put(ODD_CAP_MSI + PCI_MSI_FLAGS, 2,
	    PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | ODD_VECTORS_LOG << 1,
	    PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	put(ODD_CAP_MSI + PCI_MSI_ADDRESS_LO, 4, 0, ~3);
	put(ODD_CAP_MSI + PCI_MSI_ADDRESS_HI, 4, 0, ~0);
	put(ODD_CAP_MSI + PCI_MSI_DATA_64, 2, 0, 0xffff);
	put(ODD_CAP_MSI + PCI_MSI_MASK_64, 4, 0, (1 << ODD_VECTORS) - 1);
	cap(ODD_CAP_VENDOR, PCI_CAP_ID_VNDR, ODD_CAP_SATA);
	put(ODD_CAP_VENDOR + 2, 1, 8, 0);
	put(ODD_CAP_VENDOR + 4, 4, ODD_ID, ~0);
	cap(ODD_CAP_SATA, PCI_CAP_ID_SATA, ODD_CAP_MSIX);
	cap(ODD_CAP_MSIX, PCI_CAP_ID_MSIX, 0);
	put(ODD_CAP_MSIX + PCI_MSIX_FLAGS, 2, ODD_VECTORS - 1,
	    PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put(ODD_CAP_MSIX + PCI_MSIX_TABLE, 4, ODD_TABLE | 2, 0);
	put(ODD_CAP_MSIX + PCI_MSIX_PBA, 4, ODD_PBA | 2, 0);
}

/* As after power-on */
static void power_on(void)
{
	memset(config, 0, sizeof(config));
	memset(writable, 0, sizeof(writable));
	memset(bar, 0, sizeof(bar));
	put(PCI_VENDOR_ID, 2, ODD_VENDOR, 0);
	put(PCI_DEVICE_ID, 2, ODD_DEVICE, 0);
	put(PCI_COMMAND, 2, 0, 0x0547);
	put(PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	put(PCI_CLASS_DEVICE, 2, 0xff00, 0);
	put(PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	put(PCI_SUBSYSTEM_VENDOR_ID, 2, ODD_VENDOR, 0);
	put(PCI_SUBSYSTEM_ID, 2, ODD_DEVICE, 0);
	put(PCI_INTERRUPT_LINE, 1, 0, 0xff);
	bars();
	capabilities();
}

static bool touches(uint64_t off, size_t len, unsigned int reg)
{
	return off <= reg && reg - off < len;
}

/* Reads are asked for without the flag, and answered with it; writes the other way. */
static void vpd_written(void)
{
	uint16_t addr;

	memcpy(&addr, config + ODD_CAP_VPD + PCI_VPD_ADDR, 2);
	addr ^= PCI_VPD_ADDR_F;
	memcpy(config + ODD_CAP_VPD + PCI_VPD_ADDR, &addr, 2);
	if ((addr & PCI_VPD_ADDR_MASK) <= sizeof(vpd) - 4 && addr & PCI_VPD_ADDR_F)
		memcpy(config + ODD_CAP_VPD + PCI_VPD_DATA,
		       vpd + (addr & PCI_VPD_ADDR_MASK), 4);
}

static void config_written(uint64_t off, const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		config[off + i] = (config[off + i] & ~writable[off + i]) |
				  (data[i] & writable[off + i]);
	if (touches(off, len, ODD_CAP_VPD + PCI_VPD_ADDR + 1))
		vpd_written();
	if (touches(off, len, ODD_CAP_AF + PCI_AF_CTRL) &&
	    data[ODD_CAP_AF + PCI_AF_CTRL - off] & PCI_AF_CTRL_FLR) {
		power_on();
		resets++;
	}
}

/* ---- BARs ---- */

static void raise_vector(uint32_t nr)
{
	uint64_t one = 1;

	if (nr < ODD_VECTORS && triggers[nr] >= 0 &&
	    write(triggers[nr], &one, sizeof(one)) < 0)
		perror("odd: interrupt");
}

static void register_written(uint64_t off, const void *data, size_t len)
{
	uint32_t value;

	if (off == ODD_REG_RAISE && len == sizeof(value)) {
		memcpy(&value, data, sizeof(value));
		raise_vector(value);
	}
}

static void registers(void)
{
	const uint32_t id = ODD_ID;

	memcpy(bar[0] + ODD_REG_ID, &id, 4);
	memcpy(bar[0] + ODD_REG_RESETS, &resets, 4);
}

/* ---- in place of libkassign ---- */

int kassign_guest_sync(int fd, uint32_t flags, uint64_t *generation)
{
	(void)fd;
	(void)flags;
	(void)generation;
	return 0;
}

int kassign_device_get_info(int fd, struct kassign_device_info *info)
{
	(void)fd;
	memset(info, 0, sizeof(*info));
	info->msi_cap = ODD_CAP_MSI;
	info->msix_cap = ODD_CAP_MSIX;
	info->config_size = CONFIG_SIZE;
	return 0;
}

int kassign_device_get_region(int fd, uint32_t index,
			      struct kassign_region_info *info)
{
	(void)fd;
	memset(info, 0, sizeof(*info));
	info->size = index == KASSIGN_REGION_CONFIG ? CONFIG_SIZE :
		     index <= KASSIGN_REGION_BAR5 ? bar_size[index] : 0;
	return 0;
}

int kassign_device_get_irq(int fd, uint32_t index, struct kassign_irq_info *info)
{
	(void)fd;
	info->count = index == KASSIGN_IRQ_MSI || index == KASSIGN_IRQ_MSIX ?
		      ODD_VECTORS : 0;
	return 0;
}

static void set_trigger(unsigned int nr, int32_t fd)
{
	if (triggers[nr] >= 0)
		close(triggers[nr]);
	triggers[nr] = fd >= 0 ? dup(fd) : -1;
}

int kassign_irq_eventfds(int fd, uint32_t index, uint32_t start, uint32_t count,
			 const int32_t *fds)
{
	uint32_t i;

	(void)fd;
	(void)index;
	if (start >= ODD_VECTORS || count > ODD_VECTORS - start)
		return -EINVAL;
	for (i = 0; i < count; i++)
		set_trigger(start + i, fds[i]);
	return 0;
}

int kassign_irq_disable(int fd, uint32_t index)
{
	unsigned int i;

	(void)fd;
	(void)index;
	for (i = 0; i < ODD_VECTORS; i++)
		set_trigger(i, -1);
	return 0;
}

int kassign_irq_inject(int fd, uint32_t index)
{
	(void)fd;
	(void)index;
	return -EINVAL;
}

int kassign_intx_mask(int fd, bool mask)
{
	(void)fd;
	(void)mask;
	return -EINVAL;
}

int kassign_intx_resample(int fd, int32_t eventfd)
{
	(void)fd;
	(void)eventfd;
	return -EINVAL;
}

/* The emulator's reset of the whole machine */
int kassign_device_reset(int fd)
{
	(void)fd;
	power_on();
	return 0;
}

int kassign_region_read(int fd, uint32_t index, uint64_t off, void *buf, size_t len)
{
	(void)fd;
	registers();
	if (index == KASSIGN_REGION_CONFIG)
		memcpy(buf, config + off, len);
	else
		memcpy(buf, bar[index] + off, len);
	return 0;
}

int kassign_region_write(int fd, uint32_t index, uint64_t off, const void *buf,
			 size_t len)
{
	(void)fd;
	if (index == KASSIGN_REGION_CONFIG) {
		config_written(off, buf, len);
		return 0;
	}
	memcpy(bar[index] + off, buf, len);
	if (index == 0)
		register_written(off, buf, len);
	return 0;
}

/* ---- serving ---- */

static void event(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "odd: %s", line);
}

static int client(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (sock < 0)
		return -1;
	if (!bind(sock, (struct sockaddr *)&addr, sizeof(addr)) && !listen(sock, 1))
		fd = accept(sock, NULL, NULL);
	close(sock);
	return fd;
}

static void vpd_checksum(void)
{
	uint8_t sum = 0;
	unsigned int i;

	for (i = 0; i < VPD_CHECKSUM; i++)
		sum += vpd[i];
	vpd[VPD_CHECKSUM] = -sum;
}

int main(int argc, char **argv)
{
	struct vfu_device vdev = { .event = event };
	static struct vfu_msg msg;
	int err = 0;

	if (argc != 2)
		return 2;
	/* The emulator is our parent, or becomes it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(triggers, -1, sizeof(triggers));
	vpd_checksum();
	power_on();
	vdev.sock = client(argv[1]);
	if (vdev.sock < 0 || vfu_device_init(&vdev))
		return 1;
	while (!err && vfu_recv(vdev.sock, &msg) > 0) {
		err = vfu_device_serve(&vdev, &msg);
		vfu_msg_done(&msg);
	}
	return err ? 1 : 0;
}
