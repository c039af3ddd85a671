// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arithmetic on sorted lists of guest-physical ranges.
 */
#include <linux/minmax.h>
#include <linux/slab.h>

#include "kassign.h"

static u64 region_end(const struct kassign_region *r)
{
	return r->gpa + (r->npages << PAGE_SHIFT);
}

static bool same_memory(const struct kassign_region *a,
			const struct kassign_region *b)
{
	return a->hva - a->gpa == b->hva - b->gpa && a->readonly == b->readonly;
}

/* The part [start, end) of a region */
static struct kassign_region region_part(const struct kassign_region *r,
					 u64 start, u64 end)
{
	return (struct kassign_region) {
		.gpa = start,
		.hva = r->hva + (start - r->gpa),
		.npages = (end - start) >> PAGE_SHIFT,
		.readonly = r->readonly,
	};
}

static int regions_grow(struct kassign_regions *list)
{
	unsigned int cap = list->cap ? list->cap * 2 : 16;
	struct kassign_region *r;

	r = kvmalloc_array(cap, sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r)
		return -ENOMEM;
	memcpy(r, list->r, list->nr * sizeof(*r));
	kvfree(list->r);
	list->r = r;
	list->cap = cap;
	return 0;
}

/**
 * kassign_regions_add - insert a region, keeping the order
 * @list:   no region of it may overlap @region
 * @region: an empty one is ignored
 */
int kassign_regions_add(struct kassign_regions *list,
			const struct kassign_region *region)
{
	unsigned int i;
	int err;

	if (!region->npages)
		return 0;
	if (list->nr == list->cap) {
		err = regions_grow(list);
		if (err)
			return err;
	}
	for (i = list->nr; i && list->r[i - 1].gpa > region->gpa; i--)
		list->r[i] = list->r[i - 1];
	list->r[i] = *region;
	list->nr++;
	return 0;
}

/**
 * kassign_regions_merge - join neighbours that are one piece of VMM memory
 * @list: the list
 * @may_join: only those for which this returns true; NULL for all
 * @arg:  for @may_join
 */
void kassign_regions_merge(struct kassign_regions *list,
			   kassign_join_fn may_join, void *arg)
{
	unsigned int in, out = 0;

	for (in = 1; in < list->nr; in++) {
		struct kassign_region *last = &list->r[out];

		if (region_end(last) == list->r[in].gpa &&
		    same_memory(last, &list->r[in]) &&
		    (!may_join || may_join(last, &list->r[in], arg)))
			last->npages += list->r[in].npages;
		else
			list->r[++out] = list->r[in];
	}
	if (list->nr)
		list->nr = out + 1;
}

/**
 * kassign_regions_subtract - the parts of @a that are not in @b
 * @out: receives them; empty on entry
 * @a:   minuend
 * @b:   subtrahend
 * @same_backing: count a range of @b only where it is the same VMM memory
 */
int kassign_regions_subtract(struct kassign_regions *out,
			     const struct kassign_regions *a,
			     const struct kassign_regions *b, bool same_backing)
{
	unsigned int i, j;

	for (i = 0; i < a->nr; i++) {
		const struct kassign_region *r = &a->r[i];
		struct kassign_region part;
		u64 at = r->gpa;
		int err;

		for (j = 0; j < b->nr && b->r[j].gpa < region_end(r); j++) {
			const struct kassign_region *s = &b->r[j];

			if (region_end(s) <= at ||
			    (same_backing && !same_memory(r, s)))
				continue;
			if (s->gpa > at) {
				part = region_part(r, at, s->gpa);
				err = kassign_regions_add(out, &part);
				if (err)
					return err;
			}
			at = min(region_end(s), region_end(r));
		}
		part = region_part(r, at, region_end(r));
		err = kassign_regions_add(out, &part);
		if (err)
			return err;
	}
	return 0;
}

/**
 * kassign_regions_cut - take [start, end) out of a list
 * @list:  the list
 * @start: first byte, page aligned
 * @end:   byte after the last, page aligned
 */
int kassign_regions_cut(struct kassign_regions *list, u64 start, u64 end)
{
	struct kassign_region hole = {
		.gpa = start,
		.npages = (end - start) >> PAGE_SHIFT,
	};
	struct kassign_regions holes = { .r = &hole, .nr = 1 };
	struct kassign_regions out = { };
	int err;

	err = kassign_regions_subtract(&out, list, &holes, false);
	if (err) {
		kassign_regions_free(&out);
		return err;
	}
	kassign_regions_free(list);
	*list = out;
	return 0;
}

/**
 * kassign_regions_del - drop the region that starts at an address
 * @list: the list
 * @gpa:  its first byte
 *
 * Needs no memory, so it cannot fail.
 */
void kassign_regions_del(struct kassign_regions *list, u64 gpa)
{
	unsigned int i, out = 0;

	for (i = 0; i < list->nr; i++)
		if (list->r[i].gpa != gpa)
			list->r[out++] = list->r[i];
	list->nr = out;
}

/**
 * kassign_regions_find - the first region that touches [start, end)
 * @list:  the list
 * @start: first byte
 * @end:   byte after the last
 */
const struct kassign_region *
kassign_regions_find(const struct kassign_regions *list, u64 start, u64 end)
{
	unsigned int i;

	for (i = 0; i < list->nr; i++)
		if (list->r[i].gpa < end && region_end(&list->r[i]) > start)
			return &list->r[i];
	return NULL;
}

void kassign_regions_free(struct kassign_regions *list)
{
	kvfree(list->r);
	memset(list, 0, sizeof(*list));
}
