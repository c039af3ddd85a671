// SPDX-License-Identifier: GPL-2.0-only
/*
 * kassign list, kassign guests, kassign status
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static void put_str(struct json_object *o, const char *key, const char *value)
{
	if (value[0])
		json_object_object_add(o, key, json_object_new_string(value));
}

static void put_num(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

/* ---- list ---- */

struct listing {
	struct json_object *rows;
	bool all;
};

static void put_assignment(struct json_object *row, const char *bdf)
{
	struct state state;
	char text[NAME_LEN + 32];

	if (state_read(bdf, &state))
		return;
	snprintf(text, sizeof(text), "%s (pid %d)",
		 state.guest.name[0] ? state.guest.name : "-", state.guest.pid);
	put_str(row, "guest", text);
	if (state.link.name[0])
		put_str(row, "interface", state.link.name);
}

static int list_device(const struct pci_dev_info *dev, void *arg)
{
	struct listing *list = arg;
	struct json_object *row;

	if (!list->all && (dev->class >> 16) != 0x02)
		return 0;
	row = json_object_new_object();
	put_str(row, "device", dev->name);
	put_str(row, "interface", dev->iface);
	put_str(row, "driver", dev->driver);
	if (dev->group >= 0)
		put_num(row, "group", dev->group);
	put_str(row, "title", dev->title);
	put_assignment(row, dev->name);
	json_object_array_add(list->rows, row);
	return 0;
}

static const struct column list_columns[] = {
	{ "device", "DEVICE" }, { "interface", "INTERFACE" },
	{ "driver", "DRIVER" }, { "group", "GROUP" }, { "guest", "GUEST" },
	{ "title", "NAME" }, { }
};

static int by_device(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object * const *)a;
	struct json_object *y = *(struct json_object * const *)b;

	return strcmp(json_object_get_string(json_object_object_get(x, "device")),
		      json_object_get_string(json_object_object_get(y, "device")));
}

int cmd_list(int argc, char **argv, struct options *opt)
{
	struct listing list = { json_object_new_array(), opt->all };

	(void)argc;
	(void)argv;
	pci_for_each(list_device, &list);
	json_object_array_sort(list.rows, by_device);
	print_rows(list.rows, list_columns, opt->json);
	return EXIT_OK;
}

/* ---- guests ---- */

static const struct column guest_columns[] = {
	{ "name", "NAME" }, { "pid", "PID" }, { "vmm", "VMM" },
	{ "qmp", "QMP" }, { }
};

int cmd_guests(int argc, char **argv, struct options *opt)
{
	struct json_object *rows = json_object_new_array(), *row;
	struct guest *guests;
	int nr = guests_find(&guests), i;

	(void)argc;
	(void)argv;
	if (geteuid())
		fputs("kassign: warning: without root only your own guests are seen\n",
		      stderr);
	for (i = 0; i < nr; i++) {
		row = json_object_new_object();
		put_str(row, "name", guests[i].name);
		put_num(row, "pid", guests[i].pid);
		put_str(row, "vmm", guests[i].exe);
		put_str(row, "qmp", guests[i].qmp);
		json_object_array_add(rows, row);
	}
	free(guests);
	print_rows(rows, guest_columns, opt->json);
	return EXIT_OK;
}

/* ---- status ---- */

