/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * kassign - give a PCI device to a KVM guest that is already running
 *
 * Three kinds of file descriptor:
 *
 *   control   open("/dev/kassign"), root only
 *   guest     KASSIGN_GUEST_OPEN on the control fd; one object per KVM VM
 *   device    KASSIGN_GUEST_ADD_DEVICE on a guest fd; one PCI function
 *
 * Guest and device fds may be passed to an unprivileged process: they give
 * power over that one guest's assignment and that one device, nothing else.
 *
 * Rules for every structure here: @argsz is sizeof() as the caller was built.
 * A larger structure than the kernel knows is accepted only if the bytes it
 * does not know are zero (else E2BIG); a smaller one than the first version
 * is EINVAL. Unknown bits in @flags are EINVAL. Output fields are written only
 * on success, unless said otherwise. All integers are in host byte order.
 *
 * Errors that every call may return: EFAULT (bad pointer), EINVAL (bad argsz,
 * flags or field), ENOTTY (no such command on this kind of fd), ENODEV (the
 * device was unbound, unplugged or released), ESRCH (the guest is gone).
 */
#ifndef _UAPI_LINUX_KASSIGN_H
#define _UAPI_LINUX_KASSIGN_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define KASSIGN_API_VERSION	1

#define KASSIGN_IOC_TYPE	0xB7
#define KASSIGN_IOC(nr)		_IO(KASSIGN_IOC_TYPE, nr)

/* ------------------------------------------------------------------ control */

/* Feature bits of kassign_info.features */
#define KASSIGN_FEATURE_IRQFD		(1ULL << 0)	/* eventfd delivery */
#define KASSIGN_FEATURE_INJECT		(1ULL << 1)	/* in-kernel delivery */
#define KASSIGN_FEATURE_BAR_SLOTS	(1ULL << 2)	/* BARs as KVM memslots */
#define KASSIGN_FEATURE_INTX		(1ULL << 3)	/* INTx, with RESAMPLE */

/**
 * struct kassign_info - KASSIGN_GET_INFO
 * @argsz:	in: sizeof(struct kassign_info)
 * @flags:	in: must be 0
 * @api_version: out: KASSIGN_API_VERSION of the module
 * @pad:	in: must be 0
 * @features:	out: KASSIGN_FEATURE_*
 *
 * On: control fd. Errors: the common ones.
 */
struct kassign_info {
	__u32 argsz;
	__u32 flags;
	__u32 api_version;
	__u32 pad;
	__aligned_u64 features;
};

#define KASSIGN_GET_INFO		KASSIGN_IOC(0)

/**
 * struct kassign_guest_open - KASSIGN_GUEST_OPEN
 * @argsz:	in: sizeof(struct kassign_guest_open)
 * @flags:	in: must be 0
 * @vm_fd:	in: file descriptor of a KVM VM (KVM_CREATE_VM), typically taken
 *		from the running VMM by pidfd_getfd()
 * @err_len:	in: size of the buffer at @err_ptr in bytes, 0 for none
 * @err_ptr:	in: user buffer for a NUL-terminated reason, written on failure
 *
 * On: control fd. Returns a guest fd (O_CLOEXEC); the same VM gives fds of the
 * same guest object. The guest holds the VM file until it is released.
 *
 * Errors: EBADF (@vm_fd is not open), EINVAL (not a KVM VM), ESRCH (the VMM has
 * exited), EINTR (a signal came).
 */
struct kassign_guest_open {
	__u32 argsz;
	__u32 flags;
	__s32 vm_fd;
	__u32 err_len;
	__aligned_u64 err_ptr;
};

#define KASSIGN_GUEST_OPEN		KASSIGN_IOC(1)

/* -------------------------------------------------------------------- guest */

