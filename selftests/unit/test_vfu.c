// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vfio-user protocol, byte for byte, with a device made up here: these are
 * the agent's manners towards a VMM. Real devices: selftests/e2e.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfu_device.h"

/* ---- a device in place of libkassign's ---- */

#define MSIX_CAP 0xa0
#define ROM_SIZE	0x2800

static int syncs, resets, disables, masks, unmasks, device_err;
static int32_t resample;
static uint32_t eventfds_count;
static int32_t eventfds_first;
static size_t access_sizes[64];
static int nr_accesses;

int __wrap_kassign_guest_sync(int fd, uint32_t flags, uint64_t *gen)
{
	(void)fd;
	(void)flags;
	(void)gen;
	syncs++;
	return device_err;
}

int __wrap_kassign_device_get_info(int fd, struct kassign_device_info *info)
{
	(void)fd;
	memset(info, 0, sizeof(*info));
	info->msix_cap = MSIX_CAP;
	info->config_size = 4096;
	return device_err;
}

int __wrap_kassign_device_get_region(int fd, uint32_t index,
				     struct kassign_region_info *info)
{
	(void)fd;
	memset(info, 0, sizeof(*info));
	info->size = index == 0 ? 0x20000 : index == 6 ? ROM_SIZE :
		     index == 7 ? 4096 : 0;
	return 0;
}

int __wrap_kassign_device_get_irq(int fd, uint32_t index,
				  struct kassign_irq_info *info)
{
	(void)fd;
	info->count = index == KASSIGN_IRQ_MSIX ? 5 : 1;
	return 0;
}

int __wrap_kassign_intx_mask(int fd, bool mask)
{
	(void)fd;
	if (mask)
		masks++;
	else
		unmasks++;
	return 0;
}

int __wrap_kassign_intx_resample(int fd, int32_t eventfd)
{
	(void)fd;
	resample = eventfd;
	return 0;
}

int __wrap_kassign_irq_eventfds(int fd, uint32_t index, uint32_t start,
				uint32_t count, const int32_t *fds)
{
	(void)fd;
	(void)index;
	(void)start;
	eventfds_count = count;
	eventfds_first = fds[0];
	return 0;
}

int __wrap_kassign_irq_disable(int fd, uint32_t index)
{
	(void)fd;
	(void)index;
	disables++;
	return 0;
}

static int inject_err;

int __wrap_kassign_irq_inject(int fd, uint32_t index)
{
	(void)fd;
	(void)index;
	return inject_err;
}

int __wrap_kassign_device_reset(int fd)
{
	(void)fd;
	resets++;
	return 0;
}

static int take_access(size_t len)
{
	if (nr_accesses < 64)
		access_sizes[nr_accesses++] = len;
	return device_err;
}

int __wrap_kassign_region_read(int fd, uint32_t index, uint64_t off, void *buf,
			       size_t len)
{
	(void)fd;
	memset(buf, 0x40 + index, len);
	if (index == 7 && off <= MSIX_CAP && off + len > MSIX_CAP)
		((char *)buf)[MSIX_CAP - off] = 0x11;
	return take_access(len);
}

int __wrap_kassign_region_write(int fd, uint32_t index, uint64_t off,
				const void *buf, size_t len)
{
	(void)fd;
	(void)index;
	(void)off;
	(void)buf;
	return take_access(len);
}

/* ---- a client ---- */

static int client;
static struct vfu_device vdev;
static struct vfu_msg *msg;
static int events;

static void on_event(void *ctx, const char *line)
{
	(void)ctx;
	(void)line;
	events++;
}

static int setup(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -1;
	client = pair[0];
	vdev = (struct vfu_device) { .sock = pair[1], .inject = true,
				     .negotiated = true, .event = on_event };
	msg = calloc(1, sizeof(*msg));
	syncs = 0;
	resets = 0;
	disables = 0;
	device_err = 0;
	inject_err = 0;
	nr_accesses = 0;
	events = 0;
	return vfu_device_init(&vdev);
}

