/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libkassign - the kassign kernel interface for C programs
 *
 * What a VMM author or a tool links. Thin: every function is one system call
 * on a file descriptor the caller owns, except the kassign_list_* functions,
 * which ask the kernel over generic netlink. Nothing is printed, nothing is
 * kept between calls; all functions are safe to call from several threads.
 *
 * Return values: 0 or a file descriptor (O_CLOEXEC) on success, a negative
 * errno on failure. Meanings of the errors: include/uapi/linux/kassign.h.
 */
#ifndef LIBKASSIGN_H
#define LIBKASSIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kassign.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KASSIGN_DEV_PATH "/dev/kassign"

/* PCI address, as in "0000:01:00.0" */
struct kassign_bdf {
	uint16_t domain;
	uint8_t bus;
	uint8_t dev;
	uint8_t fn;
};

#define KASSIGN_BDF_LEN 16	/* room for the text form with its NUL */

/* Text to BDF; the "dddd:" part may be left out. -EINVAL if it is not one. */
int kassign_bdf_parse(const char *text, struct kassign_bdf *bdf);
/* BDF to text, always with the domain. Returns @buf. */
char *kassign_bdf_str(const struct kassign_bdf *bdf, char buf[KASSIGN_BDF_LEN]);

/* ---- control fd ---- */

/* Opens /dev/kassign; -ENOENT: module not loaded, -EACCES: not root. */
int kassign_open(void);
int kassign_get_info(int ctl_fd, struct kassign_info *info);
/* @err (may be NULL) receives the kernel's reason on failure, else "". */
int kassign_guest_open(int ctl_fd, int vm_fd, char *err, size_t err_len);

/* ---- guest fd ---- */

int kassign_add_device(int guest_fd, const struct kassign_bdf *bdf,
		       char *err, size_t err_len);
/* @generation may be NULL. */
int kassign_guest_sync(int guest_fd, uint32_t flags, uint64_t *generation);
int kassign_guest_get_status(int guest_fd, struct kassign_guest_status *st);

/* ---- device fd ---- */

int kassign_device_get_info(int dev_fd, struct kassign_device_info *info);
int kassign_device_get_region(int dev_fd, uint32_t index,
			      struct kassign_region_info *info);
int kassign_device_get_irq(int dev_fd, uint32_t index,
			   struct kassign_irq_info *info);
/* @fds: @count eventfds for vectors @start.., -1 for none */
int kassign_irq_eventfds(int dev_fd, uint32_t index, uint32_t start,
			 uint32_t count, const int32_t *fds);
/* The line: closed, or open again since the guest is done */
int kassign_intx_mask(int dev_fd, bool mask);
/* @fd: eventfd that tells when the guest is done, -1 for none */
int kassign_intx_resample(int dev_fd, int32_t fd);
int kassign_irq_disable(int dev_fd, uint32_t index);
int kassign_irq_inject(int dev_fd, uint32_t index);
int kassign_irq_loopback(int dev_fd, uint32_t index, uint32_t start,
			 uint32_t count);
int kassign_device_reset(int dev_fd);
int kassign_device_get_status(int dev_fd, struct kassign_device_status *st);
/* DMA faults of the device that were found in the kernel log */
int kassign_report_faults(int dev_fd, uint64_t count, uint64_t addr);
/* One access to a region; 0 or -errno, -EIO if it was cut short. */
int kassign_region_read(int dev_fd, uint32_t index, uint64_t off,
			void *buf, size_t len);
int kassign_region_write(int dev_fd, uint32_t index, uint64_t off,
			 const void *buf, size_t len);

/* ---- netlink: what is assigned where ---- */

struct kassign_guest_entry {
	uint32_t id, pid, devices, domains, regions, bar_slots;
	uint64_t mapped_bytes, todo_bytes, skipped_bytes, generation, syncs;
	uint64_t discards, missing_bytes, locked_bytes, limit_bytes;
};

#define KASSIGN_MAX_IRQ_COUNTS 64
struct kassign_device_entry {
	struct kassign_bdf bdf;
	uint32_t state;			/* enum kassign_dev_state */
	uint32_t guest_id;		/* 0: not assigned */
	uint32_t group;			/* IOMMU group */
	uint64_t domain;		/* equal number: same IOMMU domain; 0 none */
	uint32_t flags;			/* KASSIGN_STATUS_* */
	uint32_t irq_index, irq_vectors, bar_slots, resets;
	uint64_t irqs, irqs_failed, trapped, config_accesses, faults, fault_addr;
	uint64_t errors;
	uint32_t nr_irq_counts;
	uint64_t irq_counts[KASSIGN_MAX_IRQ_COUNTS];
};

/*
 * Allocate an array of all guests (devices); free() it. Returns the number of
 * entries, or -ENOENT when the module is not loaded.
 */
int kassign_list_guests(struct kassign_guest_entry **entries);
int kassign_list_devices(struct kassign_device_entry **entries);

#ifdef __cplusplus
}
#endif
#endif /* LIBKASSIGN_H */