/**
 * struct kassign_add_device - KASSIGN_GUEST_ADD_DEVICE
 * @argsz:	in: sizeof(struct kassign_add_device)
 * @flags:	in: must be 0
 * @domain:	in: PCI segment (0 to 65535)
 * @bus:	in: bus number (0 to 255)
 * @devfn:	in: device << 3 | function
 * @err_len:	in: size of the buffer at @err_ptr in bytes, 0 for none
 * @workers:	in: CPUs that may map the guest's memory at once, 1 to 32; 0 leaves
 *		it to the module (its parameter map_workers). Holds for the guest until
 *		another device says otherwise
 * @err_ptr:	in: user buffer for a NUL-terminated reason, written on failure
 *
 * On: guest fd; needs CAP_SYS_ADMIN. The device must be bound to the kassign PCI
 * driver. Claims the IOMMU group, resets the device, pins and maps the guest's
 * memory (first device of the guest) and attaches the group to the guest's
 * domain. Returns a device fd (O_CLOEXEC). May take seconds; a signal stops it
 * and undoes all (EINTR). When the last device fd is closed the device is
 * quiesced, reset and released. poll() on a device fd gives POLLHUP once the
 * device was taken away.
 *
 * Errors: ENODEV (no such device, or not bound to kassign), EBUSY (already
 * assigned, with virtual functions, or another device of its IOMMU group is used by
 * the host),
 * ENOMEM (not enough memory, or RLIMIT_MEMLOCK), EPERM (no interrupt
 * remapping, or not CAP_SYS_ADMIN), EOPNOTSUPP (no IOMMU; no cache coherency;
 * private guest memory), EFAULT (guest memory that cannot be pinned), EAGAIN (the
 * VMM changes its memory all the time), EXDEV (the device sits behind an IOMMU that
 * cannot join the guest's domain).
 */
struct kassign_add_device {
	__u32 argsz;
	__u32 flags;
	__u32 domain;
	__u16 bus;
	__u16 devfn;
	__u32 err_len;
	__u32 workers;
	__aligned_u64 err_ptr;
};

#define KASSIGN_GUEST_ADD_DEVICE	KASSIGN_IOC(16)

/**
 * struct kassign_guest_sync - KASSIGN_GUEST_SYNC
 * @argsz:	in: sizeof(struct kassign_guest_sync)
 * @flags:	in: KASSIGN_SYNC_*
 * @generation:	out: KVM memslot generation the mirror now reflects
 *
 * On: guest fd. Compares the guest's memslots with what is mapped and maps
 * what is new before it returns. Slots that vanished are unmapped at the
 * latest 100 ms after the last memslot change (a VMM that resets its guest
 * removes and re-adds all memory in a burst); KASSIGN_SYNC_NOW unmaps them
 * before returning. Without a device there is nothing to do: returns 0.
 *
 * Errors: EINTR, ENOMEM, EFAULT, EAGAIN as KASSIGN_GUEST_ADD_DEVICE; memory that could
 * be mapped stays mapped.
 */
struct kassign_guest_sync {
	__u32 argsz;
	__u32 flags;
	__aligned_u64 generation;
};

#define KASSIGN_SYNC_NOW		(1U << 0)
#define KASSIGN_GUEST_SYNC		KASSIGN_IOC(17)

/**
 * struct kassign_guest_status - KASSIGN_GUEST_GET_STATUS
 * @argsz:	in: sizeof(struct kassign_guest_status)
 * @flags:	in: must be 0
 * @guest_id:	out: number of the guest object, unique while the module is loaded
 * @pid:	out: process id of the VMM in the caller's pid namespace, 0 unknown
 * @devices:	out: devices assigned
 * @domains:	out: IOMMU domains in use (1 with a device, 0 without)
 * @regions:	out: guest-physical ranges mapped
 * @mapped_bytes: out: bytes pinned and mapped
 * @todo_bytes:	out: bytes still to be mapped by a running operation
 * @skipped_bytes: out: memslot bytes left out (MMIO, private, reserved ranges)
 * @generation:	out: memslot generation the mirror reflects
 * @syncs:	out: syncs that changed something
 * @bar_slots:	out: memslots registered for BARs
 * @discards:	out: times up to 2 MiB were unmapped because the VMM discarded or
 *		exchanged memory of its own; they are mapped again as soon as the
 *		VMM has something there
 * @missing_bytes: out: bytes of @regions that are not mapped at the moment
 * @locked_bytes: out: memory the VMM has locked, for devices or otherwise
 * @limit_bytes: out: RLIMIT_MEMLOCK that applies to it, ~0 for none
 *
 * On: guest fd. Never waits for a running map operation.
 */