static int teardown(void **state)
{
	(void)state;
	close(client);
	close(vdev.sock);
	free(msg);
	return 0;
}

/* Sends a request with @nr_fds descriptors; the server's verdict on it */
static int request_fds(uint16_t command, uint32_t flags, const void *body,
		       size_t len, const int *fds, int nr_fds)
{
	struct vfu_header hdr = { .id = 7, .command = command,
				  .size = sizeof(hdr) + len, .flags = flags };
	char control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { (void *)body, len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };
	struct cmsghdr *cmsg;
	int ret;

	if (nr_fds) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&mh);
		if (!cmsg)
			return -1;
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nr_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(client, &mh, 0), sizeof(hdr) + len);
	ret = vfu_recv(vdev.sock, msg);
	if (ret > 0)
		ret = vfu_device_serve(&vdev, msg);
	vfu_msg_done(msg);
	return ret;
}

static int request(uint16_t command, const void *body, size_t len)
{
	return request_fds(command, 0, body, len, NULL, 0);
}

static unsigned char reply[16384];

/* The reply's size without header; its flags and errno are checked. */
static size_t answer(uint32_t flags, uint32_t err)
{
	struct vfu_header *hdr = (struct vfu_header *)reply;
	ssize_t n = recv(client, reply, sizeof(reply), MSG_DONTWAIT);

	assert_true(n >= (ssize_t)sizeof(*hdr));
	assert_int_equal(hdr->size, n);
	assert_int_equal(hdr->id, 7);
	assert_int_equal(hdr->flags, flags);
	assert_int_equal(hdr->error, err);
	return n - sizeof(*hdr);
}

#define BODY (reply + sizeof(struct vfu_header))

static int greet(uint8_t major)
{
	char body[64] = "\0\0\0\0{\"capabilities\":{}}";

	body[0] = major;
	return request(VFU_VERSION, body, sizeof(body));
}

static void version(void **state)
{
	(void)state;
	vdev.negotiated = false;
	assert_int_equal(request(VFU_DEVICE_RESET, NULL, 0), -EPROTO);
	assert_int_equal(greet(0), 0);
	assert_true(answer(1, 0) > 4);
	assert_int_equal(BODY[0] | BODY[1] | BODY[2] | BODY[3], 0);
	assert_non_null(strstr((char *)BODY + 4, "max_msg_fds"));
	assert_int_equal(greet(1), 0);
	assert_int_equal(answer(0x21, EINVAL), 0);
}

