// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is the mirror what it must be? /sys/kernel/debug/kassign/mirror looks, page by
 * page, whether the domain has what the VMM's page tables have, and whether what
 * is mapped is what the memslots say. A line for each of the first mistakes, and
 * one with the sums for each guest:
 *
 *   guest 1 stale gpa 0x100000 iommu 0x12345000 memory 0x23456000
 *   guest 1 pages 8192 stale 1 missing 0 extra 0
 *
 *   stale	mapped, but another page than the VMM has there, or it has none (0x0)
 *   missing	pages of memslots that are not mapped
 *   extra	mapped pages that no memslot has; put off for 80 ms after a change
 *
 * While the VMM changes its memory, a page may be on its way out just when it is
 * looked at. What is stale for longer than that way takes is told. Not stale is a
 * page that reclaim has taken out of the page tables and that waits to be faulted in
 * again (follow.c): the check itself keeps it waiting.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "kassign.h"

#define MAX_LINES	32

/*
 * A VMM's change takes that long at most, also on a machine with too much to do:
 * looks, with 1 ms in between
 */
#define LOOKS		200

/* So many pages are waited for. */
#define WAITS		4

struct check {
	struct seq_file *seq;
	struct kassign_guest *guest;
	unsigned int lines;
	u64 pages;
	u64 stale;
	u64 missing;
};

/* Where the VMM has @hva now, 0 for nowhere. In its address space. */
static phys_addr_t memory_at(unsigned long hva)
{
	phys_addr_t phys;
	struct page *page;

	if (!get_user_page_fast_only(hva, 0, &page))
		return 0;
	phys = page_to_phys(page);
	put_page(page);
	return phys;
}

struct view {
	phys_addr_t iommu;
	phys_addr_t memory;
};

/* Taken out of the page tables for a moment, and not yet looked at again? */
static bool in_doubt(struct kassign_mirror *mirror, unsigned long hva)
{
	bool doubt;

	read_lock(&mirror->map_lock);
	doubt = mirror->doubts.start <= hva && hva < mirror->doubts.end;
	read_unlock(&mirror->map_lock);
	return doubt;
}

/*
 * What both have, in agreement if they come to one. Where much is stale, there is
 * no need to wait for every page.
 */
static struct view look(struct check *check, u64 gpa, unsigned long hva)
{
	struct kassign_guest *guest = check->guest;
	int i, looks = check->stale < WAITS ? LOOKS : 1;
	struct view view;

	for (i = 0; i < looks; i++) {
		view.iommu = iommu_iova_to_phys(guest->domain, gpa);
		view.memory = memory_at(hva);
		if (!view.iommu || view.iommu == view.memory)
			break;
		if (!view.memory && in_doubt(&guest->mirror, hva)) {
			view.memory = view.iommu;
			break;
		}
		if (i < looks - 1)
			usleep_range(1000, 2000);
	}
	return view;
}

static void check_page(struct check *check, u64 gpa, unsigned long hva)
{
	struct view view = look(check, gpa, hva);

	check->pages++;
	if (!view.iommu)
		check->missing++;
	if (!view.iommu || view.iommu == view.memory)
		return;
	check->stale++;
	if (check->lines++ < MAX_LINES)
		seq_printf(check->seq,
			   "guest %u stale gpa 0x%llx iommu %pa memory %pa\n",
			   check->guest->id, gpa, &view.iommu, &view.memory);
}

static void check_region(struct check *check, const struct kassign_region *r)
{
	u64 i;

	for (i = 0; i < r->npages; i++) {
		check_page(check, r->gpa + (i << PAGE_SHIFT),
			   r->hva + (i << PAGE_SHIFT));
		if (i % KASSIGN_CHUNK_PAGES == 0)
			cond_resched();
	}
}

static u64 count_pages(const struct kassign_regions *list)
{
	unsigned int i;
	u64 pages = 0;

	for (i = 0; i < list->nr; i++)
		pages += list->r[i].npages;
	return pages;
}

/* Pages of @a that are not, or from elsewhere, in @b */
static int count_difference(const struct kassign_regions *a,
			    const struct kassign_regions *b, u64 *pages)
{
	struct kassign_regions diff = { };
	int err;

	err = kassign_regions_subtract(&diff, a, b, true);
	*pages = count_pages(&diff);
	kassign_regions_free(&diff);
	return err;
}

static int check_locked(struct check *check)
{
	struct kassign_guest *guest = check->guest;
	const struct kassign_regions *cur = &guest->mirror.cur;
	struct kassign_regions want = { };
	u64 missing = 0, extra = 0;
	unsigned int i;
	int err;

	err = kassign_mirror_wanted(guest, &want);
	if (!err)
		err = count_difference(&want, cur, &missing);
	if (!err)
		err = count_difference(cur, &want, &extra);
	kassign_regions_free(&want);
	if (err)
		return err;
	for (i = 0; i < cur->nr; i++)
		check_region(check, &cur->r[i]);
	seq_printf(check->seq, "guest %u pages %llu stale %llu missing %llu extra %llu\n",
		   guest->id, check->pages, check->stale,
		   check->missing + missing, extra);
	return 0;
}

static int check_guest(struct kassign_guest *guest, void *arg)
{
	int err = 0;

	mutex_lock(&guest->mirror.lock);
	if (guest->mirror.active)
		err = check_locked(arg);
	mutex_unlock(&guest->mirror.lock);
	return err;
}

/* The guest after the one with number @id, with a reference; NULL at the end */
static struct kassign_guest *next_guest(u32 id)
{
	struct kassign_guest *guest, *next = NULL;

	mutex_lock(&kassign_lock);
	list_for_each_entry(guest, &kassign_guests, node)
		if (guest->id > id && !READ_ONCE(guest->dead) &&
		    kref_get_unless_zero(&guest->ref)) {
			next = guest;
			break;
		}
	mutex_unlock(&kassign_lock);
	return next;
}

static int mirror_show(struct seq_file *seq, void *unused)
{
	struct kassign_guest *guest;
	u32 id = 0;
	int err = 0;

	while (!err && (guest = next_guest(id))) {
		struct check check = { .seq = seq, .guest = guest };

		id = guest->id;
		err = kassign_vmm_run(guest, check_guest, &check);
		kassign_guest_put(guest);
		if (err == -ESRCH)
			err = 0;	/* died meanwhile */
	}
	return err;
}
DEFINE_SHOW_ATTRIBUTE(mirror);

struct dentry *kassign_debugfs;

void kassign_check_init(void)
{
	kassign_debugfs = debugfs_create_dir(KASSIGN_NAME, NULL);
	debugfs_create_file("mirror", 0400, kassign_debugfs, NULL,
			    &mirror_fops);
}

void kassign_check_exit(void)
{
	debugfs_remove(kassign_debugfs);
}
