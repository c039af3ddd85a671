// SPDX-License-Identifier: GPL-2.0-only
/*
 * Generic netlink family "kassign": what is assigned where, for anybody to read.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <net/genetlink.h>

#include "kassign.h"

static struct genl_family kassign_family;

static void *start_entry(struct sk_buff *skb, struct netlink_callback *cb,
			 u8 cmd)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			   &kassign_family, NLM_F_MULTI, cmd);
}

static int put_u64(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_u64_64bit(skb, type, value, KASSIGN_A_PAD);
}

static int put_guest(struct sk_buff *skb, const struct kassign_guest_status *st)
{
	if (nla_put_u32(skb, KASSIGN_A_GUEST_ID, st->guest_id) ||
	    nla_put_u32(skb, KASSIGN_A_GUEST_PID, st->pid) ||
	    nla_put_u32(skb, KASSIGN_A_GUEST_DEVICES, st->devices) ||
	    nla_put_u32(skb, KASSIGN_A_GUEST_DOMAINS, st->domains) ||
	    nla_put_u32(skb, KASSIGN_A_GUEST_REGIONS, st->regions) ||
	    nla_put_u32(skb, KASSIGN_A_GUEST_BAR_SLOTS, st->bar_slots) ||
	    put_u64(skb, KASSIGN_A_GUEST_MAPPED, st->mapped_bytes) ||
	    put_u64(skb, KASSIGN_A_GUEST_TODO, st->todo_bytes) ||
	    put_u64(skb, KASSIGN_A_GUEST_SKIPPED, st->skipped_bytes) ||
	    put_u64(skb, KASSIGN_A_GUEST_GENERATION, st->generation) ||
	    put_u64(skb, KASSIGN_A_GUEST_SYNCS, st->syncs) ||
	    put_u64(skb, KASSIGN_A_GUEST_DISCARDS, st->discards) ||
	    put_u64(skb, KASSIGN_A_GUEST_MISSING, st->missing_bytes) ||
	    put_u64(skb, KASSIGN_A_GUEST_LOCKED, st->locked_bytes) ||
	    put_u64(skb, KASSIGN_A_GUEST_LIMIT, st->limit_bytes))
		return -EMSGSIZE;
	return 0;
}

/* The guest after the @skip first ones, with a reference */
static struct kassign_guest *nth_guest(long skip)
{
	struct kassign_guest *guest, *found = NULL;

	mutex_lock(&kassign_lock);
	list_for_each_entry(guest, &kassign_guests, node) {
		if (skip-- > 0)
			continue;
		if (kref_get_unless_zero(&guest->ref)) {
			found = guest;
			break;
		}
	}
	mutex_unlock(&kassign_lock);
	return found;
}

static int dump_guest(struct sk_buff *skb, struct netlink_callback *cb,
		      struct kassign_guest *guest)
{
	struct kassign_guest_status st = { };
	void *head;

	kassign_guest_fill_status(guest, &st);
	head = start_entry(skb, cb, KASSIGN_CMD_GET_GUESTS);
	if (!head)
		return -EMSGSIZE;
	if (put_guest(skb, &st)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

static int dump_guests(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct kassign_guest *guest;
	int err;

	while ((guest = nth_guest(cb->args[0]))) {
		err = dump_guest(skb, cb, guest);
		kassign_guest_put(guest);
		if (err)
			break;
		cb->args[0]++;
	}
	return skb->len;
}

static int put_counts(struct sk_buff *skb, struct kassign_device *dev)
{
	unsigned int nr = min(dev->irqs.nr, 64U), i;
	struct nlattr *attr;
	u64 *counts;

	if (!nr && dev->intx.irq)
		return nla_put(skb, KASSIGN_A_DEV_IRQ_COUNTS, sizeof(u64),
			       &dev->intx.vec.count);
	if (!nr)
		return 0;
	attr = nla_reserve(skb, KASSIGN_A_DEV_IRQ_COUNTS, nr * sizeof(u64));
	if (!attr)
		return -EMSGSIZE;
	counts = nla_data(attr);
	for (i = 0; i < nr; i++)
		memcpy(&counts[i], &dev->irqs.vec[i].count, sizeof(u64));
	return 0;
}

/* Under dev->lock, not gone */
static int put_assigned(struct sk_buff *skb, struct kassign_device *dev)
{
	u32 index, vectors;
	u64 irqs, failed;

	kassign_irq_enabled(dev, &index, &vectors);
	kassign_irq_totals(dev, &irqs, &failed);
	if (nla_put_u32(skb, KASSIGN_A_DEV_GUEST_ID, dev->guest->id) ||
	    put_u64(skb, KASSIGN_A_DEV_DOMAIN, dev->guest->domain_id) ||
	    nla_put_u32(skb, KASSIGN_A_DEV_FLAGS, kassign_device_flags(dev)) ||
	    nla_put_u32(skb, KASSIGN_A_DEV_IRQ_INDEX, index) ||
	    nla_put_u32(skb, KASSIGN_A_DEV_IRQ_VECTORS, vectors) ||
	    put_u64(skb, KASSIGN_A_DEV_IRQS, irqs) ||
	    put_u64(skb, KASSIGN_A_DEV_IRQS_FAILED, failed) ||
	    put_counts(skb, dev) ||
	    nla_put_u32(skb, KASSIGN_A_DEV_BAR_SLOTS, kassign_bars_slots(dev)) ||
	    nla_put_u32(skb, KASSIGN_A_DEV_RESETS, dev->resets) ||
	    put_u64(skb, KASSIGN_A_DEV_TRAPPED, dev->trapped) ||
	    put_u64(skb, KASSIGN_A_DEV_CONFIG, dev->config_accesses) ||
	    put_u64(skb, KASSIGN_A_DEV_FAULTS, atomic64_read(&dev->faults)) ||
	    put_u64(skb, KASSIGN_A_DEV_ERRORS, atomic64_read(&dev->errors)) ||
	    put_u64(skb, KASSIGN_A_DEV_FAULT_ADDR, dev->fault_addr))
		return -EMSGSIZE;
	return 0;
}

/*
 * A dump holds up all of generic netlink, and whoever has the lock may be waiting for a
 * VMM: then there is less to tell.
 */
static bool lock_soon(struct kassign_device *dev)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (mutex_trylock(&dev->lock))
			return true;
		usleep_range(1000, 2000);
	}
	return false;
}

