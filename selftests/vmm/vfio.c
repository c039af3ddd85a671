// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host.h"
#include "tap.h"
#include "vfio.h"

static int group_number(const char *bdf)
{
	char path[128], link[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	ASSERT(n > 0);
	link[n] = '\0';
	return atoi(strrchr(link, '/') + 1);
}

void vfio_start(struct vfio *vfio, const char *bdf)
{
	char path[64];

	host_bind_driver(bdf, "vfio-pci");
	ASSERT_OK(vfio->container = open("/dev/vfio/vfio", O_RDWR));
	snprintf(path, sizeof(path), "/dev/vfio/%d", group_number(bdf));
	ASSERT_OK(vfio->group = open(path, O_RDWR));
	ASSERT_OK(ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER, &vfio->container));
	ASSERT_OK(ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(vfio->dev = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, bdf));
}

void vfio_end(struct vfio *vfio)
{
	close(vfio->dev);
	close(vfio->group);
	close(vfio->container);
}
