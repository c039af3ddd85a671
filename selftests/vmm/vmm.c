// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kassign.h>

#include "tap.h"
#include "vmm.h"

extern const char guest_bin[], guest_bin_end[];

/* guest.c, as the build made it */
asm(".section .rodata\n"
	".globl guest_bin, guest_bin_end\n"
	"guest_bin: .incbin \"" GUEST_BIN "\"\n"
	"guest_bin_end:\n"
	".previous\n");

/* ---- memory ---- */

static void *get_memory(uint64_t size, enum vmm_memory kind)
{
	int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *p;

	if (kind == VMM_MEMFD) {
		fd = memfd_create("guest", MFD_CLOEXEC);
		ASSERT_OK(ftruncate(fd, size));
		flags = MAP_SHARED;
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	ASSERT(p != MAP_FAILED);
	if (fd >= 0)
		close(fd);
	return p;
}

static int set_slot(struct vmm *vmm, int id, const struct vmm_slot *slot,
		    uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = slot->gpa,
		.memory_size = slot->size,
		.userspace_addr = (uintptr_t)slot->hva,
	};

	return ioctl(vmm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void vmm_set_slot(struct vmm *vmm, int id, uint64_t gpa, void *hva, uint64_t size)
{
	struct vmm_slot slot = { gpa, size, hva };

	ASSERT_OK(set_slot(vmm, id, &slot, 0));
}

void *vmm_reserve(size_t size)
{
	uintptr_t huge = 2UL << 20;
	void *p = mmap(NULL, size + huge, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != MAP_FAILED);
	return (void *)(((uintptr_t)p + huge - 1) & ~(huge - 1));
}

void *vmm_memory_at(void *hva, size_t size)
{
	ASSERT(mmap(hva, size, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == hva);
	return hva;
}

void *vmm_add_slot(struct vmm *vmm, uint64_t gpa, uint64_t size, uint32_t flags,
		   enum vmm_memory kind)
{
	struct vmm_slot *slot = &vmm->slots[vmm->nr_slots];

	ASSERT(vmm->nr_slots < VMM_MAX_SLOTS);
	*slot = (struct vmm_slot) { gpa, size, get_memory(size, kind) };
	ASSERT_OK(set_slot(vmm, vmm->nr_slots++, slot, flags));
	return slot->hva;
}

void vmm_del_slot(struct vmm *vmm, uint64_t gpa)
{
	int i;

	for (i = 0; i < vmm->nr_slots; i++) {
		struct vmm_slot gone = { .gpa = gpa };

		if (vmm->slots[i].gpa != gpa || !vmm->slots[i].size)
			continue;
		ASSERT_OK(set_slot(vmm, i, &gone, 0));
		vmm->slots[i].size = 0;
		return;
	}
	ASSERT(!"no such slot");
}

void *vmm_ptr(struct vmm *vmm, uint64_t gpa)
{
	int i;

	for (i = 0; i < vmm->nr_slots; i++)
		if (gpa - vmm->slots[i].gpa < vmm->slots[i].size)
			return (char *)vmm->slots[i].hva +
			       (gpa - vmm->slots[i].gpa);
	ASSERT(!"no such guest address");
	return NULL;
}

/* ---- the vCPU ---- */

/* Everything one to one, in pages of 1 GiB: 512 GiB */
static void make_tables(struct vmm *vmm)
{
	uint64_t *pml4 = vmm_ptr(vmm, TABLES_GPA);
	uint64_t *pdpt = vmm_ptr(vmm, TABLES_GPA + 0x1000);
	uint64_t i;

	pml4[0] = (TABLES_GPA + 0x1000) | 3;
	for (i = 0; i < 512; i++)
		pdpt[i] = i << 30 | 0x83;
}

static void long_mode(struct vmm *vmm)
{
	struct kvm_segment code = {
		.limit = ~0U, .selector = 8, .type = 11, .present = 1, .s = 1,
		.l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = ~0U, .selector = 16, .type = 3, .present = 1, .s = 1,
		.db = 1, .g = 1,
	};
	struct kvm_regs regs = {
		.rip = CODE_GPA, .rsp = STACK_GPA - 8, .rflags = 2,
	};
	uint64_t *gdt = vmm_ptr(vmm, 0x7000);
	struct kvm_sregs sregs;

	gdt[1] = 0x00af9b000000ffffULL;
	gdt[2] = 0x00cf93000000ffffULL;
	ASSERT_OK(ioctl(vmm->vcpu_fd, KVM_GET_SREGS, &sregs));
	sregs.cr0 = 0x80000011;
	sregs.cr3 = TABLES_GPA;
	sregs.cr4 = 0x20;
	sregs.efer = 0x500;
	sregs.gdt.base = 0x7000;
	sregs.gdt.limit = 23;
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	ASSERT_OK(ioctl(vmm->vcpu_fd, KVM_SET_SREGS, &sregs));
	ASSERT_OK(ioctl(vmm->vcpu_fd, KVM_SET_REGS, &regs));
}

static void set_cpuid(struct vmm *vmm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };

	ASSERT_OK(ioctl(vmm->kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid));
	ASSERT_OK(ioctl(vmm->vcpu_fd, KVM_SET_CPUID2, &cpuid));
}

static struct vmm_mmio *find_mmio(struct vmm *vmm, uint64_t gpa)
{
	int i;

	/* The last one added wins, as with a moved BAR. */
	for (i = vmm->nr_mmio; i--; )
		if (gpa - vmm->mmio[i].gpa < vmm->mmio[i].size)
			return &vmm->mmio[i];
	return NULL;
}

static void serve_mmio(struct vmm *vmm)
{
	struct kvm_run *run = vmm->run;
	struct vmm_mmio *m = find_mmio(vmm, run->mmio.phys_addr);
	uint64_t pos;

	vmm->mmio_exits++;
	if (!m) {
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		return;
	}
	pos = KASSIGN_REGION_OFFSET(m->region) + run->mmio.phys_addr - m->gpa;
	if (run->mmio.is_write) {
		if (pwrite(m->dev_fd, run->mmio.data, run->mmio.len, pos) < 0)
			return;
	} else if (pread(m->dev_fd, run->mmio.data, run->mmio.len, pos) < 0) {
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	}
}

static void on_kick(int sig)
{
	(void)sig;
}

static void *vcpu_thread(void *arg)
{
	struct vmm *vmm = arg;

	while (!vmm->stop) {
		if (ioctl(vmm->vcpu_fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			fprintf(stderr, "# KVM_RUN: %s\n", strerror(errno));
			break;
		}
		if (vmm->run->exit_reason == KVM_EXIT_MMIO) {
			serve_mmio(vmm);
		} else {
			vmm->other_exits++;
			fprintf(stderr, "# exit %u\n", vmm->run->exit_reason);
			break;
		}
	}
	return NULL;
}

static void make_vcpu(struct vmm *vmm)
{
	struct sigaction kick = { .sa_handler = on_kick };
	int size;

	vmm->vcpu_fd = ioctl(vmm->vm_fd, KVM_CREATE_VCPU, 0);
	ASSERT(vmm->vcpu_fd >= 0);
	size = ioctl(vmm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	vmm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			vmm->vcpu_fd, 0);
	ASSERT(vmm->run != MAP_FAILED);
	set_cpuid(vmm);
	long_mode(vmm);
	sigaction(SIGUSR1, &kick, NULL);
	ASSERT(!pthread_create(&vmm->thread, NULL, vcpu_thread, vmm));
}

void vmm_start(struct vmm *vmm, enum vmm_memory kind)
{
	memset(vmm, 0, sizeof(*vmm));
	vmm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	ASSERT(vmm->kvm_fd >= 0);
	vmm->vm_fd = ioctl(vmm->kvm_fd, KVM_CREATE_VM, 0);
	ASSERT(vmm->vm_fd >= 0);
	ASSERT_OK(ioctl(vmm->vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000));
	ASSERT_OK(ioctl(vmm->vm_fd, KVM_CREATE_IRQCHIP, 0));
	vmm_add_slot(vmm, 0, VMM_LOW_SIZE, 0, kind);
	memcpy(vmm_ptr(vmm, CODE_GPA), guest_bin, guest_bin_end - guest_bin);
	vmm->mbox = vmm_ptr(vmm, MBOX_GPA);
	make_tables(vmm);
	make_vcpu(vmm);
	vmm_read(vmm, MBOX_GPA, 1);
}

void vmm_end(struct vmm *vmm)
{
	vmm->stop = true;
	vmm->run->immediate_exit = 1;
	pthread_kill(vmm->thread, SIGUSR1);
	pthread_join(vmm->thread, NULL);
	close(vmm->vcpu_fd);
	close(vmm->vm_fd);
	close(vmm->kvm_fd);
}

/* ---- the mailbox ---- */

static void command(struct vmm *vmm, uint64_t what, uint64_t addr,
		    uint64_t value, uint64_t count)
{
	int i;

	vmm->mbox->addr = addr;
	vmm->mbox->value = value;
	vmm->mbox->count = count;
	__atomic_store_n(&vmm->mbox->command, what, __ATOMIC_SEQ_CST);
	for (i = 0; i < 100000 && vmm->mbox->command; i++)
		usleep(100);
	ASSERT(!vmm->mbox->command);
}

uint32_t vmm_read(struct vmm *vmm, uint64_t gpa, uint64_t count)
{
	command(vmm, MBOX_READ, gpa, 0, count);
	return vmm->mbox->value;
}

void vmm_write(struct vmm *vmm, uint64_t gpa, uint32_t value, uint64_t count)
{
	command(vmm, MBOX_WRITE, gpa, value, count);
}

uint64_t vmm_raise(struct vmm *vmm, uint64_t gpa, uint8_t vector, uint64_t count)
{
	command(vmm, MBOX_RAISE, gpa, vector, count);
	return vmm->mbox->value;
}

/* ---- devices ---- */

void vmm_add_mmio(struct vmm *vmm, uint64_t gpa, uint64_t size, int dev_fd,
		  uint32_t region)
{
	ASSERT(vmm->nr_mmio < VMM_MAX_MMIO);
	vmm->mmio[vmm->nr_mmio++] =
		(struct vmm_mmio) { gpa, size, dev_fd, region };
}

/* The one route there is, and what raises it */
static void set_route(struct vmm *vmm, const struct kvm_irq_routing_entry *entry,
		      const struct kvm_irqfd *irqfd)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = { .head.nr = 1, .entry = *entry };

	ASSERT_OK(ioctl(vmm->vm_fd, KVM_SET_GSI_ROUTING, &routing));
	ASSERT_OK(ioctl(vmm->vm_fd, KVM_IRQFD, irqfd));
}

void vmm_irqfd(struct vmm *vmm, int eventfd, uint32_t gsi, uint64_t addr,
	       uint32_t data)
{
	struct kvm_irq_routing_entry entry = {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = addr, .address_hi = addr >> 32,
			   .data = data },
	};
	struct kvm_irqfd irqfd = { .fd = eventfd, .gsi = gsi };

	set_route(vmm, &entry, &irqfd);
}

#define IOAPIC		0xfec00000ULL	/* index; data at 0x10 */
#define IOAPIC_REDIR	0x10		/* entry of pin 0, two registers each */
#define IOAPIC_LEVEL	(1U << 15)

void vmm_line(struct vmm *vmm, int eventfd, int resample, uint32_t pin,
	      uint8_t vector)
{
	struct kvm_irq_routing_entry entry = {
		.gsi = pin,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = pin },
	};
	struct kvm_irqfd irqfd = {
		.fd = eventfd,
		.gsi = pin,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = resample,
	};

	set_route(vmm, &entry, &irqfd);
	vmm_write(vmm, IOAPIC, IOAPIC_REDIR + 2 * pin + 1, 1);
	vmm_write(vmm, IOAPIC + 0x10, 0, 1);
	vmm_write(vmm, IOAPIC, IOAPIC_REDIR + 2 * pin, 1);
	vmm_write(vmm, IOAPIC + 0x10, IOAPIC_LEVEL | vector, 1);
}

bool vmm_wait_irqs_for(struct vmm *vmm, uint8_t vector, uint64_t count, int ms)
{
	int i;

	for (i = 0; i < ms && vmm->mbox->irqs[vector] < count; i++)
		usleep(1000);
	return vmm->mbox->irqs[vector] >= count;
}

bool vmm_wait_irqs(struct vmm *vmm, uint8_t vector, uint64_t count)
{
	return vmm_wait_irqs_for(vmm, vector, count, 5000);
}
