// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vfio-user commands.
 *
 * QEMU holds its big lock while it waits for each answer. After VERSION it listens to
 * changes of memory, and does not stop when DEVICE_GET_INFO fails: it then uses memory
 * that it has freed. A later error crashes it, and so do all ones, or a closed socket, as
 * long as it sets the device up: it follows what it read without a second look.
 * So VERSION is the one gate at which the device is refused. From there to
 * DEVICE_RESET, the last thing QEMU does, a device that went away is answered
 * for from a copy; afterwards it reads as all ones, as one that fell off the bus
 * does, until the VMM lets it go: a socket that is closed while the guest uses the
 * device can cost the VMM its life, too.
 *
 * QEMU up to 11.1 at least aborts the whole VM when a device is unplugged of
 * which it knows that it has MSI-X. With @inject the capability's id is hidden
 * in the one read of config space QEMU learns from; the guest sees it later, unless
 * KVM cannot inject, not having the APICs: then devices have MSI or a line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "vfu_device.h"

struct command {
	uint16_t nr;
	size_t min;		/* payload the handler may rely on */
	int (*serve)(struct vfu_device *vdev, struct vfu_msg *msg);
};

static void note(struct vfu_device *vdev, const char *what, int err)
{
	char line[128];

	if (err == -ENODEV)
		vdev->gone = true;
	snprintf(line, sizeof(line), "error %s: %s\n", what, strerror(-err));
	vdev->event(vdev->event_ctx, line);
}

/* What the client is going to ask while it sets the device up */
static int take_copy(struct vfu_device *vdev)
{
	struct kassign_irq_info info = { 0 };
	uint32_t i;
	int err;

	err = kassign_device_get_info(vdev->dev_fd, &vdev->info);
	if (!err && vdev->info.config_size > sizeof(vdev->config))
		err = -EINVAL;
	if (!err)
		err = kassign_region_read(vdev->dev_fd, KASSIGN_REGION_CONFIG, 0,
					  vdev->config, vdev->info.config_size);
	for (i = 0; i < KASSIGN_NUM_IRQS && !err; i++) {
		err = kassign_device_get_irq(vdev->dev_fd, i, &info);
		vdev->irq_count[i] = info.count;
	}
	if (vdev->no_line)
		vdev->irq_count[KASSIGN_IRQ_INTX] = 0;
	return err;
}

/* From here on the client is answered, whatever becomes of the device. */
static int begin_plug(struct vfu_device *vdev)
{
	int err = take_copy(vdev);

	if (!err)
		err = kassign_guest_sync(vdev->guest_fd, 0, NULL);
	if (err) {
		note(vdev, "the device is not ready", err);
		return err;
	}
	vdev->hide_msix = vdev->inject;
	vdev->plugging = true;
	return 0;
}

static int serve_version(struct vfu_device *vdev, struct vfu_msg *msg)
{
	/* QEMU reads an option ROM, of up to 16 MiB, in one piece or not at all. */
	static const char caps[] =
		"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":16777216}}";
	int err = msg->version.major ? -EINVAL : begin_plug(vdev);

	if (err)
		return vfu_reply_error(vdev->sock, msg, -err);
	msg->version.minor = 0;
	memcpy(msg->version.json, caps, sizeof(caps));
	vdev->negotiated = true;
	return vfu_reply(vdev->sock, msg, sizeof(msg->version) + sizeof(caps));
}

/*
 * The module reads the guest's memory from KVM itself; the message only says
 * that something is new. When the answer goes out, it is mapped.
 */
static int serve_dma_map(struct vfu_device *vdev, struct vfu_msg *msg)
{
	int err = kassign_guest_sync(vdev->guest_fd, 0, NULL);

	if (!err)
		return vfu_reply(vdev->sock, msg, 0);
	note(vdev, "mapping guest memory", err);
	return vfu_reply_error(vdev->sock, msg, -err);
}

/*
 * QEMU unmaps and remaps all memory in a burst when a guest resets. The module
 * takes vanished memory out within 100 ms by itself; its pages stay pinned
 * meanwhile, so nothing can go wrong by not hurrying.
 */
static int serve_dma_unmap(struct vfu_device *vdev, struct vfu_msg *msg)
{
	return vfu_reply(vdev->sock, msg, sizeof(msg->dma_unmap));
}

static int serve_device_info(struct vfu_device *vdev, struct vfu_msg *msg)
{
	msg->device_info = (struct vfu_device_info) {
		.argsz = sizeof(msg->device_info),
		.flags = VFU_DEVICE_PCI | VFU_DEVICE_RESETTABLE,
		.num_regions = VFU_NUM_REGIONS,
		.num_irqs = VFU_NUM_IRQS,
	};
	return vfu_reply(vdev->sock, msg, sizeof(msg->device_info));
}

