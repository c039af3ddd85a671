/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fault injection, for tests: every call of the module that can fail, made to
 * fail in turn. Only in modules built with KASSIGN_FAULTS=y; else this file is
 * empty. The macros stand in front of the real calls, so that the code proper
 * knows nothing of all this.
 */
#ifndef KASSIGN_FAULT_H
#define KASSIGN_FAULT_H
#ifdef KASSIGN_FAULTS

#include <linux/anon_inodes.h>
#include <linux/interrupt.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

/**
 * struct kassign_fault_site - a call that can fail
 * @next:	list of those that ran at least once
 * @what:	function called
 * @where:	function calling
 * @line:	source line, to tell two calls apart
 * @runs:	times it ran
 * @failed:	times it was made to fail
 */
struct kassign_fault_site {
	struct kassign_fault_site *next;
	const char *what;
	const char *where;
	int line;
	atomic_t runs;
	atomic_t failed;
};

extern bool kassign_blind;

bool kassign_fault_now(struct kassign_fault_site *site);
/* Where nothing can fail, but a race be lost. May sleep. */
void kassign_slow(const char *what);
void kassign_fault_init(void);

#define FAULT(_what) ({							\
	static struct kassign_fault_site __site = {			\
		.what = (_what), .where = __func__, .line = __LINE__,	\
	};								\
	kassign_fault_now(&__site);					\
})

/* What is a macro itself must first become a function to be called by ours. */
static inline void *fault_kzalloc(size_t size, gfp_t flags)
{
	return kzalloc(size, flags);
}

static inline void *fault_kcalloc(size_t n, size_t size, gfp_t flags)
{
	return kcalloc(n, size, flags);
}

static inline void *fault_kmalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags);
}

static inline void *fault_kvzalloc(size_t size, gfp_t flags)
{
	return kvzalloc(size, flags);
}

static inline void *fault_kvmalloc_array(size_t n, size_t size, gfp_t flags)
{
	return kvmalloc_array(n, size, flags);
}

static inline void *fault_vmalloc_user(unsigned long size)
{
	return vmalloc_user(size);
}

static inline void *fault_memdup_user(const void __user *from, size_t size)
{
	return memdup_user(from, size);
}

#undef kzalloc
#undef kcalloc
#undef kmalloc
#undef kvzalloc
#undef kvmalloc_array
#undef vmalloc_user
#undef memdup_user

#define kzalloc(...) \
	(FAULT("kzalloc") ? NULL : fault_kzalloc(__VA_ARGS__))
#define kcalloc(...) \
	(FAULT("kcalloc") ? NULL : fault_kcalloc(__VA_ARGS__))
#define kmalloc(...) \
	(FAULT("kmalloc") ? NULL : fault_kmalloc(__VA_ARGS__))
#define kvzalloc(...) \
	(FAULT("kvzalloc") ? NULL : fault_kvzalloc(__VA_ARGS__))
#define kvmalloc_array(...) \
	(FAULT("kvmalloc_array") ? NULL : fault_kvmalloc_array(__VA_ARGS__))
#define vmalloc_user(...) \
	(FAULT("vmalloc_user") ? NULL : fault_vmalloc_user(__VA_ARGS__))
#define memdup_user(...) \
	(FAULT("memdup_user") ? ERR_PTR(-ENOMEM) : fault_memdup_user(__VA_ARGS__))

/* Files and address spaces */
#define simple_pin_fs(...) \
	(FAULT("simple_pin_fs") ? -ENOMEM : simple_pin_fs(__VA_ARGS__))
#define alloc_anon_inode(...) \
	(FAULT("alloc_anon_inode") ? ERR_PTR(-ENOMEM) : \
				     alloc_anon_inode(__VA_ARGS__))
#define alloc_file_pseudo(...) \
	(FAULT("alloc_file_pseudo") ? ERR_PTR(-ENFILE) : \
				      alloc_file_pseudo(__VA_ARGS__))
#define anon_inode_getfd(...) \
	(FAULT("anon_inode_getfd") ? -EMFILE : anon_inode_getfd(__VA_ARGS__))
#define get_unused_fd_flags(...) \
	(FAULT("get_unused_fd_flags") ? -EMFILE : \
					get_unused_fd_flags(__VA_ARGS__))
#define eventfd_ctx_fdget(...) \
	(FAULT("eventfd_ctx_fdget") ? ERR_PTR(-EBADF) : \
				      eventfd_ctx_fdget(__VA_ARGS__))