struct kassign_guest_status {
	__u32 argsz;
	__u32 flags;
	__u32 guest_id;
	__s32 pid;
	__u32 devices;
	__u32 domains;
	__u32 regions;
	__u32 bar_slots;
	__aligned_u64 mapped_bytes;
	__aligned_u64 todo_bytes;
	__aligned_u64 skipped_bytes;
	__aligned_u64 generation;
	__aligned_u64 syncs;
	__aligned_u64 discards;
	__aligned_u64 missing_bytes;
	__aligned_u64 locked_bytes;
	__aligned_u64 limit_bytes;
};

#define KASSIGN_GUEST_GET_STATUS	KASSIGN_IOC(18)

/* ------------------------------------------------------------------- device */

/* Region indexes; pread/pwrite/mmap offset of region R is R << 40. */
#define KASSIGN_REGION_BAR0		0
#define KASSIGN_REGION_BAR5		5
#define KASSIGN_REGION_ROM		6
#define KASSIGN_REGION_CONFIG		7
#define KASSIGN_NUM_REGIONS		8
#define KASSIGN_REGION_SHIFT		40
#define KASSIGN_REGION_OFFSET(index)	((__u64)(index) << KASSIGN_REGION_SHIFT)

/*
 * Interrupt indexes, numbered as VFIO users know them. The last two are no interrupts
 * but events, told in the same way: ERR, the hardware reported an error that the
 * device may survive; REQ, the device is the guest's no more (unbound, pulled out,
 * broken, its guest gone): its fd says ENODEV by then, and poll() on it POLLHUP.
 */
#define KASSIGN_IRQ_INTX		0
#define KASSIGN_IRQ_MSI			1
#define KASSIGN_IRQ_MSIX		2
#define KASSIGN_IRQ_ERR			3
#define KASSIGN_IRQ_REQ			4
#define KASSIGN_NUM_IRQS		5

/**
 * struct kassign_device_info - KASSIGN_DEVICE_GET_INFO
 * @argsz:	in: sizeof(struct kassign_device_info)
 * @flags:	in: 0; out: KASSIGN_DEVICE_*
 * @num_regions: out: KASSIGN_NUM_REGIONS
 * @num_irqs:	out: KASSIGN_NUM_IRQS
 * @domain:	out: PCI segment
 * @bus:	out: bus number
 * @devfn:	out: device << 3 | function
 * @msix_cap:	out: offset of the MSI-X capability in config space, 0 for none
 * @msi_cap:	out: offset of the MSI capability, 0 for none
 * @config_size: out: 256 or 4096
 * @guest_id:	out: guest it is assigned to
 *
 * On: device fd.
 */
struct kassign_device_info {
	__u32 argsz;
	__u32 flags;
	__u32 num_regions;
	__u32 num_irqs;
	__u32 domain;
	__u16 bus;
	__u16 devfn;
	__u16 msix_cap;
	__u16 msi_cap;
	__u32 config_size;
	__u32 guest_id;
	__u32 pad;
};

#define KASSIGN_DEVICE_RESETTABLE	(1U << 0)	/* a reset method exists */
#define KASSIGN_DEVICE_GET_INFO		KASSIGN_IOC(32)

/**
 * struct kassign_area - part of a region that may be mapped directly
 * @offset:	from the start of the region, page aligned
 * @size:	bytes, a multiple of the page size
 */
struct kassign_area {
	__aligned_u64 offset;
	__aligned_u64 size;
};

#define KASSIGN_MAX_AREAS		3

/**
 * struct kassign_region_info - KASSIGN_DEVICE_GET_REGION_INFO
 * @argsz:	in: sizeof(struct kassign_region_info)
 * @flags:	in: 0; out: KASSIGN_REGION_INFO_*
 * @index:	in: 0 to KASSIGN_NUM_REGIONS - 1
 * @nr_areas:	out: valid entries in @areas
 * @size:	out: bytes, 0 if the region does not exist
 * @offset:	out: offset for pread/pwrite/mmap on the device fd
 * @areas:	out: what mmap accepts: the BAR without the pages that hold the
 *		MSI-X table or PBA
 *
 * On: device fd. Accesses by pread/pwrite are 1, 2, 4 or 8 bytes, naturally
 * aligned, for BARs; any size (up to 4096) and alignment for config space and the
 * option ROM, which can only be read. Reads and writes of the MSI-X table and PBA
 * reach virtual ones kept by the module.
 */
