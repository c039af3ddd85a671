// SPDX-License-Identifier: GPL-2.0-only
/*
 * Isolation: whatever a guest makes its device do, memory that is not the
 * guest's stays as it is and unread, and no interrupt of the host is raised.
 *
 *	DMA_ATTEMPTS	how many in the bulk test, default 2000
 *	SEED		of all that is random; printed
 *	DMA_ALL_MSIS	1: see aim_msi()
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/kassign.h>

#include "host.h"
#include "nic.h"
#include "rnd.h"
#include "tap.h"
#include "witness.h"

#define MID_GPA		0xc0000000ULL	/* below 4 GiB, where the host has PCI */
#define MID_SIZE	(2ULL << 20)
#define HIGH_GPA	(64ULL << 30)
#define HIGH_SIZE	(4ULL << 20)
#define OTHER_GPA	(96ULL << 30)	/* the other VM's */
#define MSI_WINDOW	0xfee00000ULL
#define MSI_REMAPPABLE	(1U << 4)
#define CANARY_SIZE	(64ULL << 20)
#define BATCH		16
#define NR_EDGES	5
#define MAX_BARS	64

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* ---- the arena: two guests with a device each, and the host's memory ---- */

enum { OWN_LOW, OWN_MID, OWN_HIGH, CANARY, OTHER_LOW, OTHER_HIGH, NR_AREAS };

struct edge {
	uint64_t gpa;
	const struct area *area;
	bool start;		/* of the slot; else its end */
};

struct arena {
	struct rig rig;		/* has the NIC */
	struct nic nic;
	struct rig other;	/* has edu */
	struct area area[NR_AREAS];
	struct edge edge[NR_EDGES];
	uint64_t bar[MAX_BARS];	/* registers: of all devices and the chipset */
	int nr_bars;
	struct klog log;
	unsigned char *low;	/* what is below the NIC's things, as it was */
	long writes, reads, rx_rings, tx_rings, msis;
	long failed;		/* attempts that did not reach the device */
	long leaks;		/* bytes read that were not the guest's */
	long changed;
	long answers;		/* reads that gave blank data rather than none */
	struct irq_lines irqs;	/* at the start */
	long pins;
};

static void find_bars(struct arena *a)
{
	FILE *f = popen("cat /sys/bus/pci/devices/*/resource", "r");
	unsigned long start, end, flags;

	ASSERT(f);
	while (a->nr_bars < MAX_BARS - 4 &&
	       fscanf(f, "%lx %lx %lx", &start, &end, &flags) == 3)
		if (flags & 0x200 && start)
			a->bar[a->nr_bars++] = start;
	pclose(f);
	ASSERT(a->nr_bars > 3);
	a->bar[a->nr_bars++] = 0xfec00000;	/* I/O APIC */
	a->bar[a->nr_bars++] = 0xfed90000;	/* the IOMMU itself, Intel's */
	a->bar[a->nr_bars++] = 0xfed80000;	/* and AMD's */
	a->bar[a->nr_bars++] = BAR0_GPA;	/* the guest's own view */
}

static void own_area(struct arena *a, int nr, const char *name, uint64_t gpa,
		     uint64_t size)
{
	area_init(&a->area[nr], name, vmm_ptr(&a->rig.vmm, gpa), size,
		  PATTERN_MINE);
}

static void arena_guest(struct arena *a)
{
	struct vmm *vmm = &a->rig.vmm;

	rig_start(&a->rig, NIC, VMM_ANON);
	vmm_add_slot(vmm, MID_GPA, MID_SIZE, 0, VMM_ANON);
	vmm_add_slot(vmm, HIGH_GPA, HIGH_SIZE, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(a->rig.guest, 0, NULL), 0);
	nic_start(&a->nic, &a->rig);
	own_area(a, OWN_LOW, "the guest, low", NIC_OWN_END,
		 VMM_LOW_SIZE - NIC_OWN_END);
	own_area(a, OWN_MID, "the guest, middle", MID_GPA, MID_SIZE);
	own_area(a, OWN_HIGH, "the guest, high", HIGH_GPA, HIGH_SIZE);
	a->edge[0] = (struct edge) { VMM_LOW_SIZE, &a->area[OWN_LOW], false };
	a->edge[1] = (struct edge) { MID_GPA, &a->area[OWN_MID], true };
	a->edge[2] = (struct edge) { MID_GPA + MID_SIZE, &a->area[OWN_MID], false };
	a->edge[3] = (struct edge) { HIGH_GPA, &a->area[OWN_HIGH], true };
	a->edge[4] = (struct edge) { HIGH_GPA + HIGH_SIZE, &a->area[OWN_HIGH], false };
	a->low = malloc(NIC_OWN_START);
	memcpy(a->low, vmm_ptr(vmm, 0), NIC_OWN_START);
}

