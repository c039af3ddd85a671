/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFU_DEVICE_H
#define VFU_DEVICE_H

#include <stdbool.h>

#include "libkassign.h"
#include "vfu_msg.h"

/**
 * struct vfu_device - a kassign device as one vfio-user client sees it
 * @sock:	the client
 * @dev_fd:	kassign device fd
 * @guest_fd:	kassign guest fd
 * @inject:	MSI-X is delivered by the module and hidden from the client
 * @no_msix:	nor can the module deliver it: the guest does not see it either
 * @no_line:	the device has MSI or MSI-X: its interrupt line is not shown
 * @no_rom:	the device's option ROM is not shown: the VMM has another, or none
 * @hide_msix:	the next whole read of config space hides the capability
 * @negotiated:	VERSION has been exchanged
 * @gone:	the device was taken away
 * @plugging:	between VERSION and the end of the first DEVICE_RESET: the
 *		client must not see the device go
 * @config:	config space as it was at VERSION, to answer from then
 * @irq_count:	vectors of each kind, as they were then
 * @info:	the device
 * @region:	its regions
 * @event:	tells the keeper, one line
 */
struct vfu_device {
	int sock;
	int dev_fd;
	int guest_fd;
	bool inject;
	bool no_msix;
	bool no_line;
	bool no_rom;
	bool hide_msix;
	bool negotiated;
	bool gone;
	bool plugging;
	struct kassign_device_info info;
	struct kassign_region_info region[KASSIGN_NUM_REGIONS];
	uint8_t config[VFU_MAX_ACCESS];
	uint32_t irq_count[KASSIGN_NUM_IRQS];
	void (*event)(void *ctx, const char *line);
	void *event_ctx;
};

/* Reads the device's shape and sets interrupts up. 0 or -errno. */
int vfu_device_init(struct vfu_device *vdev);
/* Serves one message. 0, or -errno when the session cannot go on. */
int vfu_device_serve(struct vfu_device *vdev, struct vfu_msg *msg);

#endif /* VFU_DEVICE_H */
