/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KASSIGN_FAULTS_H
#define KASSIGN_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* The kernel log from now on, or -1 */
int faults_open(void);
/*
 * Reads what is new in it and adds the DMA faults of the device at @bus, @devfn
 * to the device's counters. How many they were.
 */
uint64_t faults_read(int kmsg_fd, int dev_fd, uint16_t bus, uint16_t devfn);
/* Is this line of the log a DMA fault of that device? */
bool faults_parse(const char *line, uint16_t bus, uint16_t devfn,
		  uint64_t *addr);

#endif /* KASSIGN_FAULTS_H */