struct kassign_region_info {
	__u32 argsz;
	__u32 flags;
	__u32 index;
	__u32 nr_areas;
	__aligned_u64 size;
	__aligned_u64 offset;
	struct kassign_area areas[KASSIGN_MAX_AREAS];
};

#define KASSIGN_REGION_INFO_READ		(1U << 0)
#define KASSIGN_REGION_INFO_WRITE		(1U << 1)
#define KASSIGN_REGION_INFO_MMAP		(1U << 2)
#define KASSIGN_REGION_INFO_IO		(1U << 3)	/* port I/O BAR */
#define KASSIGN_DEVICE_GET_REGION_INFO	KASSIGN_IOC(33)

/**
 * struct kassign_irq_info - KASSIGN_DEVICE_GET_IRQ_INFO
 * @argsz:	in: sizeof(struct kassign_irq_info)
 * @flags:	in: 0; out: KASSIGN_IRQ_INFO_*, for what is usable
 * @index:	in: KASSIGN_IRQ_*
 * @count:	out: vectors, 0 if the device has none of this kind
 *
 * On: device fd.
 */
struct kassign_irq_info {
	__u32 argsz;
	__u32 flags;
	__u32 index;
	__u32 count;
};

#define KASSIGN_IRQ_INFO_EVENTFD		(1U << 0)
#define KASSIGN_IRQ_INFO_INJECT		(1U << 1)
#define KASSIGN_IRQ_INFO_LEVEL		(1U << 2)	/* masked until it is ended */
#define KASSIGN_DEVICE_GET_IRQ_INFO	KASSIGN_IOC(34)

/**
 * struct kassign_set_irqs - KASSIGN_DEVICE_SET_IRQS
 * @argsz:	in: sizeof(struct kassign_set_irqs)
 * @flags:	in: exactly one of KASSIGN_SET_IRQS_*
 * @index:	in: KASSIGN_IRQ_*
 * @start:	in: first vector
 * @count:	in: number of vectors
 * @pad:	in: must be 0
 * @fds:	in: with EVENTFD and RESAMPLE, user pointer to @count __s32 eventfds, -1
 *		for none
 *
 * On: device fd.
 *
 * EVENTFD: each interrupt of vector start + i signals fds[i] (the VMM makes it
 * a KVM irqfd). The first call enables the index on the device; later calls change
 * single vectors. MSI-X vectors take an interrupt of the host when they first get
 * an eventfd, where the kernel can add them (6.2), else all at once; of MSI the first
 * call takes as many as it says, or as the guest has enabled. Only one of MSI and
 * MSI-X can be enabled (EBUSY). INTX may stay set up meanwhile: it is silent as long
 * as one of them is enabled.
 *
 * DISABLE: @start and @count 0: tear the index down, whichever way it delivers.
 *
 * INJECT: @start and @count 0: from now on the module follows the guest's own
 * enable bit, table, address, data and mask, and injects into the guest itself
 * with KVM_SIGNAL_MSI. Stays in force until DISABLE.
 *
 * MASK, UNMASK, RESAMPLE: INTX only, @start 0 and @count 1. An interrupt of the
 * line masks it. UNMASK opens it again; if the device still has its line up, that
 * is the next interrupt. MASK closes it. RESAMPLE: whenever fds[0] is signalled,
 * as by UNMASK; KVM signals a resample eventfd at the guest's end of interrupt.
 * Without one, BARs have no memslots while INTX is in use, so that the VMM sees
 * accesses and can take one for the end. It must be another one than EVENTFD's.
 *
 * ERR and REQ have one vector, and of these EVENTFD, DISABLE and LOOPBACK only.
 *
 * LOOPBACK: deliver vectors start to start + count - 1 once as if the device
 * had raised them; for tests. EINVAL for one that never had an eventfd or was
 * never unmasked.
 *
 * Errors: EBADF/EINVAL (not an eventfd), ENOSPC (no vectors left on the host),
 * EBUSY (the other index is enabled; EVENTFD while INJECT is in force; the
 * device cannot share its line with another that uses it on the host), EOPNOTSUPP
 * (INJECT: the VMM has the guest's local APICs, not KVM).
 */
struct kassign_set_irqs {
	__u32 argsz;
	__u32 flags;
	__u32 index;
	__u32 start;
	__u32 count;
	__u32 pad;
	__aligned_u64 fds;
};

