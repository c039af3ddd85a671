/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's side of a test: devices, pins, an assigned edu.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>

#include "libkassign.h"
#include "vmm.h"

#define EDU		"0000:04:00.0"	/* alone in its IOMMU group */
#define EDU_SHARED	"0000:06:02.0"	/* with EDU_SHARED_PEER */
#define EDU_SHARED_PEER	"0000:06:01.0"
#define EDU_TWIN	"0000:07:00.0"	/* with the interrupt line of EDU */
#define IGB		"0000:03:00.0"

/* edu's registers, docs/specs/edu.rst of QEMU */
#define EDU_ID		0x00
#define EDU_LIVE	0x04
#define EDU_IRQ_RAISE	0x60
#define EDU_IRQ_ACK	0x64
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_START	1
#define EDU_DMA_FROM	2		/* device to memory */
#define EDU_BUFFER	0x40000		/* 4096 bytes in the device */
#define EDU_ID_VALUE	0x010000edU

#define BAR0_GPA	0xe0000000ULL	/* where tests place edu's BAR */

/* Writes to a file of sysfs or procfs: 0 or -errno. */
int host_put(const char *path, const char *text);

bool host_is_emulated(void);
/*
 * Of what it refuses, QEMU's amd-iommu (11.1) tells only some, and all as of device
 * 00:00.0 and address 0. To write into the MSI window is for it to ask for the
 * interrupt of the I/O APIC whose handle is the data.
 */
bool host_has_qemus_amd_iommu(void);

/* Takes @bdf from its host driver and binds kassign. */
void host_bind(const char *bdf);
/* The same with another driver */
void host_bind_driver(const char *bdf, const char *driver);
/* As host_bind(), but it may fail: 0 or -errno */
int host_try_bind(const char *bdf);
void host_unbind(const char *bdf);
/* Back to the host driver */
void host_rebind(const char *bdf);
bool host_has_driver(const char *bdf, const char *driver);

/* Pages pinned for long at this moment, by anybody */
long host_pins(void);
/* Waits, at most 5 s, until as many pages are pinned as @pins. */
void host_expect_pins(long pins);
/* State of a bound device by netlink, -1 if it is not there */
int host_state(const char *bdf);
void host_expect_state(const char *bdf, int state);

/* ---- a VM with a device ---- */

struct rig {
	struct vmm vmm;
	int ctl;
	int guest;
	int dev;
};

/* A VM with @bdf assigned, decoding off */
void rig_start(struct rig *rig, const char *bdf, enum vmm_memory kind);
void rig_end(struct rig *rig);
/* A kassign guest fd for the VM */
int rig_guest(struct rig *rig);
int rig_assign(int guest, const char *bdf);

uint32_t config_read(int dev, unsigned int off, unsigned int len);
void config_write(int dev, unsigned int off, unsigned int len, uint32_t value);
/* What a guest would write to edu's MSI capability: 64-bit, one vector */
void host_program_msi(int dev, uint8_t vector, bool enable);
/* BAR0 at @gpa, memory decoding and bus master on, exits served too */
void edu_enable(struct rig *rig, uint64_t gpa);

/* ---- edu, driven through the trapped BAR ---- */

uint32_t edu_read(int dev, unsigned int reg);
void edu_write(int dev, unsigned int reg, uint64_t value);
/* DMA of @len bytes between memory at @gpa and edu's buffer */
void edu_dma(int dev, uint64_t gpa, size_t len, bool to_memory);

#endif /* HOST_H */
