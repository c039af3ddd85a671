/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private header of the kassign module: every object, who owns it, which lock
 * protects what. Layers only look down:
 *
 *   uapi, netlink  ->  device  ->  config, bar, rom, irq, intx, reset  ->  inject, vmslot, peer
 *                      guest   ->  mirror, follow, mapper, chunk  ->
 *                      domain, pin, walk  ->  kvm_view
 *
 * Lock order, outermost first:
 *
 *   device_lock(pdev)   attach, release, unbind
 *   dev->lock           everything a device fd does
 *   guest->lock         devices and groups of a guest
 *   mirror->lock        what is pinned and mapped
 *   guest->slot_lock    KVM memslots of ours; waits for KVM and for the VMM's
 *                       mmap_lock, so never taken in an mmap or fault handler
 *   dev->bar_sem        fault handler against zap
 *   kassign_lock        the lists of guests and bound devices; short
 *   intx->lock          the interrupt line; spins; in the handler
 *   mirror->map_lock    what is mapped; spins; the only one that the MMU notifier
 *                       takes, so nothing in it may wait, for memory either
 */
#ifndef KASSIGN_H
#define KASSIGN_H

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/irqbypass.h>
#include <linux/kref.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <uapi/linux/kassign.h>

#include "compat.h"

#define KASSIGN_NAME	"kassign"

struct kvm;
struct kassign_device;
struct kassign_guest;
struct kassign_region;

/**
 * struct kassign_reason - why something was refused, for a person to read
 * @text: one line without newline, empty when there is nothing to add to errno
 */
struct kassign_reason {
	char text[256];
};

__printf(3, 4)
int kassign_fail(struct kassign_reason *reason, int err, const char *fmt, ...);

/* ---- kvm_view.c: all that is known of KVM's inside ---- */

/**
 * struct kassign_slot - a KVM memslot, copied
 * @gpa:	first guest-physical byte
 * @hva:	where the VMM has it
 * @npages:	length in pages
 * @id:		slot number
 * @readonly:	the guest must not write
 * @private:	backed by guest_memfd, not by @hva
 * @ours:	shows a BAR; see kassign_guest.slot_ids
 */
struct kassign_slot {
	u64 gpa;
	u64 hva;
	u64 npages;
	int id;
	bool readonly;
	bool private;
	bool ours;
};

/**
 * struct kassign_slots - a snapshot of a VM's memslots, sorted by gpa
 */
struct kassign_slots {
	u64 generation;
	unsigned int nr;
	struct kassign_slot slot[];
};

bool kassign_file_is_kvm(struct file *file);
struct kvm *kassign_kvm_get(struct file *vm_file);
void kassign_kvm_put(struct kvm *kvm);
struct mm_struct *kassign_kvm_mm(struct kvm *kvm);
struct pid *kassign_kvm_find_pid(struct kvm *kvm);
u64 kassign_kvm_generation(struct kvm *kvm);
struct kassign_slots *kassign_kvm_slots(struct kvm *kvm,
					const unsigned long *ours,
					unsigned int nr_ours);
bool kassign_kvm_slot_used(struct kvm *kvm, int id);
bool kassign_kvm_backs(struct kvm *kvm, const struct kassign_region *r, u64 gpa,
		       u64 npages);
int kassign_kvm_top_slot(void);

/* ---- pin.c ---- */

struct kassign_run;

long kassign_pin(unsigned long hva, u64 gpa, unsigned long npages,
		 struct page **pages, bool *writable,
		 struct kassign_reason *reason);
bool kassign_pinned_once(unsigned long pfn);
void kassign_unpin(const struct kassign_run *run);
void kassign_unpin_atomic(const struct kassign_run *run);
bool kassign_hva_is_mmio(struct mm_struct *mm, unsigned long hva);
int kassign_account(struct kassign_guest *guest, long npages,
		    struct kassign_reason *reason);
void kassign_fill_locked(struct kassign_guest *guest,
			 struct kassign_guest_status *st);

/* ---- walk.c ---- */

unsigned long kassign_walk_same(struct mm_struct *mm, unsigned long hva,
				unsigned long pfn, unsigned long npages,
				bool *moving);
bool kassign_walk_huge(struct mm_struct *mm, unsigned long hva,
		       unsigned long pfn);