static int put_bound(struct sk_buff *skb, struct pci_dev *pdev,
		     struct kassign_device *dev)
{
	struct iommu_group *group = iommu_group_get(&pdev->dev);
	bool locked = dev && lock_soon(dev);
	u32 state = dev ? READ_ONCE(dev->state) : KASSIGN_DEV_FREE;
	int err;

	err = nla_put_string(skb, KASSIGN_A_DEV_BDF, pci_name(pdev)) ||
	      nla_put_u32(skb, KASSIGN_A_DEV_STATE, state) ||
	      (group && nla_put_u32(skb, KASSIGN_A_DEV_GROUP,
				    iommu_group_id(group)));
	if (!err && locked && state == KASSIGN_DEV_ASSIGNED)
		err = put_assigned(skb, dev);
	if (locked)
		mutex_unlock(&dev->lock);
	iommu_group_put(group);
	return err ? -EMSGSIZE : 0;
}

/* The bound function after the @skip first ones, with references */
static struct pci_dev *nth_bound(long skip, struct kassign_device **dev)
{
	struct kassign_bound *bound;
	struct pci_dev *pdev = NULL;

	*dev = NULL;
	mutex_lock(&kassign_lock);
	list_for_each_entry(bound, &kassign_bounds, node) {
		if (skip-- > 0)
			continue;
		pdev = pci_dev_get(bound->pdev);
		*dev = bound->assigned;
		if (*dev)
			kassign_device_get(*dev);
		break;
	}
	mutex_unlock(&kassign_lock);
	return pdev;
}

static int dump_device(struct sk_buff *skb, struct netlink_callback *cb,
		       struct pci_dev *pdev, struct kassign_device *dev)
{
	void *head = start_entry(skb, cb, KASSIGN_CMD_GET_DEVICES);

	if (!head)
		return -EMSGSIZE;
	if (put_bound(skb, pdev, dev)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

static int dump_devices(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct kassign_device *dev;
	struct pci_dev *pdev;
	int err;

	while ((pdev = nth_bound(cb->args[0], &dev))) {
		err = dump_device(skb, cb, pdev, dev);
		if (dev)
			kassign_device_put(dev);
		pci_dev_put(pdev);
		if (err)
			break;
		cb->args[0]++;
	}
	return skb->len;
}

static const struct genl_small_ops kassign_genl_ops[] = {
	{ .cmd = KASSIGN_CMD_GET_GUESTS, .dumpit = dump_guests },
	{ .cmd = KASSIGN_CMD_GET_DEVICES, .dumpit = dump_devices },
};

static struct genl_family kassign_family = {
	.name		= KASSIGN_GENL_NAME,
	.version	= KASSIGN_GENL_VERSION,
	.maxattr	= KASSIGN_A_MAX,
	.module		= THIS_MODULE,
	.small_ops	= kassign_genl_ops,
	.n_small_ops	= ARRAY_SIZE(kassign_genl_ops),
	.resv_start_op	= __KASSIGN_CMD_MAX,
};

int kassign_netlink_init(void)
{
	return genl_register_family(&kassign_family);
}

void kassign_netlink_exit(void)
{
	genl_unregister_family(&kassign_family);
}
