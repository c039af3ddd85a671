/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFU_MSG_H
#define VFU_MSG_H

#include <stddef.h>

#include "vfu_proto.h"

/**
 * struct vfu_msg - one message from the client
 * @hdr:	checked: size is what was read
 * @len:	bytes of payload
 * @body:	the payload
 * @fds:	descriptors that came with it; closed by vfu_msg_done() unless
 *		taken (set to -1)
 * @nr_fds:	how many
 */
struct vfu_msg {
	struct vfu_header hdr;
	size_t len;
	union {
		uint8_t body[VFU_MAX_MESSAGE];
		struct vfu_version version;
		struct vfu_dma_map dma_map;
		struct vfu_dma_unmap dma_unmap;
		struct vfu_device_info device_info;
		struct vfu_region_info region_info;
		struct vfu_irq_info irq_info;
		struct vfu_set_irqs set_irqs;
		struct vfu_region_access access;
		uint64_t align;
	};
	int fds[VFU_MAX_FDS];
	int nr_fds;
};

/* 1: a message; 0: the client hung up; -EPROTO or another -errno: give up. */
int vfu_recv(int sock, struct vfu_msg *msg);
void vfu_msg_done(struct vfu_msg *msg);
/* Answers @msg with the first @len bytes of its (by now changed) body. */
int vfu_reply(int sock, struct vfu_msg *msg, size_t len);
/* The same, and @data behind it */
int vfu_reply_with(int sock, struct vfu_msg *msg, size_t len, const void *data,
		   size_t data_len);
int vfu_reply_error(int sock, struct vfu_msg *msg, int err);

#endif /* VFU_MSG_H */
