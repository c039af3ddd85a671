/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mailbox between a test and the guest program, in guest memory.
 */
#ifndef MBOX_H
#define MBOX_H

#include <stdint.h>

#define MBOX_GPA	0x8000ULL
#define CODE_GPA	0x100000ULL
#define STACK_GPA	0x90000ULL
#define TABLES_GPA	0x1000ULL	/* PML4, then PDPT */

enum mbox_command {
	MBOX_NONE,
	MBOX_READ,		/* value = the 32 bits at addr, count times */
	MBOX_WRITE,		/* the 32 bits at addr = value, count times */
	MBOX_RAISE,		/* 1 to addr, count times, each after the interrupt of the
				 * one before (its vector: value) has come; value = how
				 * many came, within a second or so each
				 */
	MBOX_READY,		/* does nothing: the guest is alive */
};

/**
 * struct mbox - one command at a time
 * @command:	written last by the test, cleared last by the guest
 * @addr:	guest-physical address
 * @value:	in or out
 * @count:	repetitions
 * @irqs:	interrupts taken, per vector
 * @ack:	where to write 1 to in each interrupt, 0 for nowhere
 * @cycles:	of the TSC, from writing to the interrupt, sum of a MBOX_RAISE
 */
struct mbox {
	volatile uint64_t command;
	volatile uint64_t addr;
	volatile uint64_t value;
	volatile uint64_t count;
	volatile uint64_t irqs[256];
	volatile uint64_t ack;
	volatile uint64_t cycles;
};

#endif /* MBOX_H */