/* ---- domain.c: IOMMU group ownership and the guest's one domain ---- */

/**
 * struct kassign_group - an IOMMU group a guest owns
 * @node:	in guest->groups
 * @group:	reference held
 * @devices:	assigned devices in it
 * @attached:	to the guest's domain; else its DMA is blocked
 */
struct kassign_group {
	struct list_head node;
	struct iommu_group *group;
	unsigned int devices;
	bool attached;
};

int kassign_domain_join(struct kassign_device *dev,
			struct kassign_reason *reason);
int kassign_domain_attach(struct kassign_device *dev,
			  struct kassign_reason *reason);
void kassign_domain_leave(struct kassign_device *dev);

/* ---- mirror.c, mapper.c, chunk.c: guest memory in the IOMMU ---- */

#define KASSIGN_CHUNK_PAGES	512UL		/* 2 MiB */
#define KASSIGN_MAX_WORKERS	32U

/**
 * struct kassign_region - a guest-physical range that is mapped as one
 * @gpa:	first byte, page aligned; the IOVA
 * @hva:	where the VMM has it
 * @npages:	length
 * @readonly:	mapped without write permission
 */
struct kassign_region {
	u64 gpa;
	u64 hva;
	u64 npages;
	bool readonly;
};

/**
 * struct kassign_run - physically contiguous pages
 * @pfn:	the first
 * @npages:	how many
 * @writable:	pinned for writing: a device may, if the slot allows it
 * @huge:	each chunk of it is (part of) a huge page, and pinned once
 */
struct kassign_run {
	unsigned long pfn;
	unsigned long npages;
	bool writable;
	bool huge;
};

/**
 * struct kassign_chunk - working memory for mapping or unmapping
 * @guest:	whose memory
 * @pages:	pages just pinned
 * @runs:	what they are, or what is to be unpinned
 * @nr_runs:	how many of @runs
 * @base:	first of @runs in the last chunk of a batch
 * @sg:	@runs for the IOMMU
 */
struct kassign_chunk {
	struct kassign_guest *guest;
	struct page *pages[KASSIGN_CHUNK_PAGES];
	struct kassign_run runs[KASSIGN_CHUNK_PAGES + 16];
	unsigned int nr_runs;
	unsigned int base;
	struct scatterlist sg[KASSIGN_CHUNK_PAGES];
};

/**
 * struct kassign_regions - growing array, sorted by gpa, no overlaps
 */
struct kassign_regions {
	struct kassign_region *r;
	unsigned int nr;
	unsigned int cap;
};

/**
 * struct kassign_span - all addresses that matter lie in here
 * @start:	the first
 * @end:	behind the last; none if it is not greater
 */
struct kassign_span {
	u64 start;
	u64 end;
};

/**
 * struct kassign_mirror - what of the guest's memory the domain translates
 *
 * Invariants: the domain translates nothing but pages of @cur (and BARs of the guest's
 * devices, peer.c), each to the page pinned for it, which is the one that the VMM has
 * there (else the MMU notifier unmaps it before it returns); what of @cur is not
 * mapped lies in @holes; no page of @cur lies in @resv or @peers. IOMMU pages never cross a
 * 2 MiB boundary of the gpa, so whole 2 MiB chunks of a region can be unmapped exactly
 * on every kernel and driver.
 *
 * @lock:	all but the counters and what @map_lock protects
 * @active:	a domain is attached; cleared first on the way down
 * @ending:	before that, without @lock: who maps is to stop
 * @cur:	what is mapped
 * @resv:	ranges devices cannot address as memory (MSI window, RMRR)
 * @peers:	where devices reach BARs (peer.c): no memory is mapped there
 * @generation:	memslot generation @cur reflects
 * @last_seen:	memslot generation at the last periodic check
 * @pending:	removals put off until the memslots are quiet
 * @pending_since: in jiffies; they are not put off for ever
 * @retry_at:	in jiffies: when a sync that failed is tried again
 * @map_lock:	what is mapped, and all down to @discards; in the MMU notifier
 * @watched:	copy of @cur for the notifier; may have more than @cur
 * @notifier:	working memory of the notifier
 * @changes:	goes up when the VMM changes its memory in one of @watched
 * @holes:	gpas between which something was unmapped by the notifier
 * @doubts:	hvas between which pages or permissions have to be looked at
 * @published:	goes up with every change of @watched
 * @discards:	chunks unmapped by the notifier so far
 * @whole:	bit per 2 MiB chunk, 32 in an entry: one physical run
 * @readonly:	the same: not for devices to write, since the VMM itself may not
 * @workers:	that map at once, 0 for the module's default
 * @listed:	pages of @cur, hence accounted
 * @mapped:	pages mapped
 * @todo:	pages a running operation still has to map
 * @skipped:	pages of memslots left out
 * @syncs:	syncs that changed something
 * @poll:	periodic check of the memslot generation
 * @follow:	after the notifier: maps again what it has unmapped
 */
