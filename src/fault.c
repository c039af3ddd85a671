// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fault injection: which call fails, and a list of all that could have.
 *
 *   fault_nth	 module parameter: the nth such call from now on fails, once;
 *		 counts down to 0, which means that it has
 *   fault_blind module parameter: the mirror does not follow by itself
 *   fault_slow	 module parameter: calls of this name are slow, which widens races
 *   fault_sites debugfs kassign/fault_sites: calls that ran, each with how often
 *		 it ran and how often it failed
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "kassign.h"

static DEFINE_SPINLOCK(fault_lock);
static struct kassign_fault_site *fault_sites;
static unsigned int fault_nth;
module_param(fault_nth, uint, 0600);
MODULE_PARM_DESC(fault_nth, "For tests: the nth call that can fail does, once");

static char fault_slow[32];
module_param_string(fault_slow, fault_slow, sizeof(fault_slow), 0600);
MODULE_PARM_DESC(fault_slow, "For tests: calls of this name take some ms more");

bool kassign_blind;
module_param_named(fault_blind, kassign_blind, bool, 0600);
MODULE_PARM_DESC(fault_blind,
		 "For tests: memory that the VMM changes is not followed");

/* The periodic check runs when it likes: it must not take another's turn. */
static bool is_poll(void)
{
	struct work_struct *work = current_work();

	return work && (work->func == kassign_mirror_poll ||
			work->func == kassign_mirror_follow);
}

void kassign_slow(const char *what)
{
	if (fault_slow[0] && sysfs_streq(fault_slow, what))
		usleep_range(2000, 10000);
}

bool kassign_fault_now(struct kassign_fault_site *site)
{
	unsigned long flags;
	bool now = false;

	kassign_slow(site->what);
	if (is_poll())
		return false;
	spin_lock_irqsave(&fault_lock, flags);
	if (atomic_inc_return(&site->runs) == 1) {
		site->next = fault_sites;
		fault_sites = site;
	}
	if (fault_nth)
		now = !--fault_nth;
	if (now)
		atomic_inc(&site->failed);
	spin_unlock_irqrestore(&fault_lock, flags);
	if (now)
		pr_debug("kassign: %s in %s:%d fails now\n", site->what,
			 site->where, site->line);
	return now;
}

static int sites_show(struct seq_file *seq, void *unused)
{
	struct kassign_fault_site *site;

	for (site = READ_ONCE(fault_sites); site; site = site->next)
		seq_printf(seq, "%s %s:%d %d %d\n", site->what, site->where,
			   site->line, atomic_read(&site->runs),
			   atomic_read(&site->failed));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sites);

void kassign_fault_init(void)
{
	debugfs_create_file("fault_sites", 0400, kassign_debugfs, NULL,
			    &sites_fops);
}
