// SPDX-License-Identifier: GPL-2.0-only
/*
 * make bench-irqs: what an interrupt of a device costs until the guest's handler has it,
 * kassign against VFIO: the same guest program, device and boot, in turns.
 *
 *   bench_irqs [COUNT [ROUNDS]]
 *
 * The guest raises edu's interrupt by a register it reaches without a trap, and takes the
 * time until its handler runs.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host.h"
#include "rnd.h"
#include "stats.h"
#include "tap.h"
#include "vfio.h"

#define VECTOR		0x41
#define PIN		10
#define SLOT		20
#define EDU_SIZE	(1 << 20)
#define MAX_ROUNDS	50

enum { IRQFD, INJECT, LINE, VFIO_IRQFD, VFIO_LINE, NR_WAYS };

static const char * const names[NR_WAYS] = {
	"kassign MSI irqfd", "kassign MSI injected", "kassign INTx",
	"VFIO MSI", "VFIO INTx",
};

/* us an interrupt */
static double measure(struct vmm *vmm, uint64_t count)
{
	int khz = ioctl(vmm->vm_fd, KVM_GET_TSC_KHZ, 0);

	ASSERT(khz > 0);
	vmm->mbox->ack = BAR0_GPA + EDU_IRQ_ACK;
	ASSERT_EQ(vmm_raise(vmm, BAR0_GPA + EDU_IRQ_RAISE, VECTOR, count), count);
	return vmm->mbox->cycles * 1e3 / khz / count;
}

static int32_t new_eventfd(void)
{
	int32_t fd = eventfd(0, EFD_NONBLOCK);

	ASSERT_OK(fd);
	return fd;
}

/* ---- kassign ---- */

static void set_up(struct rig *rig, int way, int32_t fd, int32_t resample)
{
	switch (way) {
	case IRQFD:
		vmm_irqfd(&rig->vmm, fd, 24, 0xfee00000, VECTOR);
		ASSERT_EQ(kassign_irq_eventfds(rig->dev, KASSIGN_IRQ_MSI, 0, 1, &fd), 0);
		break;
	case INJECT:
		ASSERT_EQ(kassign_irq_inject(rig->dev, KASSIGN_IRQ_MSI), 0);
		host_program_msi(rig->dev, VECTOR, true);
		break;
	case LINE:
		vmm_line(&rig->vmm, fd, resample, PIN, VECTOR);
		ASSERT_EQ(kassign_irq_eventfds(rig->dev, KASSIGN_IRQ_INTX, 0, 1, &fd), 0);
		ASSERT_EQ(kassign_intx_resample(rig->dev, resample), 0);
		break;
	}
}

static double kassign_round(int way, uint64_t count)
{
	int32_t fd = new_eventfd(), resample = new_eventfd();
	struct rig rig;
	double us;

	host_bind(EDU);
	rig_start(&rig, EDU, VMM_ANON);
	edu_enable(&rig, BAR0_GPA);
	set_up(&rig, way, fd, resample);
	us = measure(&rig.vmm, count);
	rig_end(&rig);
	close(fd);
	close(resample);
	return us;
}

/* ---- VFIO ---- */

static void set_irqs(int dev, uint32_t index, uint32_t flags, int32_t fd)
{
	struct {
		struct vfio_irq_set head;
		int32_t fd;
	} set = {
		.head = {
			.argsz = sizeof(set),
			.flags = flags | VFIO_IRQ_SET_DATA_EVENTFD,
			.index = index,
			.count = 1,
		},
		.fd = fd,
	};

	ASSERT_OK(ioctl(dev, VFIO_DEVICE_SET_IRQS, &set));
}

static void *map_bar(int dev)
{
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	}, bar = {
		.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	void *p;

	ASSERT_OK(ioctl(dev, VFIO_DEVICE_GET_REGION_INFO, &config));
	ASSERT_OK(ioctl(dev, VFIO_DEVICE_GET_REGION_INFO, &bar));
	ASSERT_EQ(pwrite(dev, &command, 2, config.offset + PCI_COMMAND), 2);
	p = mmap(NULL, EDU_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dev, bar.offset);
	ASSERT(p != MAP_FAILED);
	return p;
}

static double vfio_round(int way, uint64_t count)
{
	int32_t fd = new_eventfd(), resample = new_eventfd();
	struct vfio vfio;
	struct vmm vmm;
	double us;
	void *bar;

	vfio_start(&vfio, EDU);
	vmm_start(&vmm, VMM_ANON);
	bar = map_bar(vfio.dev);
	vmm_set_slot(&vmm, SLOT, BAR0_GPA, bar, EDU_SIZE);
	if (way == VFIO_LINE) {
		vmm_line(&vmm, fd, resample, PIN, VECTOR);
		set_irqs(vfio.dev, VFIO_PCI_INTX_IRQ_INDEX,
			 VFIO_IRQ_SET_ACTION_TRIGGER, fd);
		set_irqs(vfio.dev, VFIO_PCI_INTX_IRQ_INDEX,
			 VFIO_IRQ_SET_ACTION_UNMASK, resample);
	} else {
		vmm_irqfd(&vmm, fd, 24, 0xfee00000, VECTOR);
		set_irqs(vfio.dev, VFIO_PCI_MSI_IRQ_INDEX,
			 VFIO_IRQ_SET_ACTION_TRIGGER, fd);
	}
	us = measure(&vmm, count);
	vmm_set_slot(&vmm, SLOT, BAR0_GPA, NULL, 0);
	munmap(bar, EDU_SIZE);
	vmm_end(&vmm);
	vfio_end(&vfio);
	close(fd);
	close(resample);
	return us;
}

/* ---- results ---- */

static void row(const char *name, double ours, double vfio)
{
	printf("%-24s %10.1f %10.1f %9.2f\n", name, ours, vfio, ours / vfio);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoul(argv[1], NULL, 0) : 5000;
	int rounds = argc > 2 ? atoi(argv[2]) : 5, i, w;
	double us[NR_WAYS][MAX_ROUNDS], mid[NR_WAYS];

	ASSERT(count > 0 && rounds > 0 && rounds <= MAX_ROUNDS);
	setlinebuf(stdout);
	for (i = 0; i < rounds; i++) {
		for (w = 0; w < NR_WAYS; w++) {
			us[w][i] = w < VFIO_IRQFD ? kassign_round(w, count) :
						    vfio_round(w, count);
			printf("# round %d, %s: %.1f us\n", i + 1, names[w], us[w][i]);
		}
	}
	for (w = 0; w < NR_WAYS; w++)
		mid[w] = median(us[w], rounds);
	printf("%llu interrupts, median of %d rounds; us from the device to the handler\n",
	       (unsigned long long)count, rounds);
	printf("%-24s %10s %10s %9s\n", "way", "kassign", "VFIO", "ratio");
	row("MSI, irqfd", mid[IRQFD], mid[VFIO_IRQFD]);
	row("MSI, injected", mid[INJECT], mid[VFIO_IRQFD]);
	row("INTx, irqfd", mid[LINE], mid[VFIO_LINE]);
	return 0;
}
