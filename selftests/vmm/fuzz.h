/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest writes to config space must leave the host's alone.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>

/* Ids of all capabilities that a guest sees, as bits; fails if the list does not end. */
uint64_t config_caps(int dev);
/* Where a guest sees that capability, 0 if it does not */
unsigned int config_cap(int dev, uint8_t id);
/* Random writes of a guest to all of it; what of the host's must not change, does not. */
void config_fuzz(const char *bdf);

#endif /* FUZZ_H */