/*
 * BARs are offered without mmap: QEMU then keeps its hands off their addresses,
 * and the module puts memslots of its own there.
 */
static int serve_region_info(struct vfu_device *vdev, struct vfu_msg *msg)
{
	uint32_t index = msg->region_info.index;
	uint32_t flags = 0;
	uint64_t size = 0;

	if (index >= VFU_NUM_REGIONS)
		return vfu_reply_error(vdev->sock, msg, EINVAL);
	if (index < KASSIGN_NUM_REGIONS)
		size = vdev->region[index].size;
	if (size)
		flags = VFU_REGION_READABLE;
	if (size && index != KASSIGN_REGION_ROM)
		flags |= VFU_REGION_WRITABLE;
	msg->region_info = (struct vfu_region_info) {
		.argsz = sizeof(msg->region_info),
		.flags = flags,
		.index = index,
		.size = size,
		.offset = KASSIGN_REGION_OFFSET(index),
	};
	return vfu_reply(vdev->sock, msg, sizeof(msg->region_info));
}

static int serve_irq_info(struct vfu_device *vdev, struct vfu_msg *msg)
{
	uint32_t index = msg->irq_info.index, count = 0;

	/* An eventfd for errors would let the device stop the guest. */
	if (index >= VFU_IRQ_ERR)
		return vfu_reply_error(vdev->sock, msg, EINVAL);
	if (!(index == KASSIGN_IRQ_MSIX && vdev->inject))
		count = vdev->irq_count[index];
	msg->irq_info = (struct vfu_irq_info) {
		.argsz = sizeof(msg->irq_info),
		.flags = VFU_IRQ_EVENTFD,
		.index = index,
		.count = count,
	};
	if (index == KASSIGN_IRQ_INTX)
		msg->irq_info.flags |= VFU_IRQ_MASKABLE | VFU_IRQ_AUTOMASKED;
	return vfu_reply(vdev->sock, msg, sizeof(msg->irq_info));
}

static int set_eventfds(struct vfu_device *vdev, struct vfu_msg *msg)
{
	const struct vfu_set_irqs *arg = &msg->set_irqs;
	int32_t fds[VFU_MAX_FDS];
	uint32_t i;

	/* All of a message's descriptors or none: none means "no eventfd". */
	if (arg->count > VFU_MAX_FDS ||
	    (msg->nr_fds && (uint32_t)msg->nr_fds != arg->count))
		return -EINVAL;
	for (i = 0; i < arg->count; i++)
		fds[i] = msg->nr_fds ? msg->fds[i] : -1;
	return kassign_irq_eventfds(vdev->dev_fd, arg->index, arg->start,
				    arg->count, fds);
}

/* The end of an interrupt: by message, or by an eventfd from KVM */
static int set_line(struct vfu_device *vdev, struct vfu_msg *msg)
{
	const struct vfu_set_irqs *arg = &msg->set_irqs;
	bool mask = arg->flags & VFU_SET_ACTION_MASK;

	if (arg->count != 1)
		return 0;
	if (!(arg->flags & VFU_SET_DATA_EVENTFD))
		return kassign_intx_mask(vdev->dev_fd, mask);
	if (mask || msg->nr_fds > 1)
		return -EINVAL;
	return kassign_intx_resample(vdev->dev_fd,
				     msg->nr_fds ? msg->fds[0] : -1);
}

/* Is it one that the client delivers? */
static bool is_clients(const struct vfu_device *vdev, uint32_t index)
{
	switch (index) {
	case KASSIGN_IRQ_INTX:
		return vdev->irq_count[index];
	case KASSIGN_IRQ_MSI:
		return true;
	case KASSIGN_IRQ_MSIX:
		return !vdev->inject;
	default:
		return false;
	}
}

static int set_irqs(struct vfu_device *vdev, struct vfu_msg *msg)
{
	const struct vfu_set_irqs *arg = &msg->set_irqs;

	if (!is_clients(vdev, arg->index))
		return 0;
	if (!(arg->flags & VFU_SET_ACTION_TRIGGER))
		return arg->index == KASSIGN_IRQ_INTX ? set_line(vdev, msg) : 0;
	if (arg->flags & VFU_SET_DATA_EVENTFD)
		return set_eventfds(vdev, msg);
	if (arg->flags & VFU_SET_DATA_NONE && !arg->count)
		return kassign_irq_disable(vdev->dev_fd, arg->index);
	return 0;
}