/* Its device makes the IOMMU know the other guest's memory, and pins it. */
static void arena_other(struct arena *a)
{
	struct area *low = &a->area[OTHER_LOW], *high = &a->area[OTHER_HIGH];
	struct vmm *vmm;

	rig_start(&a->other, EDU, VMM_ANON);
	vmm = &a->other.vmm;
	vmm_add_slot(vmm, OTHER_GPA, HIGH_SIZE, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(a->other.guest, 0, NULL), 0);
	edu_enable(&a->other, BAR0_GPA);
	area_init(low, "the other guest, low", vmm_ptr(vmm, NIC_OWN_START),
		  VMM_LOW_SIZE - NIC_OWN_START, PATTERN_THEIRS);
	area_init(high, "the other guest, high", vmm_ptr(vmm, OTHER_GPA),
		  HIGH_SIZE, PATTERN_THEIRS);
	area_locate(low);
	area_locate(high);
}

static void arena_start(struct arena *a, uint64_t canary)
{
	int i, j;

	ASSERT(a);
	memset(a, 0, sizeof(*a));
	a->pins = host_pins();
	area_make(&a->area[CANARY], "the host", canary);
	arena_other(a);
	arena_guest(a);
	find_bars(a);
	klog_open(&a->log);
	irq_lines_read(&a->irqs);
	/* First of all the driver must be one that can do harm. */
	ASSERT(nic_loops_back(&a->nic, NIC_MIN_FRAME));
	ASSERT(nic_loops_back(&a->nic, NIC_MAX_FRAME));
	for (i = 0; i < NIC_ENTRIES; i++)
		for (j = 0; j < NIC_BUF; j++)
			nic_tx_buf(&a->nic, i)[j] = 0x80 | rnd(128);
}

/* The guest itself writes to its stack, and we to the mailbox. */
static void arena_renew_low(struct arena *a)
{
	static const uint64_t pages[] = { MBOX_GPA, STACK_GPA - 4096 };
	size_t i;

	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		memcpy(a->low + pages[i], vmm_ptr(&a->rig.vmm, pages[i]), 4096);
}

static long bytes_differ(const void *p, const void *q, size_t len)
{
	const unsigned char *a = p, *b = q;
	long nr = 0;

	while (len--)
		nr += *a++ != *b++;
	return nr;
}

/* Compares everything with what it was. */
static void arena_compare(struct arena *a)
{
	long moved = 0, pages = 0, below;
	int i;

	for (i = 0; i < NR_AREAS; i++) {
		a->changed += area_changed(&a->area[i]);
		if (!a->area[i].hpa)
			continue;
		moved += area_locate(&a->area[i]);
		pages += a->area[i].size / 4096;
	}
	below = bytes_differ(a->low, vmm_ptr(&a->rig.vmm, 0), NIC_OWN_START);
	if (below)
		fprintf(stderr, "# the guest, program: %ld bytes\n", below);
	a->changed += below;
	/* The kernel may move memory; if it was much, we shot elsewhere. */
	if (moved)
		fprintf(stderr, "# %ld of %ld pages have moved\n", moved, pages);
	ASSERT(moved < pages / 10);
	klog_read(&a->log);
}

static void arena_end(struct arena *a)
{
	if (a->nic.regs)
		nic_end(&a->nic);
	rig_end(&a->rig);
	rig_end(&a->other);
	host_expect_pins(a->pins);
	area_free(&a->area[CANARY]);
	free(a->low);
	close(a->log.fd);
}

static long attempts(const struct arena *a)
{
	return a->writes + a->reads + a->rx_rings + a->tx_rings + a->msis;
}

/* ---- where to ---- */

struct shot {
	uint64_t addr;
	unsigned int len;
	const struct edge *edge;	/* it straddles this one */
	unsigned int inside;		/* bytes of it in the guest */
};

/* Does [addr, addr + len) touch the guest's memory, or the MSI window? */
static bool harmless(uint64_t addr, unsigned int len)
{
	static const struct { uint64_t start, size; } own[] = {
		{ 0, VMM_LOW_SIZE }, { MID_GPA, MID_SIZE },
		{ HIGH_GPA, HIGH_SIZE }, { MSI_WINDOW, 1 << 20 },
	};
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (addr < own[i].start + own[i].size &&
		    addr + len > own[i].start)
			return true;
	return false;
}

static uint64_t in_area(const struct area *area, unsigned int len)
{
	return area->hpa[rnd(area->size / 4096)] + rnd(4096 - len + 1);
}

static unsigned int some_len(void)
{
	uint64_t dice = rnd(20);

	if (dice < 15)
		return NIC_MIN_FRAME + rnd(68);
	return NIC_MIN_FRAME + rnd(dice < 19 ? 450 : NIC_MAX_FRAME - NIC_MIN_FRAME + 1);
}

/* One edge can be straddled once a batch; the first byte after is no limit. */
static void aim_at_edge(struct arena *a, struct shot *shot, unsigned int *used)
{
	unsigned int nr = rnd(NR_EDGES);
	const struct edge *edge = &a->edge[nr];
	unsigned int n = rnd(4) ? 1 + rnd(shot->len - 1) : 1;

	if (*used & 1U << nr || !rnd(3)) {
		shot->addr = edge->start ? edge->gpa - shot->len : edge->gpa;
		return;
	}
	*used |= 1U << nr;
	shot->edge = edge;
	shot->inside = edge->start ? shot->len - n : n;
	shot->addr = edge->gpa - n;
}