static void reply_sizes(void **state)
{
	struct vfu_dma_map map = { .argsz = 32 };
	struct vfu_dma_unmap unmap = { .argsz = 24 };
	struct vfu_device_info info = { .argsz = 16 };
	struct vfu_region_info region = { .argsz = 32, .index = 7 };
	struct vfu_irq_info irq = { .argsz = 16, .index = KASSIGN_IRQ_MSI };

	(void)state;
	assert_int_equal(greet(0), 0);
	answer(1, 0);
	assert_int_equal(syncs, 1);
	assert_int_equal(request(VFU_DMA_MAP, &map, sizeof(map)), 0);
	assert_int_equal(answer(1, 0), 0);
	assert_int_equal(syncs, 2);
	assert_int_equal(request(VFU_DMA_UNMAP, &unmap, sizeof(unmap)), 0);
	assert_int_equal(answer(1, 0), 24);
	assert_int_equal(request(VFU_DEVICE_GET_INFO, &info, sizeof(info)), 0);
	assert_int_equal(answer(1, 0), 16);
	assert_int_equal(((struct vfu_device_info *)BODY)->num_regions, 9);
	assert_int_equal(request(VFU_DEVICE_GET_REGION_INFO, &region, sizeof(region)), 0);
	assert_int_equal(answer(1, 0), 32);
	assert_int_equal(((struct vfu_region_info *)BODY)->size, 4096);
	assert_int_equal(request(VFU_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq)), 0);
	assert_int_equal(answer(1, 0), 16);
	assert_int_equal(((struct vfu_irq_info *)BODY)->count, 1);
	assert_int_equal(request(VFU_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(answer(1, 0), 0);
	assert_int_equal(resets, 1);
}

static void a_dead_device_is_refused_at_the_gate(void **state)
{
	(void)state;
	vdev.negotiated = false;
	device_err = -ENODEV;
	assert_int_equal(greet(0), 0);
	assert_int_equal(answer(0x21, ENODEV), 0);
	assert_true(vdev.gone);
	assert_false(vdev.negotiated || vdev.plugging);
}

static int read_config(uint64_t off, uint32_t count)
{
	struct vfu_region_access arg = { .offset = off, .region = 7,
					 .count = count };

	return request(VFU_REGION_READ, &arg, sizeof(arg));
}

static void msix_is_hidden_once(void **state)
{
	unsigned char *data = BODY + sizeof(struct vfu_region_access);

	(void)state;
	assert_int_equal(greet(0), 0);
	answer(1, 0);
	assert_int_equal(read_config(0, 4096), 0);
	assert_int_equal(answer(1, 0), 16 + 4096);
	assert_int_equal(data[MSIX_CAP], 0x09);
	assert_int_equal(data[MSIX_CAP + 2], 12);
	assert_int_equal(read_config(0, 4096), 0);
	answer(1, 0);
	assert_int_equal(data[MSIX_CAP], 0x11);
	vdev.inject = false;
	assert_int_equal(greet(0), 0);
	answer(1, 0);
	assert_int_equal(read_config(0, 4096), 0);
	answer(1, 0);
	assert_int_equal(data[MSIX_CAP], 0x11);
}

static void msix_is_never_shown_where_nobody_can_deliver_it(void **state)
{
	unsigned char *data = BODY + sizeof(struct vfu_region_access);

	(void)state;
	inject_err = -EOPNOTSUPP;
	assert_int_equal(vfu_device_init(&vdev), 0);
	inject_err = -EIO;
	assert_int_equal(vfu_device_init(&vdev), -EIO);
	inject_err = -EOPNOTSUPP;
	assert_int_equal(vfu_device_init(&vdev), 0);
	assert_int_equal(read_config(0, 4096), 0);
	answer(1, 0);
	assert_int_equal(data[MSIX_CAP], 0x09);
	assert_int_equal(read_config(MSIX_CAP, 4), 0);
	answer(1, 0);
	assert_int_equal(data[0], 0x09);
	assert_int_equal(data[2], 12);
	/* What is beside it is not touched. */
	assert_int_equal(read_config(MSIX_CAP + 4, 4), 0);
	answer(1, 0);
	assert_int_equal(data[0], 0x47);
}

/* QEMU asks for all of it at once. */
static void an_option_rom_is_read_in_one_piece(void **state)
{
	struct vfu_region_access arg = { .region = 6, .count = ROM_SIZE };
	struct vfu_region_info region = { .argsz = 32, .index = 6 };
	unsigned char *data = BODY + sizeof(arg);
	size_t i;

	(void)state;
	assert_int_equal(request(VFU_DEVICE_GET_REGION_INFO, &region, sizeof(region)), 0);
	answer(1, 0);
	assert_int_equal(((struct vfu_region_info *)BODY)->size, ROM_SIZE);
	assert_int_equal(((struct vfu_region_info *)BODY)->flags, VFU_REGION_READABLE);
	assert_int_equal(request(VFU_REGION_READ, &arg, sizeof(arg)), 0);
	assert_int_equal(answer(1, 0), sizeof(arg) + ROM_SIZE);
	for (i = 0; i < ROM_SIZE; i++)
		assert_int_equal(data[i], 0x46);
	assert_int_equal(nr_accesses, 3);
	assert_int_equal(access_sizes[0], 4096);
	assert_int_equal(access_sizes[2], ROM_SIZE - 8192);
	arg.offset = 1;
	assert_int_equal(request(VFU_REGION_READ, &arg, sizeof(arg)), 0);
	assert_int_equal(answer(0x21, EINVAL), 0);
}

static void an_option_rom_can_be_hidden(void **state)
{
	struct vfu_region_info region = { .argsz = 32, .index = 6 };
	unsigned char *data = BODY + sizeof(struct vfu_region_access);
	int i;

	(void)state;
	vdev.no_rom = true;
	assert_int_equal(vfu_device_init(&vdev), 0);
	assert_int_equal(request(VFU_DEVICE_GET_REGION_INFO, &region, sizeof(region)), 0);
	answer(1, 0);
	assert_int_equal(((struct vfu_region_info *)BODY)->size, 0);
	assert_int_equal(read_config(0, 4096), 0);
	answer(1, 0);
	for (i = 0x2e; i < 0x36; i++)
		assert_int_equal(data[i], i >= 0x30 && i < 0x34 ? 0 : 0x47);
	assert_int_equal(read_config(0x32, 2), 0);
	answer(1, 0);
	assert_int_equal(data[0] | data[1], 0);
}

/*
 * QEMU follows capability lists and sizes interrupt tables by what it reads
 * while it sets the device up, and does not survive all ones there.
 */
static void a_device_that_goes_during_plug_in_is_answered_for(void **state)
{
	struct vfu_device_info info = { .argsz = 16 };
	struct vfu_irq_info irq = { .argsz = 16, .index = KASSIGN_IRQ_MSI };
	struct vfu_region_info region = { .argsz = 32, .index = 0 };
	unsigned char *data = BODY + sizeof(struct vfu_region_access);

	(void)state;
	assert_int_equal(greet(0), 0);
	answer(1, 0);
	assert_true(vdev.plugging);
	device_err = -ENODEV;
	assert_int_equal(request(VFU_DEVICE_GET_INFO, &info, sizeof(info)), 0);
	assert_int_equal(answer(1, 0), 16);
	assert_int_equal(request(VFU_DEVICE_GET_REGION_INFO, &region, sizeof(region)), 0);
	answer(1, 0);
	assert_int_equal(((struct vfu_region_info *)BODY)->size, 0x20000);
	assert_int_equal(read_config(0, 4096), 0);
	assert_int_equal(answer(1, 0), 16 + 4096);
	assert_int_equal(data[0], 0x47);
	assert_int_equal(data[MSIX_CAP], 0x09);
	assert_int_equal(read_config(0x10, 4), 0);
	assert_int_equal(answer(1, 0), 20);
	assert_int_equal(data[0], 0x47);
	assert_int_equal(request(VFU_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq)), 0);
	answer(1, 0);
	assert_int_equal(((struct vfu_irq_info *)BODY)->count, 1);
	assert_true(vdev.gone && vdev.plugging);
	assert_int_equal(request(VFU_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(answer(1, 0), 0);
	assert_false(vdev.plugging);
	assert_int_equal(read_config(0x10, 4), 0);
	answer(1, 0);
	assert_int_equal(data[0], 0xff);
	/* QEMU would take all ones for a pin. */
	vdev.no_line = false;
	assert_int_equal(read_config(0x3d, 1), 0);
	answer(1, 0);
	assert_int_equal(data[0], 0x47);
}

static void late_trouble_reads_as_ones(void **state)
{
	unsigned char *data = BODY + sizeof(struct vfu_region_access);

	(void)state;
	device_err = -EIO;
	assert_int_equal(read_config(0, 4), 0);
	assert_int_equal(answer(1, 0), 20);
	assert_int_equal(data[0] & data[3], 0xff);
	device_err = 0;
	assert_int_equal(read_config(4094, 4), 0);
	assert_int_equal(answer(1, 0), 20);
	assert_int_equal(data[0], 0xff);
	assert_int_equal(events, 2);
}

static void accesses_are_aligned(void **state)
{
	struct vfu_region_access arg = { .offset = 2, .region = 0, .count = 14 };

	(void)state;
	assert_int_equal(request(VFU_REGION_READ, &arg, sizeof(arg)), 0);
	assert_int_equal(answer(1, 0), 16 + 14);
	assert_int_equal(nr_accesses, 3);
	assert_int_equal(access_sizes[0], 2);
	assert_int_equal(access_sizes[1], 4);
	assert_int_equal(access_sizes[2], 8);
}

static void posted_writes_get_no_reply(void **state)
{
	struct {
		struct vfu_region_access arg;
		uint32_t data;
	} body = { { .offset = 8, .region = 0, .count = 4 }, 1 };

	(void)state;
	assert_int_equal(request_fds(VFU_REGION_WRITE, VFU_F_NO_REPLY, &body, 20,
				     NULL, 0), 0);
	assert_int_equal(recv(client, reply, sizeof(reply), MSG_DONTWAIT), -1);
	assert_int_equal(nr_accesses, 1);
	assert_int_equal(request(VFU_REGION_WRITE, &body, 20), 0);
	assert_int_equal(answer(1, 0), 16);
}

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void descriptors_do_not_leak(void **state)
{
	struct vfu_set_irqs irqs = {
		.argsz = 20, .flags = VFU_SET_DATA_EVENTFD | VFU_SET_ACTION_TRIGGER,
		.index = KASSIGN_IRQ_MSI, .count = 2,
	};
	struct vfu_dma_map map = { .argsz = 32 };
	int fds[2] = { 0, 0 }, before = open_fds();

	(void)state;
	assert_int_equal(request_fds(VFU_DEVICE_SET_IRQS, 0, &irqs, sizeof(irqs),
				     fds, 2), 0);
	answer(1, 0);
	assert_int_equal(eventfds_count, 2);
	assert_true(eventfds_first >= 0);
	assert_int_equal(request(VFU_DEVICE_SET_IRQS, &irqs, sizeof(irqs)), 0);
	answer(1, 0);
	assert_int_equal(eventfds_first, -1);
	assert_int_equal(request_fds(VFU_DMA_MAP, 0, &map, sizeof(map), fds, 1), 0);
	answer(1, 0);
	assert_int_equal(request_fds(99, 0, NULL, 0, fds, 2), 0);
	assert_int_equal(answer(0x21, ENOSYS), 0);
	assert_int_equal(open_fds(), before);
}

static void interrupts_are_disabled(void **state)
{
	struct vfu_set_irqs irqs = {
		.argsz = 20, .flags = VFU_SET_DATA_NONE | VFU_SET_ACTION_TRIGGER,
		.index = KASSIGN_IRQ_MSI,
	};

	(void)state;
	assert_int_equal(request(VFU_DEVICE_SET_IRQS, &irqs, sizeof(irqs)), 0);
	answer(1, 0);
	assert_int_equal(disables, 1);
	irqs.index = VFU_IRQ_ERR;
	assert_int_equal(request(VFU_DEVICE_SET_IRQS, &irqs, sizeof(irqs)), 0);
	answer(1, 0);
	assert_int_equal(disables, 1);
}

static void set_line(uint32_t flags, const int *fds, int nr_fds)
{
	struct vfu_set_irqs irqs = {
		.argsz = 20, .flags = flags, .index = KASSIGN_IRQ_INTX, .count = 1,
	};

	assert_int_equal(request_fds(VFU_DEVICE_SET_IRQS, 0, &irqs, sizeof(irqs),
				     fds, nr_fds), 0);
	answer(1, 0);
}

static uint8_t pin(void)
{
	unsigned char *data = BODY + sizeof(struct vfu_region_access);

	assert_int_equal(read_config(0x3c, 4), 0);
	answer(1, 0);
	assert_int_equal(data[0], 0x40 + KASSIGN_REGION_CONFIG);
	return data[1];
}

/* The device of these tests has MSI-X. */
static void a_line_is_shown_only_without_msi(void **state)
{
	(void)state;
	assert_true(vdev.no_line);
	assert_int_equal(pin(), 0);
	vdev.no_line = false;
	assert_int_equal(pin(), 0x40 + KASSIGN_REGION_CONFIG);
}

/* As QEMU with KVM does */
static void the_line_is_masked_and_ended(void **state)
{
	int fd = eventfd(0, 0), before = open_fds();

	(void)state;
	vdev.no_line = false;
	assert_int_equal(greet(0), 0);
	answer(1, 0);
	masks = 0;
	unmasks = 0;
	resample = 0;
	set_line(VFU_SET_ACTION_TRIGGER | VFU_SET_DATA_EVENTFD, &fd, 1);
	assert_int_equal(eventfds_count, 1);
	set_line(VFU_SET_ACTION_MASK | VFU_SET_DATA_NONE, NULL, 0);
	assert_int_equal(masks, 1);
	assert_int_equal(unmasks, 0);
	set_line(VFU_SET_ACTION_UNMASK | VFU_SET_DATA_EVENTFD, &fd, 1);
	assert_true(resample > 0);
	assert_int_equal(unmasks, 0);
	set_line(VFU_SET_ACTION_UNMASK | VFU_SET_DATA_NONE, NULL, 0);
	assert_int_equal(unmasks, 1);
	set_line(VFU_SET_ACTION_UNMASK | VFU_SET_DATA_EVENTFD, NULL, 0);
	assert_int_equal(resample, -1);
	assert_int_equal(open_fds(), before);
	close(fd);
}

static void bad_sizes_end_the_session(void **state)
{
	struct vfu_region_access arg = { .region = 0, .count = 100 };
	struct vfu_header hdr = { .command = VFU_DEVICE_RESET, .size = 8 };

	(void)state;
	assert_int_equal(request(VFU_REGION_READ, &arg, 4), -EPROTO);
	assert_int_equal(request(VFU_REGION_WRITE, &arg, sizeof(arg)), -EPROTO);
	arg.count = 1 << 20;
	assert_int_equal(request(VFU_REGION_READ, &arg, sizeof(arg)), -EPROTO);
	assert_int_equal(request_fds(VFU_REGION_READ, VFU_F_REPLY, &arg,
				     sizeof(arg), NULL, 0), -EPROTO);
	assert_int_equal(send(client, &hdr, sizeof(hdr), 0), sizeof(hdr));
	assert_int_equal(vfu_recv(vdev.sock, msg), -EPROTO);
	hdr.size = 1 << 30;
	assert_int_equal(send(client, &hdr, sizeof(hdr), 0), sizeof(hdr));
	assert_int_equal(vfu_recv(vdev.sock, msg), -EPROTO);
	close(client);
	assert_int_equal(vfu_recv(vdev.sock, msg), 0);
	client = -1;
}

static void random_messages_do_no_harm(void **state)
{
	unsigned char body[256];
	int i, before = open_fds();
	size_t j;

	(void)state;
	srandom(4711);
	for (i = 0; i < 20000; i++) {
		for (j = 0; j < sizeof(body); j++)
			body[j] = random() % 4 ? 0 : random();
		request(random() % 16, body, random() % sizeof(body));
		while (recv(client, reply, sizeof(reply), MSG_DONTWAIT) > 0)
			;
	}
	assert_int_equal(open_fds(), before);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(version),
		T(reply_sizes),
		T(a_dead_device_is_refused_at_the_gate),
		T(msix_is_hidden_once),
		T(msix_is_never_shown_where_nobody_can_deliver_it),
		T(an_option_rom_is_read_in_one_piece),
		T(an_option_rom_can_be_hidden),
		T(a_device_that_goes_during_plug_in_is_answered_for),
		T(late_trouble_reads_as_ones),
		T(accesses_are_aligned),
		T(posted_writes_get_no_reply),
		T(descriptors_do_not_leak),
		T(interrupts_are_disabled),
		T(a_line_is_shown_only_without_msi),
		T(the_line_is_masked_and_ended),
		T(bad_sizes_end_the_session),
		T(random_messages_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
