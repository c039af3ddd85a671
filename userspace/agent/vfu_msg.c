// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving and sending vfio-user messages. Nothing the client says is trusted:
 * sizes are bounded before anything is read, and descriptors are owned by the
 * message from the moment they arrive.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vfu_msg.h"

static void take_fds(struct vfu_msg *msg, struct msghdr *mh)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		msg->nr_fds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(msg->fds, CMSG_DATA(cmsg), msg->nr_fds * sizeof(int));
	}
}

/* Descriptors ride on the first byte of the header. */
static ssize_t recv_head(int sock, struct vfu_msg *msg)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(VFU_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { &msg->hdr, sizeof(msg->hdr) };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do {
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_fds(msg, &mh);
	if (mh.msg_flags & MSG_CTRUNC)
		return -EPROTO;
	return n;
}

static int recv_all(int sock, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv(sock, (char *)buf + done, len - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPROTO;
		done += n;
	}
	return 0;
}

int vfu_recv(int sock, struct vfu_msg *msg)
{
	ssize_t n;
	int err;

	msg->nr_fds = 0;
	msg->len = 0;
	n = recv_head(sock, msg);
	if (n <= 0)
		return n;
	err = recv_all(sock, (char *)&msg->hdr + n, sizeof(msg->hdr) - n);
	if (err)
		return err;
	if (msg->hdr.size < sizeof(msg->hdr) ||
	    msg->hdr.size - sizeof(msg->hdr) > sizeof(msg->body))
		return -EPROTO;
	msg->len = msg->hdr.size - sizeof(msg->hdr);
	err = recv_all(sock, msg->body, msg->len);
	return err ? err : 1;
}

void vfu_msg_done(struct vfu_msg *msg)
{
	int i;

	for (i = 0; i < msg->nr_fds; i++)
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	msg->nr_fds = 0;
}

static int send_all(int sock, struct iovec *iov, int nr)
{
	while (nr) {
		struct msghdr mh = { .msg_iov = iov, .msg_iovlen = nr };
		ssize_t n = sendmsg(sock, &mh, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		while (nr && (size_t)n >= iov->iov_len) {
			n -= iov->iov_len;
			iov++;
			nr--;
		}
		if (nr) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= n;
		}
	}
	return 0;
}

static int answer(int sock, struct vfu_msg *msg, uint32_t flags, int err,
		  size_t len, const void *data, size_t data_len)
{
	struct vfu_header hdr = {
		.id = msg->hdr.id,
		.command = msg->hdr.command,
		.size = sizeof(hdr) + len + data_len,
		.flags = VFU_F_REPLY | flags,
		.error = err,
	};
	struct iovec iov[3] = {
		{ &hdr, sizeof(hdr) },
		{ msg->body, len },
		{ (void *)data, data_len },
	};

	if (msg->hdr.flags & VFU_F_NO_REPLY)
		return 0;
	return send_all(sock, iov, data_len ? 3 : len ? 2 : 1);
}

int vfu_reply(int sock, struct vfu_msg *msg, size_t len)
{
	return answer(sock, msg, 0, 0, len, NULL, 0);
}

int vfu_reply_with(int sock, struct vfu_msg *msg, size_t len, const void *data,
		   size_t data_len)
{
	return answer(sock, msg, 0, 0, len, data, data_len);
}

int vfu_reply_error(int sock, struct vfu_msg *msg, int err)
{
	return answer(sock, msg, VFU_F_ERROR, err, 0, NULL, 0);
}