static uint64_t far_address(struct arena *a, unsigned int len)
{
	switch (rnd(8)) {
	case 0:
	case 1:
		return rnd(1ULL << 48);
	case 2:
		return rnd(1ULL << 55) << 8 | rnd(256);
	case 3:
		return a->bar[rnd(a->nr_bars)] + rnd(256);
	case 4:
		return in_area(&a->area[OTHER_LOW], len);
	case 5:
		return rnd(2) ? in_area(&a->area[OTHER_HIGH], len) :
				OTHER_GPA + rnd(HIGH_SIZE - len);
	default:
		return in_area(&a->area[CANARY], len);
	}
}

static void aim(struct arena *a, struct shot *shot, unsigned int *used)
{
	*shot = (struct shot) { .len = some_len() };
	if (!rnd(6)) {
		aim_at_edge(a, shot, used);
		return;
	}
	do {
		shot->addr = far_address(a, shot->len);
	} while (harmless(shot->addr, shot->len));
}

/* ---- attempts ---- */

/*
 * Of a frame across an edge the guest may get what is its own: that is frame
 * or old pattern, nothing else, and is put back.
 */
static void judge_edge(struct arena *a, const struct shot *shot,
		       const unsigned char *frame)
{
	uint64_t gpa = shot->edge->start ? shot->edge->gpa : shot->addr;
	unsigned char *p = vmm_ptr(&a->rig.vmm, gpa);
	unsigned int i;

	for (i = 0; i < shot->inside; i++)
		if (p[i] != frame[gpa - shot->addr + i] &&
		    p[i] != area_byte(shot->edge->area, p + i))
			a->changed++;
	area_repair(shot->edge->area, p, shot->inside);
}

/* RX buffers that are not the guest's. The descriptors tell what was done. */
static void shoot_writes(struct arena *a, unsigned int n)
{
	unsigned int used = 0, i;
	struct shot shot[BATCH];

	for (i = 0; i < n; i++) {
		aim(a, &shot[i], &used);
		nic_tx_set(&a->nic, i, NIC_TX_BUFS + i * NIC_BUF, shot[i].len);
		nic_rx_set(&a->nic, i, shot[i].addr);
	}
	nic_run_usual(&a->nic, n, n);
	for (i = 0; i < n; i++) {
		if (a->nic.rx[i].status & NIC_DD && a->nic.rx[i].len == shot[i].len)
			a->writes++;
		else
			a->failed++;
		if (shot[i].edge)
			judge_edge(a, &shot[i], nic_tx_buf(&a->nic, i));
	}
}

/* What a read from nowhere may give: nothing, or what an abort reads as */
static bool blank(unsigned char c, bool straddled)
{
	return c == 0 || c == 0xff || (straddled && c & 0x40 && !(c & 0x80));
}

static void judge_answers(struct arena *a, unsigned int n, bool straddled)
{
	unsigned int i, j;

	for (i = 0; i < n; i++) {
		const unsigned char *p = nic_rx_buf(&a->nic, i);

		if (!(a->nic.rx[i].status & NIC_DD))
			continue;
		a->answers++;
		for (j = 0; j < a->nic.rx[i].len && j < NIC_BUF; j++)
			a->leaks += !blank(p[j], straddled);
	}
}

/* TX buffers that are not the guest's; what comes back shows what was read. */
static void shoot_reads(struct arena *a, unsigned int n)
{
	unsigned int used = 0, i;
	struct shot shot;

	for (i = 0; i < n; i++) {
		aim(a, &shot, &used);
		nic_tx_set(&a->nic, i, shot.addr, shot.len);
		nic_rx_set(&a->nic, i, NIC_RX_BUFS + i * NIC_BUF);
	}
	nic_run_usual(&a->nic, n, n);
	for (i = 0; i < n; i++) {
		if (a->nic.tx[i].status & NIC_DD)
			a->reads++;
		else
			a->failed++;
	}
	judge_answers(a, n, used);
}

static uint64_t aim_ring(struct arena *a)
{
	uint64_t addr;

	do {
		addr = rnd(4) ? far_address(a, 128) : a->edge[rnd(NR_EDGES)].gpa;
		addr &= ~15ULL;
	} while (harmless(addr, 128));
	return addr;
}

/* A ring that is not the guest's is read, and written back: 7 of 8 entries. */
static void shoot_rx_ring(struct arena *a)
{
	struct nic_ring tx = { NIC_TX_RING, NIC_ENTRIES, 0, 1 };
	struct nic_ring rx = { aim_ring(a), 8, 0, 7 };

	nic_tx_set(&a->nic, 0, NIC_TX_BUFS, NIC_MIN_FRAME);
	nic_run(&a->nic, &tx, &rx);
	if (nic_read(&a->nic, NIC_RDH) == rx.tail)
		a->rx_rings++;
	else
		a->failed++;
}

static void shoot_tx_ring(struct arena *a)
{
	struct nic_ring tx = { aim_ring(a), 8, 0, 7 };
	struct nic_ring rx = { NIC_RX_RING, NIC_ENTRIES, 0, NIC_ENTRIES - 1 };
	int i;

	for (i = 0; i < NIC_ENTRIES; i++)
		nic_rx_set(&a->nic, i, NIC_RX_BUFS + i * NIC_BUF);
	nic_run(&a->nic, &tx, &rx);
	if (nic_read(&a->nic, NIC_TDH) == tx.tail)
		a->tx_rings++;
	else
		a->failed++;
	judge_answers(a, NIC_ENTRIES, false);
	/* Half a frame may be left in the device: end it. */
	nic_tx_set(&a->nic, 0, NIC_TX_BUFS, NIC_MIN_FRAME);
	nic_run_usual(&a->nic, 1, 0);
}

