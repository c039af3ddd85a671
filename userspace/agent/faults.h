/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KASSIGN_FAULTS_H
#define KASSIGN_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "libkassign.h"

/* The kernel log from now on, or -1 */
int faults_open(void);
/*
 * Reads what is new in it and adds the DMA faults of the device to its counters.
 * How many they were.
 */
uint64_t faults_read(int kmsg_fd, int dev_fd, const struct kassign_bdf *bdf);
/* Is this line of the log a DMA fault of that device? Only then @addr is written. */
bool faults_parse(const char *line, const struct kassign_bdf *bdf, uint64_t *addr);

#endif /* KASSIGN_FAULTS_H */
