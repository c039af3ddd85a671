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
	MBOX_READY,		/* does nothing: the guest is alive */
};

/**
 * struct mbox - one command at a time
 * @command:	written last by the test, cleared last by the guest
 * @addr:	guest-physical address
 * @value:	in or out
 * @count:	repetitions
 * @irqs:	interrupts taken, per vector
 */
struct mbox {
	volatile uint64_t command;
	volatile uint64_t addr;
	volatile uint64_t value;
	volatile uint64_t count;
	volatile uint64_t irqs[256];
};

#endif /* MBOX_H */