/* One round of everything but MSIs, at most @budget attempts */
static void shoot(struct arena *a, long budget)
{
	shoot_writes(a, budget < BATCH ? budget : BATCH);
	budget -= BATCH;
	if (budget > 0)
		shoot_reads(a, budget < BATCH ? budget : BATCH);
	budget -= BATCH;
	if (budget > 0)
		shoot_rx_ring(a);
	if (budget > 1)
		shoot_tx_ring(a);
}

/* ---- the MSI window ---- */

static uint32_t any_data(void)
{
	return rnd(2) ? rnd(256) : rnd(1ULL << 32);
}

/*
 * QEMU's IOMMUs know the source only of MSIs, not of other writes to the window:
 * they let those raise any interrupt whose handle is in use, and all of the old
 * format. There only handles that nobody has are tried. DMA_ALL_MSIS=1 tries all
 * of them there too, and must fail.
 *
 * The 16 bytes at an address with bit 4, "remappable", or without; some @data.
 * Intel's handle is in the address, AMD's in the low 11 bits of the data.
 */
static uint64_t aim_msi(uint32_t *data)
{
	bool all = !host_is_emulated() || env("DMA_ALL_MSIS", 0);
	uint64_t handle = all ? rnd(1 << 15) : 0x1000 + rnd(0x6000);
	uint32_t nobodys = host_has_qemus_amd_iommu() ? 0x100 : 0;
	int i;

	if (all && rnd(2))	/* those in use are the low ones */
		handle &= 0x7f;
	for (i = 0; i < 4; i++)
		data[i] = all ? any_data() : nobodys + rnd(256);
	return MSI_WINDOW | handle << 5 |
	       (all && rnd(2) ? 0 : MSI_REMAPPABLE);
}

/*
 * Frames of 256 + 16 bytes into RX buffers of 256: the last 16 are written to
 * the window.
 */
static void shoot_msis(struct arena *a, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint32_t *data = (uint32_t *)(nic_tx_buf(&a->nic, i) + 256);
		uint64_t addr = aim_msi(data);

		nic_tx_set(&a->nic, i, NIC_TX_BUFS + i * NIC_BUF, 256 + 16);
		nic_rx_set(&a->nic, 2 * i, NIC_RX_BUFS + i * NIC_BUF);
		nic_rx_set(&a->nic, 2 * i + 1, addr);
	}
	a->nic.rctl = NIC_RCTL_256;
	nic_run_usual(&a->nic, n, 2 * n);
	a->nic.rctl = 0;
	for (i = 0; i < n; i++) {
		if (a->nic.rx[2 * i + 1].status & NIC_DD)
			a->msis++;
		else
			a->failed++;
	}
}

/* Descriptors written back into the window: only entry 1, at 16 of 32 */
static void shoot_msi_rings(struct arena *a)
{
	uint32_t data[4];
	uint64_t at = aim_msi(data) & ~31ULL;
	struct nic_ring usual_tx = { NIC_TX_RING, NIC_ENTRIES, 0, 1 };
	struct nic_ring usual_rx = { NIC_RX_RING, NIC_ENTRIES, 0, 0 };
	struct nic_ring msi = { at, 8, 1, 2 };

	nic_tx_set(&a->nic, 0, NIC_TX_BUFS, NIC_MIN_FRAME);
	nic_run(&a->nic, &usual_tx, &msi);
	if (nic_read(&a->nic, NIC_RDH) == msi.tail)
		a->msis++;
	else
		a->failed++;
	nic_run(&a->nic, &msi, &usual_rx);
	if (nic_read(&a->nic, NIC_TDH) == msi.tail)
		a->msis++;
	else
		a->failed++;
	nic_tx_set(&a->nic, 0, NIC_TX_BUFS, NIC_MIN_FRAME);
	nic_run_usual(&a->nic, 1, 0);
}

/* How many lines of /proc/interrupts rose without a reason */
static int msi_phase(struct arena *a, long count)
{
	/* What a descriptor says is the NIC's: it may be the handle of an interrupt. */
	bool rings = !host_has_qemus_amd_iommu() || env("DMA_ALL_MSIS", 0);
	struct irq_lines before, after;
	long end = a->msis + count;

	irq_lines_read(&before);
	while (a->msis < end && a->failed < 100) {
		shoot_msis(a, end - a->msis < BATCH ? end - a->msis : BATCH);
		if (rings && a->msis + 2 <= end)
			shoot_msi_rings(a);
	}
	usleep(100000);
	irq_lines_read(&after);
	return irq_lines_strange(&before, &after);
}

/* ---- bulk ---- */

TEST(the_nic_reaches_guest_memory)
{
	struct nic nic;
	struct rig rig;
	unsigned int len;

	seed_from_env();
	rig_start(&rig, NIC, VMM_ANON);
	nic_start(&nic, &rig);
	for (len = NIC_MIN_FRAME; len <= NIC_MAX_FRAME; len += 97)
		ASSERT(nic_loops_back(&nic, len));
	nic_end(&nic);
	rig_end(&rig);
}

