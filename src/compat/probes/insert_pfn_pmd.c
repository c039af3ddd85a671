// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>

#ifndef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
#error "no huge mappings of device memory"
#endif
vm_fault_t probe(struct vm_fault *vmf);
vm_fault_t probe(struct vm_fault *vmf)
{
	return vmf_insert_pfn_pmd(vmf, 0UL, true);
}