#define eventfd_fget(...) \
	(FAULT("eventfd_fget") ? ERR_PTR(-EBADF) : eventfd_fget(__VA_ARGS__))
#define vm_mmap(...) \
	(FAULT("vm_mmap") ? (unsigned long)-ENOMEM : vm_mmap(__VA_ARGS__))
#define mmget_not_zero(...) \
	(FAULT("mmget_not_zero") ? false : mmget_not_zero(__VA_ARGS__))
#define mmu_notifier_register(...) \
	(FAULT("mmu_notifier_register") ? -ENOMEM : \
					  mmu_notifier_register(__VA_ARGS__))
#define pin_user_pages_fast(...) \
	(FAULT("pin_user_pages_fast") ? -EFAULT : \
					pin_user_pages_fast(__VA_ARGS__))
#define copy_from_user(_to, _from, _n) ({ \
	unsigned long _left = (_n); \
	FAULT("copy_from_user") ? _left : copy_from_user(_to, _from, _left); })
#define copy_to_user(_to, _from, _n) ({ \
	unsigned long _left = (_n); \
	FAULT("copy_to_user") ? _left : copy_to_user(_to, _from, _left); })

/* A signal while waiting for a lock */
#undef mutex_lock_killable
#define mutex_lock_killable(_lock) \
	(FAULT("mutex_lock_killable") ? -EINTR : \
					mutex_lock_killable_nested(_lock, 0))

/* IOMMU */
#define kassign_iommu_domain_alloc(...) \
	(FAULT("iommu_domain_alloc") ? ERR_PTR(-ENOMEM) : \
				       kassign_iommu_domain_alloc(__VA_ARGS__))
#define kassign_iommu_map(...) \
	(FAULT("iommu_map") ? -ENOMEM : kassign_iommu_map(__VA_ARGS__))
#define kassign_iommu_map_sg(...) \
	(FAULT("iommu_map_sg") ? -ENOMEM : kassign_iommu_map_sg(__VA_ARGS__))
#define iommu_group_claim_dma_owner(...) \
	(FAULT("iommu_group_claim_dma_owner") ? -EBUSY : \
		iommu_group_claim_dma_owner(__VA_ARGS__))
#define iommu_attach_group(...) \
	(FAULT("iommu_attach_group") ? -EINVAL : iommu_attach_group(__VA_ARGS__))
#define iommu_get_group_resv_regions(...) \
	(FAULT("iommu_get_group_resv_regions") ? -ENOMEM : \
		iommu_get_group_resv_regions(__VA_ARGS__))

/* PCI and interrupts */
#define pci_enable_device(...) \
	(FAULT("pci_enable_device") ? -EIO : pci_enable_device(__VA_ARGS__))
#define pci_store_saved_state(...) \
	(FAULT("pci_store_saved_state") ? NULL : \
					  pci_store_saved_state(__VA_ARGS__))
#define pci_request_selected_regions(...) \
	(FAULT("pci_request_selected_regions") ? -EBUSY : \
		pci_request_selected_regions(__VA_ARGS__))
#define pci_iomap(...) \
	(FAULT("pci_iomap") ? NULL : pci_iomap(__VA_ARGS__))
#define pci_reset_function_locked(...) \
	(FAULT("pci_reset_function_locked") ? -ENOTTY : \
		pci_reset_function_locked(__VA_ARGS__))
#define pci_alloc_irq_vectors(...) \
	(FAULT("pci_alloc_irq_vectors") ? -ENOSPC : \
					  pci_alloc_irq_vectors(__VA_ARGS__))
#define kassign_bypass_register(...) \
	(FAULT("bypass_register") ? -ENOMEM : \
				    kassign_bypass_register(__VA_ARGS__))
#define kassign_msix_add(...) \
	(FAULT("msix_add") ? -ENOSPC : kassign_msix_add(__VA_ARGS__))
#define request_threaded_irq(...) \
	(FAULT("request_threaded_irq") ? -ENOMEM : \
					 request_threaded_irq(__VA_ARGS__))

/* KVM */
#define kassign_vm_ioctl(...) \
	(FAULT("vm_ioctl") ? -ENOMEM : kassign_vm_ioctl(__VA_ARGS__))

#else /* !KASSIGN_FAULTS */
#define kassign_blind false
static inline void kassign_slow(const char *what) { }
static inline void kassign_fault_init(void) { }
#endif
#endif /* KASSIGN_FAULT_H */