static void report(const struct arena *a, double seconds)
{
	struct irq_lines irqs;

	irq_lines_read(&irqs);
	fprintf(stderr, "# attempts: %ld, bytes changed: %ld, faults seen: %ld, rate %.0f/s\n",
		attempts(a), a->changed, a->log.faults, attempts(a) / seconds);
	fprintf(stderr, "#   writes %ld, reads %ld (%ld answered blank), RX rings %ld, TX rings %ld, MSIs %ld\n",
		a->writes, a->reads, a->answers, a->rx_rings, a->tx_rings,
		a->msis);
	fprintf(stderr, "#   bytes leaked %ld, not counted %ld; %lu interrupts of the IOMMU; log: %ld faults suppressed, %ld refused MSIs, %ld stray interrupts\n",
		a->leaks, a->failed,
		irq_lines_iommu(&irqs) - irq_lines_iommu(&a->irqs),
		a->log.suppressed, a->log.remaps, a->log.stray);
}

TEST(bulk_dma_outside_the_guest_changes_nothing)
{
	long count = env("DMA_ATTEMPTS", 2000), msis = count / 16;
	struct arena *a = malloc(sizeof(*a));
	double start, seconds;
	bool waited = false;
	int strange;

	alarm(60 + count / 100);
	seed_from_env();
	arena_start(a, CANARY_SIZE);
	start = now();
	while (attempts(a) < count - msis && a->failed < 100) {
		shoot(a, count - msis - attempts(a));
		klog_read(&a->log);
		/* The kernel logs few in 5 s; other tests may have had them. */
		if (!a->log.faults && !waited && attempts(a) > count / 2) {
			sleep(6);
			waited = true;
		}
	}
	strange = msi_phase(a, msis);
	seconds = now() - start;
	arena_compare(a);
	report(a, seconds);
	/* The device was able to do it until the end. */
	ASSERT(nic_loops_back(&a->nic, NIC_MAX_FRAME));
	ASSERT_EQ(attempts(a), count);
	ASSERT_EQ(a->failed, 0);
	ASSERT_EQ(a->changed, 0);
	ASSERT_EQ(a->leaks, 0);
	klog_expect_faults(&a->log);
	ASSERT_EQ(a->log.stray, 0);
	ASSERT_EQ(strange, 0);
	arena_end(a);
}

/* A page of the host's memory given to the guest where the host has it */
static void make_hole(struct arena *a, unsigned int nr, size_t page)
{
	struct kvm_userspace_memory_region region = {
		.slot = 100 + nr,
		.guest_phys_addr = a->area[CANARY].hpa[page],
		.memory_size = 4096,
		.userspace_addr = (uintptr_t)a->area[CANARY].p + page * 4096,
	};

	ASSERT_OK(ioctl(a->rig.vmm.vm_fd, KVM_SET_USER_MEMORY_REGION, &region));
}

/* The test of the test: with a hole in the isolation it must see that. */
TEST(a_hole_in_the_isolation_would_be_seen)
{
	struct arena *a = malloc(sizeof(*a));
	int i;

	seed_from_env();
	arena_start(a, 64 << 10);
	for (i = 0; i < 16; i++)
		make_hole(a, i, i);
	ASSERT_EQ(kassign_guest_sync(a->rig.guest, KASSIGN_SYNC_NOW, NULL), 0);
	fprintf(stderr, "# the next lines tell of damage that is meant to be\n");
	/* They aim at random, so until one hits */
	for (i = 0; i < 500 && !a->leaks; i++)
		shoot_reads(a, BATCH);
	ASSERT(a->leaks > 0);
	ASSERT_EQ(area_changed(&a->area[CANARY]), 0);
	for (i = 0; i < 1000 && !area_changed(&a->area[CANARY]); i++)
		shoot_rx_ring(a);
	ASSERT(area_changed(&a->area[CANARY]) > 0);
	area_repair(&a->area[CANARY], a->area[CANARY].p, a->area[CANARY].size);
	for (i = 0; i < 1000 && !area_changed(&a->area[CANARY]); i++)
		shoot_tx_ring(a);
	ASSERT(area_changed(&a->area[CANARY]) > 0);
	area_repair(&a->area[CANARY], a->area[CANARY].p, a->area[CANARY].size);
	for (i = 0; i < 500 && !area_changed(&a->area[CANARY]); i++)
		shoot_writes(a, BATCH);
	arena_compare(a);
	ASSERT(a->changed > 0);
	fprintf(stderr, "# seen: %ld bytes changed, %ld leaked\n", a->changed,
		a->leaks);
	arena_end(a);
}

/* ---- the end of an assignment ---- */

/* Who rings the doorbell, until the device is gone */
enum ringer { BY_GUEST, BY_FD, BY_MAPPING };

struct pump {
	enum ringer by;
	struct nic *nic;
	int dev;
	volatile bool stop;
	volatile long done;	/* frames that went to memory not the guest's */
	pthread_t thread;
};

static __thread sigjmp_buf no_device;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(no_device, 1);
}

