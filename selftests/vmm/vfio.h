/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VFIO with a type 1 container, what kassign is measured against.
 */
#ifndef TEST_VFIO_H
#define TEST_VFIO_H

struct vfio {
	int container;
	int group;
	int dev;
};

/* Binds @bdf to vfio-pci and opens it in a container of its own. */
void vfio_start(struct vfio *vfio, const char *bdf);
void vfio_end(struct vfio *vfio);

#endif /* TEST_VFIO_H */