static int serve_set_irqs(struct vfu_device *vdev, struct vfu_msg *msg)
{
	int err = set_irqs(vdev, msg);

	if (err)
		note(vdev, "setting interrupts up", err);
	return vfu_reply(vdev->sock, msg, 0);
}

/* Largest naturally aligned access at @off of at most @left bytes */
static size_t step(uint32_t region, uint64_t off, size_t left)
{
	size_t n = 8;

	if (region == KASSIGN_REGION_CONFIG)
		return left;
	while (n > left || off % n)
		n /= 2;
	return n;
}

static bool in_region(const struct vfu_device *vdev,
		      const struct vfu_region_access *arg)
{
	uint64_t size;

	if (arg->region >= KASSIGN_NUM_REGIONS)
		return false;
	size = vdev->region[arg->region].size;
	return arg->offset < size && arg->count <= size - arg->offset;
}

static int access_region(struct vfu_device *vdev, struct vfu_region_access *arg,
			 bool write)
{
	size_t done = 0, n;
	int err;

	if (!in_region(vdev, arg))
		return -EINVAL;
	for (; done < arg->count; done += n) {
		n = step(arg->region, arg->offset + done, arg->count - done);
		if (write)
			err = kassign_region_write(vdev->dev_fd, arg->region,
						   arg->offset + done,
						   arg->data + done, n);
		else
			err = kassign_region_read(vdev->dev_fd, arg->region,
						  arg->offset + done,
						  arg->data + done, n);
		if (err)
			return err;
	}
	return 0;
}

/* The client reads something else there. */
static void put_byte(struct vfu_region_access *arg, uint64_t reg, uint8_t value)
{
	if (arg->offset <= reg && reg - arg->offset < arg->count)
		arg->data[reg - arg->offset] = value;
}

/* A vendor capability of the same length stands in for MSI-X, once or always. */
static void hide_msix(struct vfu_device *vdev, struct vfu_region_access *arg)
{
	unsigned int pos = vdev->info.msix_cap;
	bool once = vdev->hide_msix && !arg->offset && arg->count >= 256;

	if (arg->region != KASSIGN_REGION_CONFIG || !(once || vdev->no_msix))
		return;
	vdev->hide_msix = false;
	if (!pos)
		return;
	put_byte(arg, pos, PCI_CAP_ID_VNDR);
	put_byte(arg, pos + 2, PCI_CAP_MSIX_SIZEOF);
}

/*
 * Users of a line that is not shown have MSI; and QEMU sets up, at each plug and unplug,
 * every line that it sees. Nothing of a line they do not need reaches KVM then.
 */
static void hide_registers(struct vfu_device *vdev, struct vfu_region_access *arg)
{
	unsigned int i;

	if (arg->region != KASSIGN_REGION_CONFIG)
		return;
	if (vdev->no_line)
		put_byte(arg, PCI_INTERRUPT_PIN, 0);
	for (i = 0; vdev->no_rom && i < 4; i++)
		put_byte(arg, PCI_ROM_ADDRESS + i, 0);
}

/* The device did not. */
static void answer_for(struct vfu_device *vdev, struct vfu_region_access *arg)
{
	if (vdev->plugging && arg->region == KASSIGN_REGION_CONFIG &&
	    in_region(vdev, arg))
		memcpy(arg->data, vdev->config + arg->offset, arg->count);
	else
		memset(arg->data, 0xff, arg->count);
	/* QEMU takes it for the number of a pin whenever the guest switches MSI off. */
	if (arg->region == KASSIGN_REGION_CONFIG)
		put_byte(arg, PCI_INTERRUPT_PIN, vdev->config[PCI_INTERRUPT_PIN]);
}

static int read_rom(struct vfu_device *vdev, const struct vfu_region_access *arg,
		    uint8_t *data)
{
	size_t done, n;
	int err = 0;

	for (done = 0; !err && done < arg->count; done += n) {
		n = arg->count - done;
		if (n > VFU_MAX_ACCESS)
			n = VFU_MAX_ACCESS;
		err = kassign_region_read(vdev->dev_fd, KASSIGN_REGION_ROM,
					  arg->offset + done, data + done, n);
	}
	return err;
}