struct kassign_mirror {
	struct mutex lock;	/* all but the counters */
	bool active;
	bool ending;
	struct kassign_regions cur;
	struct kassign_regions resv;
	struct kassign_regions peers;
	u64 generation;
	u64 last_seen;
	bool pending;
	unsigned long pending_since;
	unsigned long retry_at;
	rwlock_t map_lock;	/* down to @discards */
	struct kassign_regions watched;
	struct kassign_chunk *notifier;
	u64 changes;
	u64 published;
	struct kassign_span holes;
	struct kassign_span doubts;
	u64 discards;
	struct xarray whole;
	struct xarray readonly;
	unsigned int workers;
	atomic64_t listed;
	atomic64_t mapped;
	atomic64_t todo;
	u64 skipped;
	u64 syncs;
	struct delayed_work poll;
	struct work_struct follow;
};

void kassign_mirror_init(struct kassign_mirror *mirror);
void kassign_mirror_poll(struct work_struct *work);
void kassign_mirror_follow(struct work_struct *work);
int kassign_mirror_start(struct kassign_guest *guest,
			 struct kassign_reason *reason);
void kassign_mirror_stop(struct kassign_guest *guest);
int kassign_mirror_sync(struct kassign_guest *guest, bool now,
			struct kassign_reason *reason);
int kassign_mirror_reserve(struct kassign_guest *guest, u64 start, u64 length);
void kassign_mirror_put_off(struct kassign_mirror *mirror);
bool kassign_mirror_ends(struct kassign_guest *guest);

int kassign_mirror_wanted(struct kassign_guest *guest,
			  struct kassign_regions *out);

int kassign_map_region(struct kassign_chunk *chunk,
		       const struct kassign_region *r,
		       struct kassign_reason *reason);
bool kassign_fill_region(struct kassign_guest *guest,
			 const struct kassign_region *r, u64 start, u64 end);

int kassign_follow_publish(struct kassign_mirror *mirror);
void kassign_follow_merge(struct kassign_guest *guest);
void kassign_follow_nothing(struct kassign_mirror *mirror);
void kassign_follow_changed(struct mmu_notifier *mn,
			    const struct mmu_notifier_range *range);
void kassign_follow_doubts(struct kassign_chunk *chunk);
void kassign_follow_holes(struct kassign_guest *guest);
bool kassign_follow_due(struct kassign_mirror *mirror);

struct kassign_chunk *kassign_chunk_alloc(struct kassign_guest *guest);
struct kassign_chunk *kassign_chunk_get(struct kassign_guest *guest);
void kassign_chunk_put(struct kassign_chunk *chunk);
unsigned long kassign_chunk_len(u64 gpa, u64 npages);
long kassign_chunk_map(struct kassign_chunk *chunk,
		       const struct kassign_region *r, u64 gpa, u64 npages,
		       struct kassign_reason *reason);
void kassign_chunk_unmap(struct kassign_chunk *chunk, u64 gpa, u64 npages);
bool kassign_chunk_is_mapped(struct kassign_guest *guest, u64 gpa);
bool kassign_chunk_is_readonly(struct kassign_guest *guest, u64 gpa);
bool kassign_chunk_verify(struct kassign_chunk *chunk,
			  const struct kassign_region *r, u64 gpa,
			  unsigned long npages, bool *moving);

int kassign_regions_add(struct kassign_regions *list,
			const struct kassign_region *region);
typedef bool (*kassign_join_fn)(const struct kassign_region *a,
				const struct kassign_region *b, void *arg);
void kassign_regions_merge(struct kassign_regions *list,
			   kassign_join_fn may_join, void *arg);
