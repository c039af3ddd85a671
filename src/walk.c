// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMM's page tables say, read without a lock, for the MMU notifier:
 * there neither pinning nor mmap_lock can be had, and current is anybody. With
 * interrupts off no page table goes away on x86, as KVM relies on too.
 */
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "kassign.h"

/* A page table entry of any level */
struct leaf {
	unsigned long pfn;	/* of the address asked for, 0 if there is no page */
	bool writable;
	bool moving;		/* a migration has taken it out, maybe for a moment */
};

static struct leaf leaf_of_pte(pte_t pte)
{
	if (pte_present(pte))
		return (struct leaf) {
			.pfn = pte_pfn(pte),
			.writable = pte_write(pte),
		};
	return (struct leaf) { .moving = kassign_pte_is_moving(pte) };
}

static struct leaf leaf_of_pmd(pmd_t pmd, unsigned long addr)
{
	if (pmd_present(pmd))
		return (struct leaf) {
			.pfn = pmd_pfn(pmd) + ((addr & ~PMD_MASK) >> PAGE_SHIFT),
			.writable = pmd_write(pmd),
		};
	return (struct leaf) { .moving = kassign_pmd_is_moving(pmd) };
}

static struct leaf leaf_of_pud(pud_t pud, unsigned long addr)
{
	if (pud_present(pud))
		return (struct leaf) {
			.pfn = pud_pfn(pud) + ((addr & ~PUD_MASK) >> PAGE_SHIFT),
			.writable = pud_write(pud),
		};
	/* Only hugetlb has such entries of that size, and has them as a pte. */
	return (struct leaf) {
		.moving = !pud_none(pud) &&
			  kassign_pte_is_moving(__pte(pud_val(pud))),
	};
}

static bool pud_of(struct mm_struct *mm, unsigned long addr, pud_t *pud)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, addr));
	p4d_t p4d;

	if (!pgd_present(pgd))
		return false;
	p4d = READ_ONCE(*p4d_offset(&pgd, addr));
	if (!p4d_present(p4d))
		return false;
	*pud = READ_ONCE(*pud_offset(&p4d, addr));
	return true;
}

/*
 * The leaf for @addr, and up to which address the same entry is good; where
 * that is a table of PTEs, it is in @ptep. Interrupts off.
 */
static struct leaf find_leaf(struct mm_struct *mm, unsigned long addr,
			     unsigned long *end, pte_t **ptep)
{
	pud_t pud;
	pmd_t pmd;

	*ptep = NULL;
	*end = ALIGN(addr + 1, PMD_SIZE);
	if (!pud_of(mm, addr, &pud))
		return (struct leaf) { };
	if (!pud_present(pud) || pud_leaf(pud))
		return leaf_of_pud(pud, addr);
	pmd = READ_ONCE(*pmd_offset(&pud, addr));
	if (!pmd_present(pmd) || pmd_leaf(pmd))
		return leaf_of_pmd(pmd, addr);
	*ptep = pte_offset_kernel(&pmd, addr);
	return leaf_of_pte(ptep_get_lockless(*ptep));
}

/* How many pages up to @end are as asked for; @leaf is the last one looked at. */
static unsigned long count_same(struct mm_struct *mm, unsigned long addr,
				unsigned long pfn, unsigned long npages,
				struct leaf *leaf)
{
	unsigned long end, n, max;
	pte_t *ptep;

	*leaf = find_leaf(mm, addr, &end, &ptep);
	if (leaf->pfn != pfn)
		return 0;
	max = min(npages, (end - addr) >> PAGE_SHIFT);
	if (!ptep)
		return max;
	for (n = 1; n < max; n++) {
		*leaf = leaf_of_pte(ptep_get_lockless(ptep + n));
		if (leaf->pfn != pfn + n)
			break;
	}
	return n;
}

/**
 * kassign_walk_same - are these pages still where the VMM has them?
 * @mm:	    the VMM's address space
 * @hva:    first address
 * @pfn:    physical page expected there, the following pages behind it
 * @npages: how many
 * @moving: out: the first that is not there is being migrated
 *
 * Returns how many are, from the first on. Any context.
 */
unsigned long kassign_walk_same(struct mm_struct *mm, unsigned long hva,
				unsigned long pfn, unsigned long npages,
				bool *moving)
{
	unsigned long done = 0, n, flags;
	struct leaf leaf = { };

	do {
		local_irq_save(flags);
		n = count_same(mm, hva + (done << PAGE_SHIFT), pfn + done,
			       npages - done, &leaf);
		local_irq_restore(flags);
		done += n;
	} while (n && done < npages);
	*moving = done < npages && leaf.moving;
	return done;
}

/**
 * kassign_walk_huge - has the VMM one entry, and may it write, for 2 MiB?
 * @mm:	 the VMM's address space
 * @hva: where, a multiple of 2 MiB
 * @pfn: physical page expected there
 *
 * Any context.
 */
bool kassign_walk_huge(struct mm_struct *mm, unsigned long hva,
		       unsigned long pfn)
{
	unsigned long end, flags;
	struct leaf leaf;
	pte_t *ptep;

	local_irq_save(flags);
	leaf = find_leaf(mm, hva, &end, &ptep);
	local_irq_restore(flags);
	return !ptep && leaf.writable && leaf.pfn == pfn;
}
