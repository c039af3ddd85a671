// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "rnd.h"

uint64_t env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t rng;

void seed_from_env(void)
{
	uint64_t seed = env("SEED", (uint64_t)time(NULL) * 1000003 + getpid());

	rng = seed * 0x9e3779b97f4a7c15ULL | 1;
	srandom(seed);
	fprintf(stderr, "# SEED=%lu\n", seed);
}

uint64_t rnd(uint64_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 8) % below;
}
