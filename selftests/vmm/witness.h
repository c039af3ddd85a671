/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tells whether DMA went astray: memory with a known pattern, the kernel
 * log, the interrupts of the host.
 */
#ifndef WITNESS_H
#define WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- memory ---- */

/*
 * No byte of a pattern is 0x00, 0xff or above 0x7f: those are what a device
 * reads where nothing is, and what tests send. Bit 0 is never set: what a device
 * marks as done is seen. MINE has bit 6, THEIRS has not.
 */
enum pattern { PATTERN_MINE, PATTERN_THEIRS };

struct area {
	const char *name;
	unsigned char *p;
	size_t size;
	enum pattern pattern;
	uint64_t *hpa;		/* of every page; NULL if nobody asked */
};

void area_init(struct area *area, const char *name, void *p, size_t size,
	       enum pattern pattern);
/* The pattern once more in [p, p + len) */
void area_repair(const struct area *area, void *p, size_t len);
unsigned char area_byte(const struct area *area, const void *p);
/* Bytes that are not the pattern; says where the first is */
long area_changed(const struct area *area);
/* Physical addresses of the pages; how many are others than at the last call */
long area_locate(struct area *area);
/* Anonymous, locked, no guest's */
void area_make(struct area *area, const char *name, size_t size);
void area_free(struct area *area);

/* ---- the kernel log ---- */

struct klog {
	int fd;
	long faults;		/* lines on refused DMA */
	long suppressed;	/* and what the rate limit kept away */
	long remaps;		/* lines on refused interrupts */
	long stray;		/* lines on interrupts that nobody expected */
};

void klog_open(struct klog *log);
void klog_read(struct klog *log);
/* Some were read, where the IOMMU can be relied upon to tell of them. */
void klog_expect_faults(const struct klog *log);

/* ---- interrupts ---- */

#define MAX_LINES 256

struct irq_lines {
	int nr;
	struct irq_line {
		char text[96];
		uint64_t count;
	} line[MAX_LINES];
};

void irq_lines_read(struct irq_lines *lines);
/* Interrupts of the IOMMUs themselves: they tell of faults */
uint64_t irq_lines_iommu(const struct irq_lines *lines);
/* Lines that rose and had no reason to; says which */
int irq_lines_strange(const struct irq_lines *before,
		      const struct irq_lines *after);

#endif /* WITNESS_H */
