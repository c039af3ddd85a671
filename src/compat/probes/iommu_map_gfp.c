// SPDX-License-Identifier: GPL-2.0-only
#include <linux/iommu.h>

int probe(struct iommu_domain *d);
int probe(struct iommu_domain *d)
{
	return iommu_map(d, 0, 0, 0, 0, GFP_KERNEL);
}
