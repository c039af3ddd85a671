// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libkassign: dumps of the generic netlink family, with libnl.
 */
#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "libkassign.h"

/* A growing array of entries */
struct list {
	char *entries;
	size_t size;
	int nr;
	int err;
	void (*fill)(void *entry, struct nlattr **attrs);
};

static uint32_t get_u32(struct nlattr **attrs, int type)
{
	return attrs[type] ? nla_get_u32(attrs[type]) : 0;
}

static uint64_t get_u64(struct nlattr **attrs, int type)
{
	return attrs[type] ? nla_get_u64(attrs[type]) : 0;
}

static void fill_guest(void *entry, struct nlattr **a)
{
	struct kassign_guest_entry *g = entry;

	g->id = get_u32(a, KASSIGN_A_GUEST_ID);
	g->pid = get_u32(a, KASSIGN_A_GUEST_PID);
	g->devices = get_u32(a, KASSIGN_A_GUEST_DEVICES);
	g->domains = get_u32(a, KASSIGN_A_GUEST_DOMAINS);
	g->regions = get_u32(a, KASSIGN_A_GUEST_REGIONS);
	g->bar_slots = get_u32(a, KASSIGN_A_GUEST_BAR_SLOTS);
	g->mapped_bytes = get_u64(a, KASSIGN_A_GUEST_MAPPED);
	g->todo_bytes = get_u64(a, KASSIGN_A_GUEST_TODO);
	g->skipped_bytes = get_u64(a, KASSIGN_A_GUEST_SKIPPED);
	g->generation = get_u64(a, KASSIGN_A_GUEST_GENERATION);
	g->syncs = get_u64(a, KASSIGN_A_GUEST_SYNCS);
	g->discards = get_u64(a, KASSIGN_A_GUEST_DISCARDS);
	g->missing_bytes = get_u64(a, KASSIGN_A_GUEST_MISSING);
	g->locked_bytes = get_u64(a, KASSIGN_A_GUEST_LOCKED);
	g->limit_bytes = get_u64(a, KASSIGN_A_GUEST_LIMIT);
}

static void fill_counts(struct kassign_device_entry *d, struct nlattr *attr)
{
	size_t len;

	if (!attr)
		return;
	len = nla_len(attr);
	if (len > sizeof(d->irq_counts))
		len = sizeof(d->irq_counts);
	memcpy(d->irq_counts, nla_data(attr), len);
	d->nr_irq_counts = len / sizeof(d->irq_counts[0]);
}

static void fill_device(void *entry, struct nlattr **a)
{
	struct kassign_device_entry *d = entry;

	if (a[KASSIGN_A_DEV_BDF])
		kassign_bdf_parse(nla_get_string(a[KASSIGN_A_DEV_BDF]), &d->bdf);
	d->state = get_u32(a, KASSIGN_A_DEV_STATE);
	d->guest_id = get_u32(a, KASSIGN_A_DEV_GUEST_ID);
	d->group = get_u32(a, KASSIGN_A_DEV_GROUP);
	d->domain = get_u64(a, KASSIGN_A_DEV_DOMAIN);
	d->flags = get_u32(a, KASSIGN_A_DEV_FLAGS);
	d->irq_index = a[KASSIGN_A_DEV_IRQ_INDEX] ?
		       get_u32(a, KASSIGN_A_DEV_IRQ_INDEX) : ~0U;
	d->irq_vectors = get_u32(a, KASSIGN_A_DEV_IRQ_VECTORS);
	d->bar_slots = get_u32(a, KASSIGN_A_DEV_BAR_SLOTS);
	d->resets = get_u32(a, KASSIGN_A_DEV_RESETS);
	d->irqs = get_u64(a, KASSIGN_A_DEV_IRQS);
	d->irqs_failed = get_u64(a, KASSIGN_A_DEV_IRQS_FAILED);
	d->trapped = get_u64(a, KASSIGN_A_DEV_TRAPPED);
	d->config_accesses = get_u64(a, KASSIGN_A_DEV_CONFIG);
	d->faults = get_u64(a, KASSIGN_A_DEV_FAULTS);
	d->errors = get_u64(a, KASSIGN_A_DEV_ERRORS);
	d->fault_addr = get_u64(a, KASSIGN_A_DEV_FAULT_ADDR);
	fill_counts(d, a[KASSIGN_A_DEV_IRQ_COUNTS]);
}

static int add_entry(struct nl_msg *msg, void *arg)
{
	struct nlattr *attrs[KASSIGN_A_MAX + 1];
	struct list *list = arg;
	char *grown;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, attrs, KASSIGN_A_MAX, NULL) < 0)
		return NL_SKIP;
	grown = realloc(list->entries, (list->nr + 1) * list->size);
	if (!grown) {
		list->err = -ENOMEM;
		return NL_STOP;
	}
	list->entries = grown;
	memset(grown + list->nr * list->size, 0, list->size);
	list->fill(grown + list->nr * list->size, attrs);
	list->nr++;
	return NL_OK;
}

static int request(struct nl_sock *sock, int cmd)
{
	int family;
	struct nl_msg *msg;
	int err;

	if (genl_connect(sock))
		return -EIO;
	family = genl_ctrl_resolve(sock, KASSIGN_GENL_NAME);
	if (family < 0)
		return -ENOENT;
	msg = nlmsg_alloc();
	if (!msg)
		return -ENOMEM;
	genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_DUMP, cmd,
		    KASSIGN_GENL_VERSION);
	err = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	return err < 0 ? -EIO : 0;
}

static int dump(int cmd, struct list *list)
{
	struct nl_sock *sock = nl_socket_alloc();
	int err;

	if (!sock)
		return -ENOMEM;
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, add_entry, list);
	err = request(sock, cmd);
	if (!err && nl_recvmsgs_default(sock) < 0)
		err = -EIO;
	nl_socket_free(sock);
	return err ? err : list->err;
}

static int list_all(int cmd, struct list *list, void **entries)
{
	int err = dump(cmd, list);

	if (err) {
		free(list->entries);
		*entries = NULL;
		return err;
	}
	*entries = list->entries;
	return list->nr;
}

int kassign_list_guests(struct kassign_guest_entry **entries)
{
	struct list list = { .size = sizeof(**entries), .fill = fill_guest };

	return list_all(KASSIGN_CMD_GET_GUESTS, &list, (void **)entries);
}

int kassign_list_devices(struct kassign_device_entry **entries)
{
	struct list list = { .size = sizeof(**entries), .fill = fill_device };

	return list_all(KASSIGN_CMD_GET_DEVICES, &list, (void **)entries);
}
