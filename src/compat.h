/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that knows of kernel versions. The core is written for the
 * newest kernel; here older ones are made to look like it. HAVE_* comes from
 * compat/probes/, each compiled against the actual headers at build time:
 * distribution kernels carry backports, so a version number proves nothing.
 */
#ifndef KASSIGN_COMPAT_H
#define KASSIGN_COMPAT_H

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/irqbypass.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/scatterlist.h>
#include <linux/swap.h>
#include <linux/swapops.h>

#include "have.h"

#ifdef HAVE_SOFTLEAF
#include <linux/leafops.h>
#endif
#ifdef HAVE_INSERT_PFN_PMD_T
#include <linux/pfn_t.h>
#endif

/* KVM_MEM_GUEST_MEMFD, which 6.1 does not know and never sets */
#define KASSIGN_KVM_GUEST_MEMFD		BIT(2)

/* Does not sleep. */
static inline int kassign_iommu_map(struct iommu_domain *domain,
				    unsigned long iova, phys_addr_t paddr,
				    size_t size, int prot)
{
#ifdef HAVE_IOMMU_MAP_GFP
	return iommu_map(domain, iova, paddr, size, prot,
			 GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
#else
	return iommu_map_atomic(domain, iova, paddr, size, prot);
#endif
}

/* The same for a scatterlist, which is mapped whole or not at all */
static inline int kassign_iommu_map_sg(struct iommu_domain *domain,
				       unsigned long iova,
				       struct scatterlist *sg, unsigned int n,
				       int prot)
{
#ifdef HAVE_IOMMU_MAP_GFP
	ssize_t mapped = iommu_map_sg(domain, iova, sg, n, prot,
				      GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);

	return mapped < 0 ? mapped : 0;
#else
	unsigned long at = iova;
	unsigned int i;
	int err;

	for (i = 0; i < n; i++, sg++) {
		err = iommu_map_atomic(domain, at, sg_phys(sg), sg->length, prot);
		if (err)
			goto err_unmap;
		at += sg->length;
	}
	return 0;

err_unmap:
	if (at > iova)
		iommu_unmap(domain, iova, at - iova);
	return err;
#endif
}

/* Does an entry that is not present belong to a page that is being migrated? */
static inline bool kassign_pte_is_moving(pte_t pte)
{
#ifdef HAVE_SOFTLEAF
	return softleaf_is_migration(softleaf_from_pte(pte));
#else
	return is_swap_pte(pte) && is_migration_entry(pte_to_swp_entry(pte));
#endif
}

static inline bool kassign_pmd_is_moving(pmd_t pmd)
{
#ifdef HAVE_SOFTLEAF
	return pmd_is_migration_entry(pmd);
#else
	return is_pmd_migration_entry(pmd);
#endif
}

static inline struct iommu_domain *kassign_iommu_domain_alloc(struct device *dev)
{
#ifdef HAVE_IOMMU_PAGING_DOMAIN_ALLOC
	return iommu_paging_domain_alloc(dev);
#else
	struct iommu_domain *domain = iommu_domain_alloc(dev->bus);

	return domain ?: ERR_PTR(-ENODEV);
#endif
}

/* Are a device's interrupts checked, so that it cannot raise any host vector? */
static inline bool kassign_isolated_msi(struct device *dev,
					struct iommu_group *group)
{
#ifdef HAVE_GROUP_ISOLATED_MSI
	return iommu_group_has_isolated_msi(group);
#else
	return device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
#endif
}

static inline void kassign_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef HAVE_EVENTFD_SIGNAL_ONE
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* Hardware may pass an interrupt by the host; KVM is found by the eventfd. */
static inline int kassign_bypass_register(struct irq_bypass_producer *producer,
					  struct eventfd_ctx *ctx, int irq)
{
#ifdef HAVE_BYPASS_EVENTFD
	return irq_bypass_register_producer(producer, ctx, irq);
#else
	int err;

	producer->token = ctx;
	producer->irq = irq;
	err = irq_bypass_register_producer(producer);
	if (err)
		producer->token = NULL;	/* else unregister takes another's */
	return err;
#endif
}

static inline void kassign_bypass_unregister(struct irq_bypass_producer *producer)
{
	irq_bypass_unregister_producer(producer);
#ifndef HAVE_BYPASS_EVENTFD
	producer->token = NULL;
#endif
}

/* Can MSI-X vectors be added while others are in use? */
static inline bool kassign_msix_grows(struct pci_dev *pdev)
{
#ifdef HAVE_MSIX_ALLOC_IRQ_AT
	return pci_msix_can_alloc_dyn(pdev);
#else
	return false;
#endif
}

/* The Linux interrupt number of a new one; freed with all others */
static inline int kassign_msix_add(struct pci_dev *pdev, unsigned int index)
{
#ifdef HAVE_MSIX_ALLOC_IRQ_AT
	struct msi_map map = pci_msix_alloc_irq_at(pdev, index, NULL);

	return map.index < 0 ? map.index : map.virq;
#else
	return -EOPNOTSUPP;
#endif
}

/* Before it was requested, else it goes with all others. */
static inline void kassign_msix_remove(struct pci_dev *pdev, unsigned int index,
				       int irq)
{
#ifdef HAVE_MSIX_ALLOC_IRQ_AT
	pci_msix_free_irq(pdev, (struct msi_map) { .index = index, .virq = irq });
#endif
}

/*
 * Device memory in page table entries of any order, where the kernel has them.
 * As a member of vm_operations_struct: KASSIGN_HUGE_FAULT(handler)
 */
#if defined(HAVE_INSERT_PFN_PMD) || defined(HAVE_INSERT_PFN_PMD_T)
#define KASSIGN_HUGE_FAULT(_handler)	.huge_fault = (_handler),
#ifdef HAVE_INSERT_PFN_PMD_T
#define KASSIGN_PFN(_pfn)	__pfn_to_pfn_t(_pfn, PFN_DEV)
#else
#define KASSIGN_PFN(_pfn)	(_pfn)
#endif

static inline vm_fault_t kassign_insert_huge(struct vm_fault *vmf,
					     unsigned long pfn,
					     unsigned int order)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE;

	if (order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, KASSIGN_PFN(pfn), write);
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	if (order == PUD_ORDER)
		return vmf_insert_pfn_pud(vmf, KASSIGN_PFN(pfn), write);
#endif
	return VM_FAULT_FALLBACK;
}
#else
#define KASSIGN_HUGE_FAULT(_handler)

static inline vm_fault_t kassign_insert_huge(struct vm_fault *vmf,
					     unsigned long pfn,
					     unsigned int order)
{
	return VM_FAULT_FALLBACK;
}
#endif

#ifndef HAVE_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma,
				  unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* Reference to a pid by its number in the initial namespace */
static inline struct pid *find_get_pid_init(pid_t nr)
{
	struct pid *pid;

	rcu_read_lock();
	pid = get_pid(find_pid_ns(nr, &init_pid_ns));
	rcu_read_unlock();
	return pid;
}

#endif /* KASSIGN_COMPAT_H */