#define KASSIGN_SET_IRQS_EVENTFD	(1U << 0)
#define KASSIGN_SET_IRQS_DISABLE	(1U << 1)
#define KASSIGN_SET_IRQS_INJECT		(1U << 2)
#define KASSIGN_SET_IRQS_LOOPBACK	(1U << 3)
#define KASSIGN_SET_IRQS_MASK		(1U << 4)
#define KASSIGN_SET_IRQS_UNMASK		(1U << 5)
#define KASSIGN_SET_IRQS_RESAMPLE	(1U << 6)
#define KASSIGN_DEVICE_SET_IRQS		KASSIGN_IOC(35)

/**
 * struct kassign_device_reset - KASSIGN_DEVICE_RESET
 * @argsz:	in: sizeof(struct kassign_device_reset)
 * @flags:	in: must be 0
 *
 * On: device fd. Interrupts are torn down, the function is reset and the
 * virtual config space returns to its state after attach (BARs unset, decoding
 * off). Errors, with the virtual state reset all the same: EOPNOTSUPP (the device
 * has no reset method), EBUSY (it can only be reset together with other functions,
 * and one of them is in use; once the guest has asked for the reset of the last of
 * its own among them, all are reset).
 */
struct kassign_device_reset {
	__u32 argsz;
	__u32 flags;
};

#define KASSIGN_DEVICE_RESET		KASSIGN_IOC(36)

/**
 * struct kassign_device_status - KASSIGN_DEVICE_GET_STATUS
 * @argsz:	in: sizeof(struct kassign_device_status)
 * @flags:	in: 0; out: KASSIGN_STATUS_*
 * @irq_index:	out: enabled interrupt kind (KASSIGN_IRQ_*), ~0 for none
 * @irq_vectors: out: vectors enabled
 * @bar_slots:	out: memslots registered for its BARs
 * @resets:	out: resets done
 * @irqs:	out: interrupts delivered (both ways)
 * @irqs_failed: out: interrupts that could not be delivered
 * @trapped:	out: BAR accesses served by pread/pwrite on this fd
 * @config_accesses: out: config space accesses served
 * @faults:	out: DMA the IOMMU refused; a lower bound, for hardware and kernel
 *		log only some of a burst
 * @fault_addr:	out: IOVA (guest-physical address) of the last one
 * @errors:	out: errors the hardware reported (PCIe advanced error reporting)
 *
 * On: device fd.
 */
struct kassign_device_status {
	__u32 argsz;
	__u32 flags;
	__u32 irq_index;
	__u32 irq_vectors;
	__u32 bar_slots;
	__u32 resets;
	__aligned_u64 irqs;
	__aligned_u64 irqs_failed;
	__aligned_u64 trapped;
	__aligned_u64 config_accesses;
	__aligned_u64 faults;
	__aligned_u64 fault_addr;
	__aligned_u64 errors;
};

#define KASSIGN_STATUS_MEMORY		(1U << 0)	/* guest decodes memory */
#define KASSIGN_STATUS_MASTER		(1U << 1)	/* guest enabled DMA */
#define KASSIGN_STATUS_IO		(1U << 2)	/* guest decodes I/O */
#define KASSIGN_STATUS_INJECT		(1U << 3)	/* module delivers interrupts */
#define KASSIGN_DEVICE_GET_STATUS	KASSIGN_IOC(37)

/**
 * struct kassign_report_faults - KASSIGN_DEVICE_REPORT_FAULTS
 * @argsz:	in: sizeof(struct kassign_report_faults)
 * @flags:	in: must be 0
 * @count:	in: DMA faults of this device seen in the kernel log, 1 or more
 * @addr:	in: IOVA of the last one
 *
 * On: device fd. Intel's IOMMU driver tells of a fault only in the kernel log;
 * whoever reads it (the agent) adds what it finds to the device's counters.
 */
struct kassign_report_faults {
	__u32 argsz;
	__u32 flags;
	__aligned_u64 count;
	__aligned_u64 addr;
};

#define KASSIGN_DEVICE_REPORT_FAULTS	KASSIGN_IOC(38)

/* ------------------------------------------------------------------ netlink */

/*
 * Generic netlink family "kassign", version 1. Both commands are dumps
 * (NLM_F_DUMP), open to every user, one message per object.
 */
