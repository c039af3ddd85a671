/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vfio-user wire format, as QEMU's client speaks it.
 *
 * Source: docs/interop/vfio-user.rst of QEMU 10.1 and later. All integers are
 * in host byte order (little-endian on the machines this runs on).
 */
#ifndef VFU_PROTO_H
#define VFU_PROTO_H

#include <stdint.h>

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_DEVICE_GET_INFO = 4,
	VFU_DEVICE_GET_REGION_INFO = 5,
	VFU_DEVICE_GET_IRQ_INFO = 7,
	VFU_DEVICE_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DEVICE_RESET = 13,
};

#define VFU_F_REPLY	0x01
#define VFU_F_NO_REPLY	0x10
#define VFU_F_ERROR	0x20

struct vfu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size;		/* with this header */
	uint32_t flags;
	uint32_t error;
};

struct vfu_version {
	uint16_t major;
	uint16_t minor;
	char json[];
};

struct vfu_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t iova;
	uint64_t size;
};

struct vfu_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova;
	uint64_t size;
};

struct vfu_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};

#define VFU_DEVICE_RESETTABLE	0x1
#define VFU_DEVICE_PCI		0x2
#define VFU_NUM_REGIONS		9
#define VFU_NUM_IRQS		5

struct vfu_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};

#define VFU_REGION_READABLE	0x1
#define VFU_REGION_WRITABLE	0x2

struct vfu_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

#define VFU_IRQ_EVENTFD		0x1
#define VFU_IRQ_MASKABLE	0x2
#define VFU_IRQ_AUTOMASKED	0x4
#define VFU_IRQ_ERR		3

struct vfu_set_irqs {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
};

#define VFU_SET_DATA_NONE	0x01
#define VFU_SET_DATA_EVENTFD	0x04
#define VFU_SET_ACTION_MASK	0x08
#define VFU_SET_ACTION_UNMASK	0x10
#define VFU_SET_ACTION_TRIGGER	0x20

struct vfu_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[];
};

#define VFU_MAX_ACCESS		4096	/* config space in one piece */

#define VFU_MAX_FDS		16
#define VFU_MAX_MESSAGE		(64 * 1024)

#endif /* VFU_PROTO_H */