int kassign_regions_subtract(struct kassign_regions *out,
			     const struct kassign_regions *a,
			     const struct kassign_regions *b, bool same_backing);
int kassign_regions_cut(struct kassign_regions *list, u64 start, u64 end);
void kassign_regions_del(struct kassign_regions *list, u64 gpa);
const struct kassign_region *
kassign_regions_find(const struct kassign_regions *list, u64 start, u64 end);
void kassign_regions_free(struct kassign_regions *list);

/* ---- guest.c ---- */

#define KASSIGN_MAX_SLOTS	64	/* BAR memslots of one guest */

/**
 * struct kassign_scratch - module memory the VMM's address space can read
 *
 * KVM's ioctls take user pointers. The argument stands in a page of ours that
 * is mapped into the VMM without write permission, so nobody can change it
 * under KVM's eyes.
 *
 * @file:	holds the pages
 * @kaddr:	where the kernel writes
 * @uaddr:	where the VMM's address space shows it
 * @size:	bytes
 */
struct kassign_scratch {
	struct file *file;
	void *kaddr;
	unsigned long uaddr;
	size_t size;
};

/**
 * struct kassign_guest - one KVM VM that has, or is about to have, devices
 *
 * Lives as long as a guest fd or an assigned device refers to it. @vm_file is
 * held (not only the kvm: that would let the vendor module go and panic), and
 * dropped when the VMM dies or with the last reference.
 *
 * @ref:	guest fds, assigned devices, running death work
 * @node:	in kassign_guests, under kassign_lock
 * @id:		unique while the module is loaded, from 1
 * @vm_file:	the VM; NULL once dead
 * @kvm:	its kvm, reference held together with @vm_file
 * @mm:		the VMM's address space (mm_count held)
 * @pid:	the VMM, or NULL
 * @unlimited:	RLIMIT_MEMLOCK does not apply: the opener has CAP_IPC_LOCK
 * @dead:	the VMM's address space is gone
 * @mn:		tells us when it goes
 * @death_work:	releases everything then
 * @lock:	@devices, @groups, @domain
 * @devices:	assigned devices
 * @fault_lock:	@devices too, for the IOMMU's fault handler
 * @groups:	IOMMU groups owned
 * @domain:	the one domain, NULL without a device
 * @domain_id:	unique number of @domain, for people
 * @mirror:	guest memory in @domain
 * @slot_lock:	@slot_ids, @scratch and the order of our memslot calls
 * @slot_ids:	our memslots, counted from the top slot id downwards
 * @scratch:	argument of KVM_SET_USER_MEMORY_REGION
 */
struct kassign_guest {
	struct kref ref;
	struct list_head node;
	u32 id;
	struct file *vm_file;
	struct kvm *kvm;
	struct mm_struct *mm;
	struct pid *pid;
	bool unlimited;
	bool dead;
	struct mmu_notifier mn;
	struct work_struct death_work;

	struct mutex lock;		/* @devices, @groups, @domain */
	struct list_head devices;
	spinlock_t fault_lock;		/* @devices, for the fault handler */
	struct list_head groups;
	struct iommu_domain *domain;
	u64 domain_id;
	struct kassign_mirror mirror;

	struct mutex slot_lock;		/* @slot_ids, @scratch, memslot calls */
	DECLARE_BITMAP(slot_ids, KASSIGN_MAX_SLOTS);
	struct kassign_scratch scratch;
};

extern struct mutex kassign_lock;
extern struct list_head kassign_guests;
extern struct workqueue_struct *kassign_wq;
extern struct workqueue_struct *kassign_call_wq;
extern struct workqueue_struct *kassign_map_wq;

int kassign_guest_open_fd(int vm_fd, struct kassign_reason *reason);
void kassign_guest_get(struct kassign_guest *guest);
void kassign_guest_put(struct kassign_guest *guest);
void kassign_guests_wait(void);
void kassign_guest_fill_status(struct kassign_guest *guest,
			       struct kassign_guest_status *st);
extern const struct file_operations kassign_guest_fops;

/* ---- vmslot.c: acting in the VMM's address space ---- */

typedef int (*kassign_vmm_fn)(struct kassign_guest *guest, void *arg);

int kassign_vmm_run(struct kassign_guest *guest, kassign_vmm_fn fn, void *arg);
/**
 * kassign_vm_ioctl - an ioctl on the VM file
 * @guest: the guest, its address space adopted
 * @cmd:   KVM_*
 * @uarg:  address of the argument in the VMM
 */
