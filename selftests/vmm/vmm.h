/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A minimal VMM for tests: one vCPU in a thread, a tiny guest program that
 * obeys a mailbox, exits counted by reason.
 */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "mbox.h"

#define VMM_MAX_SLOTS	16
#define VMM_MAX_MMIO	8
#define VMM_LOW_SIZE	(32ULL << 20)	/* slot 0: what every VM has */

/* An address range whose exits go to a region of a kassign device */
struct vmm_mmio {
	uint64_t gpa;
	uint64_t size;
	int dev_fd;
	uint32_t region;
};

struct vmm_slot {
	uint64_t gpa;
	uint64_t size;
	void *hva;
};

struct vmm {
	int kvm_fd;
	int vm_fd;
	int vcpu_fd;
	struct kvm_run *run;
	pthread_t thread;
	volatile bool stop;
	volatile uint64_t mmio_exits;
	volatile uint64_t other_exits;
	struct vmm_slot slots[VMM_MAX_SLOTS];
	int nr_slots;
	struct vmm_mmio mmio[VMM_MAX_MMIO];
	int nr_mmio;
	struct mbox *mbox;
};

enum vmm_memory { VMM_ANON, VMM_MEMFD };

/* Makes a VM with VMM_LOW_SIZE at 0 and starts its guest program. */
void vmm_start(struct vmm *vmm, enum vmm_memory kind);
/* Stops the vCPU and closes everything. */
void vmm_end(struct vmm *vmm);

/* A memslot more; where the VMM has it */
void *vmm_add_slot(struct vmm *vmm, uint64_t gpa, uint64_t size, uint32_t flags,
		   enum vmm_memory kind);
void vmm_del_slot(struct vmm *vmm, uint64_t gpa);
/* The same with memory of one's own; no size: away with it. Ids from VMM_MAX_SLOTS on. */
void vmm_set_slot(struct vmm *vmm, int id, uint64_t gpa, void *hva, uint64_t size);
/* Addresses for memory, at a huge page's boundary, with nothing there */
void *vmm_reserve(size_t size);
/* Memory at such an address, private to the VMM until it shows it in a slot */
void *vmm_memory_at(void *hva, size_t size);
/* Host address of a guest-physical one */
void *vmm_ptr(struct vmm *vmm, uint64_t gpa);
/* Exits at [gpa, gpa + size) become accesses to @region of @dev_fd. */
void vmm_add_mmio(struct vmm *vmm, uint64_t gpa, uint64_t size, int dev_fd,
		  uint32_t region);

/* What the guest reads and writes, 32 bits, @count times */
uint32_t vmm_read(struct vmm *vmm, uint64_t gpa, uint64_t count);
void vmm_write(struct vmm *vmm, uint64_t gpa, uint32_t value, uint64_t count);

/* Routes MSI @addr/@data as GSI @gsi and makes @eventfd its irqfd. */
void vmm_irqfd(struct vmm *vmm, int eventfd, uint32_t gsi, uint64_t addr,
	       uint32_t data);
/* An interrupt line: level triggered, ended through @resample, in the guest @vector */
void vmm_line(struct vmm *vmm, int eventfd, int resample, uint32_t pin,
	      uint8_t vector);
/*
 * The guest writes 1 to @gpa, waits for an interrupt, and so on, @count times; how many
 * came. What it does in each of them: mbox->ack.
 */
uint64_t vmm_raise(struct vmm *vmm, uint64_t gpa, uint8_t vector, uint64_t count);
/* Waits until the guest has taken @count of @vector, at most @ms, or 5 s. */
bool vmm_wait_irqs_for(struct vmm *vmm, uint8_t vector, uint64_t count, int ms);
bool vmm_wait_irqs(struct vmm *vmm, uint8_t vector, uint64_t count);

#endif /* VMM_H */
