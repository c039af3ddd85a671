// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA faults. AMD's IOMMU driver tells the module of them; Intel's only writes
 * them to the kernel log:
 *
 *   DMAR: [DMA Write NO_PASID] Request device [04:00.0] fault addr 0x12345000
 *   [fault reason 0x05] PTE Write access is not set
 *
 * (dmar_fault_do_one() in drivers/iommu/intel/dmar.c; 6.1 has "NO_PASID" too. From 7.3
 * on the segment is there as well: [0000:04:00.0].)
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "libkassign.h"

int faults_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

bool faults_parse(const char *line, const struct kassign_bdf *bdf, uint64_t *addr)
{
	const char *at = strstr(line, "DMAR: [DMA ");
	unsigned int segment = bdf->domain, b, d, f;
	uint64_t fault;

	if (at)
		at = strstr(at, "Request device [");
	if (!at)
		return false;
	if (sscanf(at, "Request device [%x:%x.%u] fault addr 0x%" SCNx64,
		   &b, &d, &f, &fault) != 4 &&
	    sscanf(at, "Request device [%x:%x:%x.%u] fault addr 0x%" SCNx64,
		   &segment, &b, &d, &f, &fault) != 5)
		return false;
	if (segment != bdf->domain || b != bdf->bus || d != bdf->dev ||
	    f != bdf->fn)
		return false;
	*addr = fault;
	return true;
}

uint64_t faults_read(int kmsg_fd, int dev_fd, const struct kassign_bdf *bdf)
{
	uint64_t count = 0, addr = 0;
	char line[1024];
	ssize_t n;

	for (;;) {
		n = read(kmsg_fd, line, sizeof(line) - 1);
		/* EPIPE: the log overtook us; EINVAL: a line too long for us */
		if (n < 0 && (errno == EPIPE || errno == EINVAL || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		line[n] = '\0';
		count += faults_parse(line, bdf, &addr);
	}
	if (count)
		kassign_report_faults(dev_fd, count, addr);
	return count;
}