static inline long kassign_vm_ioctl(struct kassign_guest *guest,
				    unsigned int cmd, unsigned long uarg)
{
	return guest->vm_file->f_op->unlocked_ioctl(guest->vm_file, cmd, uarg);
}

int kassign_vmm_enter(struct kassign_guest *guest);
void kassign_vmm_leave(struct kassign_guest *guest);
int kassign_scratch_map(struct kassign_guest *guest,
			struct kassign_scratch *scratch, size_t size);
void kassign_scratch_unmap(struct kassign_guest *guest,
			   struct kassign_scratch *scratch);

/**
 * struct kassign_vmslot - a piece of a BAR shown to the guest directly
 * @id:		KVM slot number, -1 when not registered
 * @gpa:	where the guest sees it
 * @hva:	where the VMM's address space has it
 * @size:	bytes
 * @peers:	the guest's devices see it there as well
 */
struct kassign_vmslot {
	int id;
	u64 gpa;
	unsigned long hva;
	u64 size;
	bool peers;
};

int kassign_vmslot_add(struct kassign_guest *guest, struct kassign_vmslot *slot,
		       struct file *file, u64 pgoff, u64 gpa, u64 size,
		       u64 phys);
void kassign_vmslot_del(struct kassign_guest *guest,
			struct kassign_vmslot *slot);

/* ---- peer.c ---- */

void kassign_peer_map(struct kassign_guest *guest, struct kassign_vmslot *slot,
		      u64 phys);
void kassign_peer_unmap(struct kassign_guest *guest, struct kassign_vmslot *slot);

/* ---- file.c: files of our own pseudo file system ---- */

struct inode *kassign_inode_new(void);
void kassign_inode_put(struct inode *inode);
struct file *kassign_file_new(struct inode *inode, const char *name, int flags,
			      const struct file_operations *fops, void *priv);

/* ---- bar.c ---- */

/**
 * struct kassign_bar - one BAR
 * @size:	bytes, 0 if absent
 * @flags:	IORESOURCE_*
 * @vaddr:	host mapping for trapped accesses (memory or ports)
 * @nr_areas:	parts that may be mapped
 * @areas:	those parts
 * @slots:	the memslot of each part
 */
struct kassign_bar {
	u64 size;
	unsigned long flags;
	void __iomem *vaddr;
	unsigned int nr_areas;
	struct kassign_area areas[KASSIGN_MAX_AREAS];
	struct kassign_vmslot slots[KASSIGN_MAX_AREAS];
};

int kassign_bars_init(struct kassign_device *dev,
		      struct kassign_reason *reason);
void kassign_bars_exit(struct kassign_device *dev);
void kassign_bars_update(struct kassign_device *dev);
void kassign_bars_unslot(struct kassign_device *dev);
void kassign_bars_zap(struct kassign_device *dev);
void kassign_bars_revive(struct kassign_device *dev);
int kassign_bar_access(struct kassign_device *dev, unsigned int index, u64 off,
		       void *buf, size_t len, bool write);
int kassign_bar_mmap(struct kassign_device *dev, struct vm_area_struct *vma);
u32 kassign_bars_slots(struct kassign_device *dev);

/* ---- config.c, config_caps.c ---- */

/**
 * struct kassign_config - the config space the guest sees
 *
 * Per bit: @virt set, it is read from @shadow; clear, from the hardware. @wr
 * set, a write changes @shadow. No write ever reaches the hardware directly:
 * what must have an effect there (bus master, reset) is done by a hook.
 *
 * @size:	256 or 4096
 * @msi:	offset of the MSI capability, 0 none
 * @msi_mask:	offset of its mask register, the pending one behind it, 0 none
 * @msix:	offset of the MSI-X capability, 0 none
 * @exp:	offset of the PCIe capability, 0 none
 * @af:		offset of the Advanced Features capability, 0 none
 * @vpd:	offset of the Vital Product Data capability, 0 none
 */
struct kassign_config {
	u32 size;
	u16 msi;
	u16 msi_mask;
	u16 msix;
	u16 exp;
	u16 af;
	u16 vpd;
	u8 *shadow;
	u8 *virt;
	u8 *wr;
};