static bool pump_write(struct pump *pump, unsigned int reg, uint32_t value)
{
	switch (pump->by) {
	case BY_GUEST:
		vmm_write(pump->nic->vmm, BAR0_GPA + reg, value, 1);
		return true;
	case BY_FD:
		return !kassign_region_write(pump->dev, 0, reg, &value, 4);
	default:
		nic_write(pump->nic, reg, value);
		return true;
	}
}

static uint32_t pump_read(struct pump *pump, unsigned int reg)
{
	uint32_t value = ~0U;

	switch (pump->by) {
	case BY_GUEST:
		return vmm_read(pump->nic->vmm, BAR0_GPA + reg, 1);
	case BY_FD:
		kassign_region_read(pump->dev, 0, reg, &value, 4);
		return value;
	default:
		return nic_read(pump->nic, reg);
	}
}

/* Of four RX buffers one is the guest's. */
static bool pump_outside(unsigned int i)
{
	return i % 4;
}

static void *pump_thread(void *arg)
{
	struct pump *pump = arg;
	unsigned int i = 0, next;

	if (sigsetjmp(no_device, 1))
		return NULL;
	while (!pump->stop) {
		next = (i + 1) % NIC_ENTRIES;
		if (!pump_write(pump, NIC_RDT, next) ||
		    !pump_write(pump, NIC_TDT, next))
			return NULL;
		if (pump_read(pump, NIC_RDH) == next)
			pump->done += pump_outside(i);
		i = next;
	}
	return NULL;
}

/* Rings full of frames, waiting for the doorbell */
static void pump_prepare(struct nic *nic, const struct area *target)
{
	int i;

	for (i = 0; i < NIC_ENTRIES; i++) {
		uint64_t addr = NIC_RX_BUFS + i * NIC_BUF;

		if (pump_outside(i)) {
			do {
				addr = in_area(target, 256);
			} while (harmless(addr, 256));
		}
		memset(nic_tx_buf(nic, i), 0x80 | i, 256);
		nic_tx_set(nic, i, NIC_TX_BUFS + i * NIC_BUF, 256);
		nic_rx_set(nic, i, addr);
	}
	nic_run_usual(nic, 0, 0);
}

static void pump_start(struct pump *pump)
{
	int i;

	signal(SIGBUS, on_sigbus);
	ASSERT(!pthread_create(&pump->thread, NULL, pump_thread, pump));
	for (i = 0; i < 5000 && pump->done < 24; i++)
		usleep(1000);
	ASSERT(pump->done >= 24);
	usleep(rnd(3000));
}

static long pump_end(struct pump *pump)
{
	pump->stop = true;
	pthread_join(pump->thread, NULL);
	return pump->done;
}

static void reassign(struct arena *a)
{
	a->rig.dev = rig_assign(a->rig.guest, NIC);
	ASSERT(a->rig.dev >= 0);
	nic_start(&a->nic, &a->rig);
}

/* Once the fd is closed, not even the guest's own memory may change. */
static long close_under_doorbell(struct arena *a)
{
	unsigned char *own = vmm_ptr(&a->rig.vmm, NIC_OWN_START);
	size_t size = NIC_OWN_END - NIC_OWN_START;
	struct pump pump = { .by = BY_GUEST, .nic = &a->nic };
	unsigned char *copy = malloc(size);
	long done;

	ASSERT(copy);
	pump_prepare(&a->nic, &a->area[CANARY]);
	nic_end(&a->nic);
	pump_start(&pump);
	close(a->rig.dev);
	memcpy(copy, own, size);
	usleep(20000);
	done = pump_end(&pump);
	ASSERT(!memcmp(copy, own, size));
	free(copy);
	reassign(a);
	return done;
}

static long unbind_under_doorbell(struct arena *a, enum ringer by)
{
	struct pump pump = { .by = by, .nic = &a->nic, .dev = a->rig.dev };
	long done;

	pump_prepare(&a->nic, &a->area[CANARY]);
	pump_start(&pump);
	host_unbind(NIC);
	done = pump_end(&pump);
	nic_end(&a->nic);
	close(a->rig.dev);
	host_bind(NIC);
	reassign(a);
	return done;
}

TEST(a_doorbell_during_release_reaches_nothing)
{
	struct arena *a = malloc(sizeof(*a));
	double start;
	int i;

	seed_from_env();
	arena_start(a, 16 << 20);
	start = now();
	for (i = 0; i < 5; i++) {
		a->writes += close_under_doorbell(a);
		a->writes += unbind_under_doorbell(a, BY_FD);
		a->writes += unbind_under_doorbell(a, BY_MAPPING);
	}
	arena_renew_low(a);
	arena_compare(a);
	report(a, now() - start);
	ASSERT_EQ(a->changed, 0);
	ASSERT_EQ(a->log.stray, 0);
	arena_end(a);
}

/* Registers of queue 0 of IGB, from Intel's 82576 datasheet */
#define IGB_RCTL	0x0100
#define IGB_TCTL	0x0400
#define IGB_RX_QUEUE	0xc000		/* base, base high, length */
#define IGB_TX_QUEUE	0xe000

static const unsigned int igb_regs[] = {
	IGB_RX_QUEUE, IGB_RX_QUEUE + 4, IGB_RX_QUEUE + 8,
	IGB_TX_QUEUE, IGB_TX_QUEUE + 4, IGB_TX_QUEUE + 8,
	IGB_RCTL, IGB_TCTL,
};

