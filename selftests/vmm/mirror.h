/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test wants to know of the mirror of a guest's memory.
 */
#ifndef MIRROR_H
#define MIRROR_H

#include <stdbool.h>

#include "host.h"

#define HIGH_GPA	(5ULL << 30)	/* where tests place more memory */

struct kassign_guest_status status(struct rig *rig);

/* Does a DMA write to @gpa arrive? */
bool reaches(struct rig *rig, uint64_t gpa, volatile unsigned char *hva);

/* What the module itself finds when it compares memory and domain, page by page */
struct findings {
	unsigned long long pages, stale, missing, extra;
};

struct findings check_mirror(struct rig *rig);
/* Everything is mapped, and as it must be: now, or within a second. */
void expect_exact(struct rig *rig);
void expect_exact_soon(struct rig *rig);

/* The module does not follow by itself any more; false if it is not one for tests. */
bool mirror_blind(bool on);

#endif /* MIRROR_H */