/* The one thing that is read in large pieces */
static int serve_rom(struct vfu_device *vdev, struct vfu_msg *msg)
{
	struct vfu_region_access *arg = &msg->access;
	uint8_t *data;
	int err;

	if (!in_region(vdev, arg))
		return vfu_reply_error(vdev->sock, msg, EINVAL);
	data = malloc(arg->count ? arg->count : 1);
	if (!data)
		return -ENOMEM;
	err = read_rom(vdev, arg, data);
	if (err) {
		note(vdev, "reading the option ROM", err);
		memset(data, 0xff, arg->count);
	}
	err = vfu_reply_with(vdev->sock, msg, sizeof(*arg), data, arg->count);
	free(data);
	return err;
}

static int serve_read(struct vfu_device *vdev, struct vfu_msg *msg)
{
	struct vfu_region_access *arg = &msg->access;
	int err;

	if (arg->region == KASSIGN_REGION_ROM)
		return serve_rom(vdev, msg);
	if (arg->count > VFU_MAX_ACCESS)
		return -EPROTO;
	err = access_region(vdev, arg, false);
	if (err) {
		note(vdev, "reading the device", err);
		answer_for(vdev, arg);
	}
	hide_msix(vdev, arg);
	hide_registers(vdev, arg);
	return vfu_reply(vdev->sock, msg, sizeof(*arg) + arg->count);
}

static int serve_write(struct vfu_device *vdev, struct vfu_msg *msg)
{
	struct vfu_region_access *arg = &msg->access;
	int err;

	if (arg->count > VFU_MAX_ACCESS ||
	    arg->count > msg->len - sizeof(*arg))
		return -EPROTO;
	err = access_region(vdev, arg, true);
	if (err)
		note(vdev, "writing the device", err);
	return vfu_reply(vdev->sock, msg, sizeof(*arg));
}

static int serve_reset(struct vfu_device *vdev, struct vfu_msg *msg)
{
	int err = kassign_device_reset(vdev->dev_fd);

	/* The hardware cannot, or not yet: the guest sees no difference. */
	if (err && err != -EOPNOTSUPP && err != -EBUSY)
		note(vdev, "resetting the device", err);
	else
		vdev->event(vdev->event_ctx, "reset\n");
	vdev->plugging = false;
	return vfu_reply(vdev->sock, msg, 0);
}

static const struct command commands[] = {
	{ VFU_VERSION, sizeof(struct vfu_version), serve_version },
	{ VFU_DMA_MAP, sizeof(struct vfu_dma_map), serve_dma_map },
	{ VFU_DMA_UNMAP, sizeof(struct vfu_dma_unmap), serve_dma_unmap },
	{ VFU_DEVICE_GET_INFO, sizeof(struct vfu_device_info),
	  serve_device_info },
	{ VFU_DEVICE_GET_REGION_INFO, sizeof(struct vfu_region_info),
	  serve_region_info },
	{ VFU_DEVICE_GET_IRQ_INFO, sizeof(struct vfu_irq_info),
	  serve_irq_info },
	{ VFU_DEVICE_SET_IRQS, sizeof(struct vfu_set_irqs), serve_set_irqs },
	{ VFU_REGION_READ, sizeof(struct vfu_region_access), serve_read },
	{ VFU_REGION_WRITE, sizeof(struct vfu_region_access), serve_write },
	{ VFU_DEVICE_RESET, 0, serve_reset },
	{ 0 }
};

int vfu_device_serve(struct vfu_device *vdev, struct vfu_msg *msg)
{
	const struct command *cmd;

	if (msg->hdr.flags & VFU_F_REPLY)
		return -EPROTO;		/* nothing was asked */
	for (cmd = commands; cmd->serve; cmd++)
		if (cmd->nr == msg->hdr.command)
			break;
	if (!cmd->serve)
		return vfu_reply_error(vdev->sock, msg, ENOSYS);
	if (msg->len < cmd->min ||
	    (!vdev->negotiated && cmd->nr != VFU_VERSION))
		return -EPROTO;
	return cmd->serve(vdev, msg);
}

int vfu_device_init(struct vfu_device *vdev)
{
	unsigned int i;
	int err;

	err = kassign_device_get_info(vdev->dev_fd, &vdev->info);
	for (i = 0; i < KASSIGN_NUM_REGIONS && !err; i++)
		err = kassign_device_get_region(vdev->dev_fd, i,
						&vdev->region[i]);
	if (vdev->no_rom)
		vdev->region[KASSIGN_REGION_ROM].size = 0;
	if (!err && vdev->inject && vdev->info.msix_cap)
		err = kassign_irq_inject(vdev->dev_fd, KASSIGN_IRQ_MSIX);
	vdev->no_msix = err == -EOPNOTSUPP;
	vdev->no_line = vdev->info.msi_cap ||
			(vdev->info.msix_cap && !vdev->no_msix);
	return vdev->no_msix ? 0 : err;
}