int kassign_config_init(struct kassign_device *dev);
void kassign_config_exit(struct kassign_device *dev);
void kassign_config_reset(struct kassign_device *dev);
int kassign_config_read(struct kassign_device *dev, u64 off, u8 *buf,
			size_t len);
int kassign_config_write(struct kassign_device *dev, u64 off, const u8 *buf,
			 size_t len);
u16 kassign_config_command(struct kassign_device *dev);
u64 kassign_config_bar(struct kassign_device *dev, unsigned int index);
u16 kassign_config_get16(struct kassign_device *dev, unsigned int off);
u32 kassign_config_get32(struct kassign_device *dev, unsigned int off);
void kassign_config_show(struct kassign_config *cfg, unsigned int off,
			 unsigned int len);
void kassign_config_set(struct kassign_config *cfg, unsigned int off,
			unsigned int len, u32 value, u32 wr);
int kassign_caps_init(struct kassign_device *dev);

/* ---- irq.c, intx.c, inject.c, msix.c, events.c ---- */

/**
 * struct kassign_vector - one host interrupt and where it goes
 * @dev:	owner
 * @index:	number within the interrupt kind
 * @irq:	Linux interrupt number; 0: the host has none for it yet
 * @trigger:	eventfd to signal; RCU, NULL for none
 * @producer:	offers KVM to let hardware deliver, past us; not for a line
 * @pending:	arrived while there was nowhere to deliver it
 * @count:	delivered; not what hardware delivers by itself
 * @failed:	could not be delivered
 * @name:	in /proc/interrupts
 */
struct kassign_vector {
	struct kassign_device *dev;
	unsigned int index;
	int irq;
	struct eventfd_ctx __rcu *trigger;
	struct irq_bypass_producer producer;
	atomic_t pending;
	u64 count;
	u64 failed;
	char name[40];
};

/**
 * struct kassign_msix - the MSI-X table and PBA the guest sees
 *
 * @lock:	the contents; taken in the interrupt thread
 * @cap:	offset of the capability in the hardware's config space
 * @nr:		entries, 0 if the device has no MSI-X
 * @table_bar:	BAR of the table, @table_off the offset in it
 * @pba_bar:	BAR of the PBA, @pba_off the offset in it
 * @mask_all:	function mask of the capability
 * @table:	4 dwords an entry: address, address high, data, control
 * @pba:	pending bits
 */
struct kassign_msix {
	spinlock_t lock;	/* @mask_all, @table, @pba, irqs.msi */
	unsigned int cap;
	unsigned int nr;
	unsigned int table_bar;
	u32 table_off;
	unsigned int pba_bar;
	u32 pba_off;
	bool mask_all;
	u32 *table;
	unsigned long *pba;
};

/**
 * struct kassign_intx - the interrupt line of a device
 * @lock:	all of it but @line, @shared and @resample; in the handler
 * @line:	Linux interrupt number, 0 if the function has no line
 * @shared:	the function can be masked by itself (PCI 2.3)
 * @irq:	@line while it is delivered, else 0
 * @closed:	masked at the interrupt controller (not @shared)
 * @masked:	by an interrupt the guest has not ended yet, or by the VMM
 * @raised:	found at the end of the last interrupt, and not told yet
 * @guest_off:	by the guest's command register
 * @suspended:	MSI or MSI-X is enabled
 * @vec:	where it goes
 * @resample:	eventfd that tells the guest's end of interrupt, or NULL
 * @wait:	in the queue of @resample
 */
struct kassign_intx {
	spinlock_t lock;	/* see above */
	int line;
	bool shared;
	int irq;
	bool closed;
	bool masked;
	bool raised;
	bool guest_off;
	bool suspended;
	struct kassign_vector vec;
	struct eventfd_ctx *resample;
	wait_queue_entry_t wait;
};

/* An MSI message as a guest programs it */
struct kassign_msg {
	u32 addr_lo;
	u32 addr_hi;
	u32 data;
};

/**
 * struct kassign_irqs - interrupts of a device
 * @index:	enabled kind (KASSIGN_IRQ_*), -1 none
 * @injecting:	the enabled kind delivers by injection
 * @inject:	bit per kind: the module follows the guest's own enable bits
 * @nr:		vectors enabled
 * @vec:	those vectors
 * @scratch:	struct kvm_msi per vector, for injection
 * @msi:	what the guest wrote to its MSI capability, under msix->lock
 * @msi_mask:	bit per MSI vector: the guest has it masked
 * @irqs:	interrupts of earlier enables, so that counters never go back
 */
