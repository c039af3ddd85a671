// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/pfn_t.h>

#ifndef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
#error "no huge mappings of device memory"
#endif
vm_fault_t probe(struct vm_fault *vmf);
vm_fault_t probe(struct vm_fault *vmf)
{
	return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(0, PFN_DEV), true);
}