#define KASSIGN_GENL_NAME		"kassign"
#define KASSIGN_GENL_VERSION		1

/* Commands */
enum {
	KASSIGN_CMD_UNSPEC,
	KASSIGN_CMD_GET_GUESTS,		/* dump: KASSIGN_A_GUEST_* */
	KASSIGN_CMD_GET_DEVICES,	/* dump: KASSIGN_A_DEV_* */
	__KASSIGN_CMD_MAX,
};

#define KASSIGN_CMD_MAX (__KASSIGN_CMD_MAX - 1)

/* Attributes; meaning as the fields of the status structures above. */
enum {
	KASSIGN_A_UNSPEC,
	KASSIGN_A_PAD,
	KASSIGN_A_GUEST_ID,		/* u32 */
	KASSIGN_A_GUEST_PID,		/* u32, 0 unknown */
	KASSIGN_A_GUEST_DEVICES,	/* u32 */
	KASSIGN_A_GUEST_DOMAINS,	/* u32 */
	KASSIGN_A_GUEST_REGIONS,	/* u32 */
	KASSIGN_A_GUEST_BAR_SLOTS,	/* u32 */
	KASSIGN_A_GUEST_MAPPED,		/* u64 bytes */
	KASSIGN_A_GUEST_TODO,		/* u64 bytes */
	KASSIGN_A_GUEST_SKIPPED,	/* u64 bytes */
	KASSIGN_A_GUEST_GENERATION,	/* u64 */
	KASSIGN_A_GUEST_SYNCS,		/* u64 */
	KASSIGN_A_GUEST_DISCARDS,	/* u64 */
	KASSIGN_A_GUEST_MISSING,	/* u64 bytes */
	KASSIGN_A_GUEST_LOCKED,		/* u64 bytes */
	KASSIGN_A_GUEST_LIMIT,		/* u64 bytes, ~0 for none */
	KASSIGN_A_DEV_BDF,		/* string, dddd:bb:dd.f */
	KASSIGN_A_DEV_STATE,		/* u32, enum kassign_dev_state */
	KASSIGN_A_DEV_GUEST_ID,		/* u32, absent if not assigned, or busy: then
					 * only BDF, state and group are there
					 */
	KASSIGN_A_DEV_GROUP,		/* u32, IOMMU group number */
	KASSIGN_A_DEV_DOMAIN,		/* u64, opaque number of its IOMMU domain */
	KASSIGN_A_DEV_FLAGS,		/* u32, KASSIGN_STATUS_* */
	KASSIGN_A_DEV_IRQ_INDEX,	/* u32, KASSIGN_IRQ_*, ~0 none */
	KASSIGN_A_DEV_IRQ_VECTORS,	/* u32 */
	KASSIGN_A_DEV_IRQS,		/* u64 */
	KASSIGN_A_DEV_IRQS_FAILED,	/* u64 */
	KASSIGN_A_DEV_IRQ_COUNTS,	/* binary, u64 per vector, at most 64 */
	KASSIGN_A_DEV_BAR_SLOTS,	/* u32 */
	KASSIGN_A_DEV_RESETS,		/* u32 */
	KASSIGN_A_DEV_TRAPPED,		/* u64 */
	KASSIGN_A_DEV_CONFIG,		/* u64 */
	KASSIGN_A_DEV_FAULTS,		/* u64 */
	KASSIGN_A_DEV_FAULT_ADDR,	/* u64 */
	KASSIGN_A_DEV_ERRORS,		/* u64 */
	__KASSIGN_A_MAX,
};

#define KASSIGN_A_MAX (__KASSIGN_A_MAX - 1)

/**
 * enum kassign_dev_state - where a device bound to the kassign driver is
 * @KASSIGN_DEV_FREE:	bound to kassign, not assigned
 * @KASSIGN_DEV_ATTACHING: ADD_DEVICE is running
 * @KASSIGN_DEV_ASSIGNED: assigned to a guest
 * @KASSIGN_DEV_RELEASING: being released
 */
enum kassign_dev_state {
	KASSIGN_DEV_FREE,
	KASSIGN_DEV_ATTACHING,
	KASSIGN_DEV_ASSIGNED,
	KASSIGN_DEV_RELEASING,
};

#endif /* _UAPI_LINUX_KASSIGN_H */