struct kassign_irqs {
	int index;
	bool injecting;
	unsigned long inject;
	unsigned int nr;
	struct kassign_vector *vec;
	struct kassign_scratch scratch;
	struct kassign_msg msi;
	u32 msi_mask;
	u64 irqs;
	u64 failed;
};

void kassign_irq_init(struct kassign_device *dev);
unsigned int kassign_irq_count(struct kassign_device *dev, u32 index);
int kassign_irq_set_eventfds(struct kassign_device *dev, u32 index, u32 start,
			     u32 count, const s32 *fds);
int kassign_irq_inject_on(struct kassign_device *dev, u32 index);
void kassign_irq_disable(struct kassign_device *dev, u32 index);
int kassign_irq_loopback(struct kassign_device *dev, u32 index, u32 start,
			 u32 count);
void kassign_irq_follow(struct kassign_device *dev);
void kassign_irq_opened(struct kassign_device *dev, unsigned int entry);
u32 kassign_irq_msi_pending(struct kassign_device *dev);
void kassign_irq_off(struct kassign_device *dev);
void kassign_irq_enabled(struct kassign_device *dev, u32 *index, u32 *vectors);
void kassign_irq_totals(struct kassign_device *dev, u64 *irqs, u64 *failed);

bool kassign_vector_held(struct kassign_vector *vec);
void kassign_vector_signal(struct kassign_vector *vec);
struct eventfd_ctx *kassign_vector_redirect(struct kassign_vector *vec,
					    struct eventfd_ctx *ctx);

void kassign_intx_init(struct kassign_device *dev);
int kassign_intx_set(struct kassign_device *dev, s32 fd);
int kassign_intx_resample(struct kassign_device *dev, s32 fd);
int kassign_intx_mask(struct kassign_device *dev, bool mask);
int kassign_intx_loopback(struct kassign_device *dev, u32 start, u32 count);
void kassign_intx_off(struct kassign_device *dev);
void kassign_intx_suspend(struct kassign_device *dev);
void kassign_intx_sync(struct kassign_device *dev);
bool kassign_intx_needs_traps(struct kassign_device *dev);

void kassign_events_init(struct kassign_device *dev);
int kassign_event_set(struct kassign_device *dev, u32 index, s32 fd);
void kassign_event_off(struct kassign_device *dev, u32 index);
int kassign_event_loopback(struct kassign_device *dev, u32 index, u32 start,
			   u32 count);
void kassign_events_end(struct kassign_device *dev);
extern const struct pci_error_handlers kassign_error_handlers;

void kassign_inject(struct kassign_vector *vec);
int kassign_inject_possible(struct kassign_guest *guest);
int kassign_inject_prepare(struct kassign_device *dev, unsigned int nr);
void kassign_inject_kick(struct kassign_device *dev, unsigned int entry);

int kassign_msix_init(struct kassign_device *dev);
void kassign_msix_exit(struct kassign_device *dev);
void kassign_msix_reset(struct kassign_device *dev);
bool kassign_msix_hit(struct kassign_device *dev, unsigned int bar, u64 off,
		      size_t len);
void kassign_msix_access(struct kassign_device *dev, unsigned int bar, u64 off,
			 void *buf, size_t len, bool write);
bool kassign_msix_get(struct kassign_device *dev, unsigned int entry,
		      struct kassign_msg *msg);
bool kassign_msix_open(struct kassign_device *dev, unsigned int entry);
bool kassign_msix_pending(struct kassign_device *dev, unsigned int entry);
void kassign_msix_set_mask_all(struct kassign_device *dev, bool mask);

/* ---- rom.c ---- */

/**
 * struct kassign_rom - the option ROM
 * @size:	bytes, a power of 2; 0 for none
 * @image:	what is in it, NULL until somebody has asked
 */
struct kassign_rom {
	u64 size;
	void *image;
};

void kassign_rom_init(struct kassign_device *dev);
void kassign_rom_exit(struct kassign_device *dev);
int kassign_rom_read(struct kassign_device *dev, u64 off, void *buf, size_t len);

/* ---- reset.c ---- */

