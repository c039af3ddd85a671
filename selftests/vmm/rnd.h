/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random numbers that can be had again: the seed is printed.
 */
#ifndef RND_H
#define RND_H

#include <stdint.h>

/* A number from the environment, or @otherwise */
uint64_t env(const char *name, uint64_t otherwise);
/* Seeds from $SEED or the clock, and prints it. */
void seed_from_env(void);
/* 0 to @below - 1 */
uint64_t rnd(uint64_t below);

#endif /* RND_H */