static const char *state_name(uint32_t state)
{
	static const char * const names[] = {
		[KASSIGN_DEV_FREE] = "free",
		[KASSIGN_DEV_ATTACHING] = "attaching",
		[KASSIGN_DEV_ASSIGNED] = "assigned",
		[KASSIGN_DEV_RELEASING] = "releasing",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

static const char *irq_name(uint32_t index)
{
	return index == KASSIGN_IRQ_MSIX ? "MSI-X" :
	       index == KASSIGN_IRQ_MSI ? "MSI" :
	       index == KASSIGN_IRQ_INTX ? "INTx" : "none";
}

/* The line is the VMM's to deliver, even where the module injects the rest. */
static const char *irq_delivery(const struct kassign_device_entry *d)
{
	return d->flags & KASSIGN_STATUS_INJECT &&
	       d->irq_index != KASSIGN_IRQ_INTX ? "inject" : "irqfd";
}

static void put_guest(struct json_object *o, const struct kassign_guest_entry *g)
{
	put_num(o, "guest_pid", g->pid);
	put_num(o, "devices_of_guest", g->devices);
	put_num(o, "mapped_bytes", g->mapped_bytes);
	put_num(o, "skipped_bytes", g->skipped_bytes);
	put_num(o, "regions", g->regions);
	put_num(o, "memory_syncs", g->syncs);
	put_num(o, "memory_discards", g->discards);
	put_num(o, "missing_bytes", g->missing_bytes);
	put_num(o, "locked_bytes", g->locked_bytes);
	/* No number is as large as "no limit". */
	if (g->limit_bytes == UINT64_MAX)
		put_str(o, "lock_limit_bytes", "none");
	else
		put_num(o, "lock_limit_bytes", g->limit_bytes);
}

static void put_counts(struct json_object *o, const struct kassign_device_entry *d)
{
	struct json_object *counts = json_object_new_array();
	uint32_t i;

	for (i = 0; i < d->nr_irq_counts; i++)
		json_object_array_add(counts,
				      json_object_new_int64(d->irq_counts[i]));
	json_object_object_add(o, "irqs_per_vector", counts);
}

static void put_assigned(struct json_object *o, const struct kassign_device_entry *d)
{
	struct state state;
	char bdf[KASSIGN_BDF_LEN];

	if (!state_read(kassign_bdf_str(&d->bdf, bdf), &state)) {
		put_str(o, "guest", state.guest.name);
		put_str(o, "interface", state.link.name);
		put_str(o, "host_driver", state.dev.driver);
		put_str(o, "port", state.port);
		put_num(o, "keeper_pid", state.keeper);
		put_num(o, "agent_pid", state.agent);
	}
	put_num(o, "guest_id", d->guest_id);
	put_num(o, "domain", d->domain);
	put_str(o, "memory", d->flags & KASSIGN_STATUS_MEMORY ? "on" : "off");
	put_str(o, "dma", d->flags & KASSIGN_STATUS_MASTER ? "on" : "off");
	put_num(o, "bar_slots", d->bar_slots);
	put_num(o, "trapped_accesses", d->trapped);
	put_num(o, "config_accesses", d->config_accesses);
	put_str(o, "irq_kind", irq_name(d->irq_index));
	put_str(o, "irq_delivery", irq_delivery(d));
	put_num(o, "irqs", d->irqs);
	put_num(o, "irqs_failed", d->irqs_failed);
	put_counts(o, d);
	put_num(o, "resets", d->resets);
	put_num(o, "hardware_errors", d->errors);
	put_num(o, "dma_faults", d->faults);
	if (d->faults) {
		char addr[24];

		snprintf(addr, sizeof(addr), "0x%llx",
			 (unsigned long long)d->fault_addr);
		put_str(o, "dma_fault_addr", addr);
	}
}

static struct json_object *status_row(const struct kassign_device_entry *d,
				      const struct kassign_guest_entry *guests,
				      int nr_guests)
{
	struct json_object *o = json_object_new_object();
	char bdf[KASSIGN_BDF_LEN];
	int i;

	put_str(o, "device", kassign_bdf_str(&d->bdf, bdf));
	put_str(o, "state", state_name(d->state));
	put_num(o, "group", d->group);
	if (d->state != KASSIGN_DEV_ASSIGNED)
		return o;
	if (!d->guest_id) {
		/* Guests count from 1; the module could not tell. */
		put_str(o, "note", "busy; try again in a moment");
		return o;
	}
	put_assigned(o, d);
	for (i = 0; i < nr_guests; i++)
		if (guests[i].id == d->guest_id)
			put_guest(o, &guests[i]);
	return o;
}

/* One device after the other, a line for each value */
static void print_status(struct json_object *rows)
{
	size_t i, nr = json_object_array_length(rows);

	if (!nr)
		puts("Nothing is assigned.");
	for (i = 0; i < nr; i++) {
		json_object_object_foreach(json_object_array_get_idx(rows, i),
					   key, value)
			printf("%s%-18s%s\n",
			       strcmp(key, "device") ? "  " : "", key,
			       json_object_get_string(value));
	}
}

/* @bdf NULL: all devices. Without the module nothing is assigned. */
static int read_status(struct json_object *rows, const char *bdf,
		       struct problem *p)
{
	struct kassign_device_entry *devices = NULL;
	struct kassign_guest_entry *guests = NULL;
	char name[KASSIGN_BDF_LEN];
	int nr = kassign_list_devices(&devices), i;
	int nr_guests = kassign_list_guests(&guests);

	for (i = 0; i < nr; i++)
		if (!bdf || !strcmp(bdf, kassign_bdf_str(&devices[i].bdf, name)))
			json_object_array_add(rows,
					      status_row(&devices[i], guests,
							 nr_guests));
	free(devices);
	free(guests);
	if (nr >= 0 || nr == -ENOENT)
		return 0;
	return problem(p, EXIT_FAILED, "see the end of dmesg",
		       "the kernel module does not answer: %s", strerror(-nr));
}

int cmd_status(int argc, char **argv, struct options *opt)
{
	struct json_object *rows = json_object_new_array();
	struct pci_dev_info dev = { 0 };
	struct problem p;

	if ((argc && device_find(argv[0], &dev, &p)) ||
	    read_status(rows, argc ? dev.name : NULL, &p)) {
		json_object_put(rows);
		problem_print(&p, opt->json);
		return p.code;
	}
	if (opt->json) {
		print_rows(rows, NULL, true);
	} else {
		print_status(rows);
		json_object_put(rows);
	}
	return EXIT_OK;
}