int kassign_reset_hardware(struct kassign_device *dev);

/* ---- device.c ---- */

/**
 * struct kassign_bound - a PCI function bound to the kassign driver
 * @node:	in kassign_bounds
 * @pdev:	the function
 * @assigned:	its assignment, NULL when free
 * @clean:	reset since anybody used it; under device_lock(pdev)
 *
 * All else under kassign_lock; @assigned only changes with device_lock(pdev) held
 * as well.
 */
struct kassign_bound {
	struct list_head node;
	struct pci_dev *pdev;
	struct kassign_device *assigned;
	bool clean;
};

/**
 * struct kassign_device - one assignment of one PCI function to one guest
 *
 * Made by ADD_DEVICE, quiesced by whatever comes first of: the device fd
 * closed, the guest gone, the driver unbound. After that @gone is set and every
 * call on a device fd that is still open gets -ENODEV; a new assignment of the
 * same function is a new object.
 *
 * @ref:	device file, mapped BARs, @bound while assigned
 * @pdev:	the function, reference held
 * @guest:	reference held until @gone
 * @guest_node:	in guest->devices
 * @group:	in guest->groups
 * @state:	enum kassign_dev_state
 * @lock:	all that follows
 * @gone:	quiesced
 * @broken:	by a fatal error; nobody reaches its BARs any more, and @gone is next
 * @wait:	poll() for @gone
 * @resettable:	a reset method exists
 * @quiet:	the guest has not used it since it asked for its reset
 * @saved:	config space of the host, restored at release
 * @inode:	own inode, so that its mappings can be zapped
 * @bar_sem:	@bars_live against page faults
 * @bars_live:	faults may map BAR pages
 * @bars_requested: mask of BARs reserved on the host
 * @bar_file:	what is mapped into the VMM for BAR memslots
 * @events:	ERR and REQ
 * @errors:	that the hardware reported
 * @faults:	DMA the IOMMU refused
 * @fault_addr:	address of the last one
 */
struct kassign_device {
	struct kref ref;
	struct pci_dev *pdev;
	struct kassign_guest *guest;
	struct list_head guest_node;
	struct kassign_group *group;
	enum kassign_dev_state state;

	struct mutex lock;	/* all that follows */
	bool gone;
	bool broken;
	wait_queue_head_t wait;
	bool resettable;
	bool quiet;
	struct pci_saved_state *saved;
	struct inode *inode;
	struct rw_semaphore bar_sem;
	bool bars_live;
	unsigned int bars_requested;
	struct file *bar_file;
	struct kassign_bar bar[PCI_STD_NUM_BARS];
	struct kassign_rom rom;
	struct kassign_config config;
	struct kassign_irqs irqs;
	struct kassign_vector events[2];
	struct kassign_intx intx;
	struct kassign_msix msix;
	u32 resets;
	u64 trapped;
	u64 config_accesses;
	atomic64_t faults;
	u64 fault_addr;
	atomic64_t errors;
};

extern struct list_head kassign_bounds;
extern struct pci_driver kassign_pci_driver;
extern const struct file_operations kassign_device_fops;

int kassign_device_attach_fd(struct kassign_guest *guest,
			     const struct kassign_add_device *arg,
			     struct kassign_reason *reason);
void kassign_device_release(struct kassign_device *dev);
void kassign_device_release_locked(struct kassign_device *dev);
struct kassign_device *kassign_device_assigned(struct pci_dev *pdev);
void kassign_device_get(struct kassign_device *dev);
void kassign_device_put(struct kassign_device *dev);
int kassign_device_do_reset(struct kassign_device *dev);
u32 kassign_device_flags(struct kassign_device *dev);
void kassign_device_fault(struct kassign_device *dev, u64 count, u64 addr);

/* ---- check.c ---- */

extern struct dentry *kassign_debugfs;

void kassign_check_init(void);
void kassign_check_exit(void);

/* ---- uapi.c, netlink.c ---- */

long kassign_control_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg);
long kassign_guest_ioctl(struct file *file, unsigned int cmd,
			 unsigned long arg);
long kassign_device_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg);
int kassign_netlink_init(void);
void kassign_netlink_exit(void);

extern bool kassign_unsafe_interrupts;

/* Last: its macros take the place of what was declared above. */
#include "fault.h"

#endif /* KASSIGN_H */