#define NR_IGB_REGS (sizeof(igb_regs) / sizeof(igb_regs[0]))

static uint32_t reg_read(int dev, unsigned int reg)
{
	uint32_t value = 0;

	ASSERT_EQ(kassign_region_read(dev, 0, reg, &value, 4), 0);
	return value;
}

static void reg_write(int dev, unsigned int reg, uint32_t value)
{
	ASSERT_EQ(kassign_region_write(dev, 0, reg, &value, 4), 0);
}

/*
 * IGB has a function-level reset. That of the 82574L in QEMU is by power
 * management, says that it clears everything, and clears nothing.
 */
TEST(a_released_device_remembers_nothing)
{
	struct rig rig, other;
	uint32_t was[NR_IGB_REGS];
	size_t i;

	rig_start(&rig, IGB, VMM_ANON);
	rig_start(&other, EDU, VMM_ANON);
	for (i = 0; i < NR_IGB_REGS; i++)
		was[i] = reg_read(rig.dev, igb_regs[i]);
	reg_write(rig.dev, IGB_RX_QUEUE, NIC_RX_RING);
	reg_write(rig.dev, IGB_RX_QUEUE + 4, 0x12);
	reg_write(rig.dev, IGB_RX_QUEUE + 8, 1024);
	reg_write(rig.dev, IGB_TX_QUEUE, NIC_TX_RING);
	reg_write(rig.dev, IGB_TX_QUEUE + 4, 0x34);
	reg_write(rig.dev, IGB_TX_QUEUE + 8, 1024);
	reg_write(rig.dev, IGB_RCTL, was[6] | NIC_RCTL_EN | NIC_RCTL_UPE);
	reg_write(rig.dev, IGB_TCTL, was[7] | NIC_TCTL_EN);
	for (i = 0; i < NR_IGB_REGS; i++)
		ASSERT(reg_read(rig.dev, igb_regs[i]) != was[i]);
	close(rig.dev);
	rig.dev = rig_assign(other.guest, IGB);
	ASSERT(rig.dev >= 0);
	for (i = 0; i < NR_IGB_REGS; i++)
		ASSERT_EQ(reg_read(rig.dev, igb_regs[i]), was[i]);
	rig_end(&rig);
	rig_end(&other);
}

/* Even one that does remember does no DMA until the new guest allows it. */
TEST(a_new_guests_memory_is_out_of_reach_without_bus_master)
{
	struct arena *a = malloc(sizeof(*a));
	struct nic nic = { 0 };

	seed_from_env();
	arena_start(a, 1 << 20);
	pump_prepare(&a->nic, &a->area[CANARY]);
	nic_end(&a->nic);
	close(a->rig.dev);
	a->rig.dev = rig_assign(a->other.guest, NIC);
	ASSERT(a->rig.dev >= 0);
	ASSERT_EQ(config_read(a->rig.dev, PCI_COMMAND, 2), 0);
	nic.regs = mmap(NULL, 0x20000, PROT_READ | PROT_WRITE, MAP_SHARED,
			a->rig.dev, 0);
	ASSERT(nic.regs != MAP_FAILED);
	if (nic_read(&nic, NIC_TDBAL))
		fprintf(stderr, "# the NIC's reset does not clear its rings\n");
	config_write(a->rig.dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	nic_write(&nic, NIC_RDT, NIC_ENTRIES - 1);
	nic_write(&nic, NIC_TDT, 8);
	nic_run(&nic, &(struct nic_ring) { NIC_TX_RING, NIC_ENTRIES, 0, 8 },
		&(struct nic_ring) { NIC_RX_RING, NIC_ENTRIES, 0, 8 });
	munmap((void *)nic.regs, 0x20000);
	arena_compare(a);
	ASSERT_EQ(a->changed, 0);
	arena_end(a);
}

/* ---- the death of a guest ---- */

static int steal_fd(pid_t pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), stolen;

	ASSERT(pidfd >= 0);
	stolen = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	ASSERT(stolen >= 0);
	close(pidfd);
	return stolen;
}

static void doomed_guest(int report_fd, const struct area *target)
{
	struct nic nic;
	struct rig rig;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rig_start(&rig, NIC, VMM_ANON);
	nic_start(&nic, &rig);
	pump_prepare(&nic, target);
	ASSERT_EQ(write(report_fd, &rig.dev, sizeof(rig.dev)), sizeof(rig.dev));
	for (;;)
		pause();
}

/* The memory that the guest had is soon somebody else's. */
static long die_under_doorbell(const struct area *target)
{
	struct pump pump = { .by = BY_FD };
	struct area next;
	int pair[2];
	pid_t pid;

	ASSERT_OK(pipe(pair));
	pid = fork();
	if (pid == 0)
		doomed_guest(pair[1], target);
	ASSERT_EQ(read(pair[0], &pump.dev, sizeof(pump.dev)), sizeof(pump.dev));
	pump.dev = steal_fd(pid, pump.dev);
	pump_start(&pump);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	area_make(&next, "what the dead guest had", 48 << 20);
	host_expect_state(NIC, KASSIGN_DEV_FREE);
	usleep(20000);
	pump_end(&pump);
	ASSERT_EQ(area_changed(&next), 0);
	area_free(&next);
	close(pump.dev);
	close(pair[0]);
	close(pair[1]);
	return pump.done;
}

TEST(a_dead_guests_device_reaches_nothing)
{
	struct area canary;
	long done = 0, changed, pins = host_pins();
	int i;

	seed_from_env();
	host_bind(NIC);
	area_make(&canary, "the host", 16 << 20);
	madvise(canary.p, canary.size, MADV_DONTFORK);
	for (i = 0; i < 4; i++)
		done += die_under_doorbell(&canary);
	changed = area_changed(&canary);
	fprintf(stderr, "# attempts: %ld, bytes changed: %ld\n", done, changed);
	ASSERT_EQ(changed, 0);
	area_free(&canary);
	host_expect_pins(pins);
}

/* ---- edu: any length, any alignment ---- */

#define EDU_MAX 4096

struct edu_test {
	struct rig rig;
	struct area own, canary;
	unsigned char mark[EDU_MAX];	/* what edu's buffer holds */
};

static void edu_load(struct edu_test *t)
{
	memcpy(vmm_ptr(&t->rig.vmm, 0x400000), t->mark, EDU_MAX);
	edu_dma(t->rig.dev, 0x400000, EDU_MAX, false);
}

/* Half of them across an end of MID, the others wholly outside */
static void edu_aim(struct edu_test *t, struct shot *shot)
{
	bool end = rnd(2);

	*shot = (struct shot) { .len = 1 + rnd(EDU_MAX) };
	if (rnd(2)) {
		shot->inside = rnd(4) ? rnd(shot->len) : 0;
		shot->addr = end ? MID_GPA + MID_SIZE - shot->inside :
				   MID_GPA + shot->inside - shot->len;
		return;
	}
	do {
		shot->addr = end ? rnd(1ULL << 48) : in_area(&t->canary, shot->len);
	} while (harmless(shot->addr, shot->len));
}

/* Where the inside of a shot is in memory, and at what offset of the shot */
static unsigned char *edu_inside(struct edu_test *t, const struct shot *shot,
				 unsigned int *off)
{
	*off = shot->addr < MID_GPA ? shot->len - shot->inside : 0;
	return vmm_ptr(&t->rig.vmm, shot->addr + *off);
}

static void edu_shoot_write(struct edu_test *t)
{
	struct shot shot;
	unsigned char *p;
	unsigned int off, i;

	edu_aim(t, &shot);
	edu_dma(t->rig.dev, shot.addr, shot.len, true);
	if (shot.inside) {
		p = edu_inside(t, &shot, &off);
		for (i = 0; i < shot.inside; i++)
			ASSERT(p[i] == t->mark[off + i] ||
			       p[i] == area_byte(&t->own, p + i));
		area_repair(&t->own, p, shot.inside);
	}
	ASSERT_EQ(area_changed(&t->own), 0);
}

static void edu_shoot_read(struct edu_test *t)
{
	unsigned char *back = vmm_ptr(&t->rig.vmm, 0x600000);
	struct shot shot;
	unsigned int i, off = 0;

	edu_load(t);
	edu_aim(t, &shot);
	edu_dma(t->rig.dev, shot.addr, shot.len, false);
	edu_dma(t->rig.dev, 0x600000, EDU_MAX, true);
	if (shot.inside)
		edu_inside(t, &shot, &off);
	for (i = 0; i < EDU_MAX; i++) {
		bool inside = shot.inside && i >= off && i < off + shot.inside;

		ASSERT(back[i] == t->mark[i] ||
		       (i < shot.len && blank(back[i], inside)));
	}
}

TEST(edu_neither_writes_nor_reads_beyond_an_edge)
{
	long count = 24, pins = host_pins();
	struct edu_test *t = malloc(sizeof(*t));
	struct klog log;
	int i;

	seed_from_env();
	area_make(&t->canary, "the host", 1 << 20);
	rig_start(&t->rig, EDU, VMM_ANON);
	vmm_add_slot(&t->rig.vmm, MID_GPA, MID_SIZE, 0, VMM_ANON);
	ASSERT_EQ(kassign_guest_sync(t->rig.guest, 0, NULL), 0);
	area_init(&t->own, "the guest", vmm_ptr(&t->rig.vmm, MID_GPA), MID_SIZE,
		  PATTERN_MINE);
	edu_enable(&t->rig, BAR0_GPA);
	for (i = 0; i < EDU_MAX; i++)
		t->mark[i] = 0x80 | rnd(64);
	edu_load(t);
	klog_open(&log);
	for (i = 0; i < count; i++)
		edu_shoot_write(t);
	for (i = 0; i < count; i++)
		edu_shoot_read(t);
	klog_read(&log);
	ASSERT_EQ(area_changed(&t->canary), 0);
	ASSERT_EQ(area_changed(&t->own), 0);
	fprintf(stderr, "# attempts: %ld, bytes changed: 0, faults seen: %ld\n",
		2 * count, log.faults);
	klog_expect_faults(&log);
	rig_end(&t->rig);
	area_free(&t->canary);
	host_expect_pins(pins);
}
