// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network interfaces, over rtnetlink.
 */
#include <errno.h>
#include <glob.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <string.h>

#include "cli.h"

static struct nl_sock *route_socket(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (sock && nl_connect(sock, NETLINK_ROUTE)) {
		nl_socket_free(sock);
		return NULL;
	}
	return sock;
}

/* What was set by hand and would not come back by itself */
static bool addr_counts(struct rtnl_addr *addr, int ifindex)
{
	return rtnl_addr_get_ifindex(addr) == ifindex &&
	       rtnl_addr_get_flags(addr) & IFA_F_PERMANENT &&
	       rtnl_addr_get_scope(addr) != RT_SCOPE_LINK;
}

static void keep_addr(struct rtnl_addr *addr, struct link_state *link)
{
	link->more_addrs = link->nr_addrs == MAX_ADDRS;
	if (!link->more_addrs)
		nl_addr2str(rtnl_addr_get_local(addr),
			    link->addrs[link->nr_addrs++],
			    sizeof(link->addrs[0]));
}

static int read_addrs(struct nl_sock *sock, int ifindex, struct link_state *link)
{
	struct nl_cache *cache;
	struct nl_object *o;

	if (rtnl_addr_alloc_cache(sock, &cache))
		return -EIO;
	for (o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o))
		if (addr_counts((struct rtnl_addr *)o, ifindex))
			keep_addr((struct rtnl_addr *)o, link);
	nl_cache_free(cache);
	return 0;
}

#define MAX_STACK	32

/* An interface and what is above it: VLANs, bonds, bridges and what is on those */
struct stack {
	int index[MAX_STACK];
	int nr;
};

/* The kernel shows each as a link "upper_NAME"; it allows eight levels. */
static void add_to_stack(struct stack *stack, const char *name)
{
	char pattern[64];
	glob_t found;
	size_t i;

	if (stack->nr == MAX_STACK)
		return;
	stack->index[stack->nr++] = if_nametoindex(name);
	snprintf(pattern, sizeof(pattern), "/sys/class/net/%s/upper_*", name);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		add_to_stack(stack, strstr(found.gl_pathv[i], "/upper_") +
				    strlen("/upper_"));
	globfree(&found);
}

static bool in_stack(const struct stack *stack, int index)
{
	int i;

	for (i = 0; i < stack->nr; i++)
		if (stack->index[i] == index)
			return true;
	return false;
}

static bool is_default_via(struct rtnl_route *route, const struct stack *stack)
{
	struct nl_addr *dst = rtnl_route_get_dst(route);
	int i;

	if (rtnl_route_get_table(route) != RT_TABLE_MAIN ||
	    (dst && nl_addr_get_prefixlen(dst)))
		return false;
	for (i = 0; i < rtnl_route_get_nnexthops(route); i++)
		if (in_stack(stack, rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, i))))
			return true;
	return false;
}

static int read_default(struct nl_sock *sock, const char *name, bool *found)
{
	struct stack stack = { .nr = 0 };
	struct nl_cache *cache;
	struct nl_object *o;

	if (rtnl_route_alloc_cache(sock, AF_UNSPEC, 0, &cache))
		return -EIO;
	add_to_stack(&stack, name);
	for (o = nl_cache_get_first(cache); o && !*found; o = nl_cache_get_next(o))
		*found = is_default_via((struct rtnl_route *)o, &stack);
	nl_cache_free(cache);
	return 0;
}

int link_read(const char *name, struct link_state *link)
{
	struct nl_sock *sock = route_socket();
	struct rtnl_link *l;
	int err, index, master;

	memset(link, 0, sizeof(*link));
	if (!sock)
		return -EIO;
	err = rtnl_link_get_kernel(sock, 0, name, &l);
	if (err == -NLE_NODEV || err == -NLE_OBJ_NOTFOUND) {
		err = -ENOENT;
	} else if (err) {
		err = -EIO;
	} else {
		copy_str(link->name, sizeof(link->name), name);
		link->up = rtnl_link_get_flags(l) & IFF_UP;
		link->mtu = rtnl_link_get_mtu(l);
		index = rtnl_link_get_ifindex(l);
		master = rtnl_link_get_master(l);
		if (master)
			if_indextoname(master, link->master);
		rtnl_link_put(l);
		err = read_addrs(sock, index, link);
		if (!err)
			err = read_default(sock, name, &link->default_route);
	}
	nl_socket_free(sock);
	return err;
}

/* Applies @change to the interface @name. libnl's error or 0 */
static int change_link(const char *name, struct rtnl_link *change)
{
	struct nl_sock *sock = route_socket();
	struct rtnl_link *l;
	int err;

	if (!sock)
		return -NLE_NOMEM;
	err = rtnl_link_get_kernel(sock, 0, name, &l);
	if (!err) {
		err = rtnl_link_change(sock, l, change, 0);
		rtnl_link_put(l);
	}
	nl_socket_free(sock);
	return err;
}

int link_down(const char *name, struct problem *p)
{
	struct rtnl_link *change = rtnl_link_alloc();
	int err;

	rtnl_link_unset_flags(change, IFF_UP);
	err = change_link(name, change);
	rtnl_link_put(change);
	if (err)
		return problem(p, EXIT_FAILED, NULL,
			       "cannot take the link of %s down: %s", name,
			       nl_geterror(err));
	return 0;
}

static int set_up(const struct link_state *link, const char *now)
{
	struct rtnl_link *change = rtnl_link_alloc();
	int err = 0;

	if (strcmp(link->name, now))
		rtnl_link_set_name(change, link->name);
	if (link->mtu)
		rtnl_link_set_mtu(change, link->mtu);
	if (link->up)
		rtnl_link_set_flags(change, IFF_UP);
	err = change_link(now, change);
	rtnl_link_put(change);
	return err;
}

static int add_addr(struct nl_sock *sock, int ifindex, const char *text)
{
	struct rtnl_addr *addr = rtnl_addr_alloc();
	struct nl_addr *local;
	int err = nl_addr_parse(text, AF_UNSPEC, &local);

	if (!err) {
		rtnl_addr_set_ifindex(addr, ifindex);
		err = rtnl_addr_set_local(addr, local);
		if (!err)
			err = rtnl_addr_add(sock, addr, 0);
		nl_addr_put(local);
	}
	rtnl_addr_put(addr);
	return err == -NLE_EXIST ? 0 : err;
}

/* Name, MTU, state and addresses as they were; @now is its present name. */
int link_restore(const struct link_state *link, const char *now,
		 struct problem *p)
{
	struct nl_sock *sock;
	int err, i;

	err = set_up(link, now);
	sock = route_socket();
	for (i = 0; sock && !err && i < link->nr_addrs; i++)
		err = add_addr(sock, if_nametoindex(link->name), link->addrs[i]);
	nl_socket_free(sock);
	if (err)
		return problem(p, EXIT_FAILED, "ip link shows its state",
			       "cannot restore the link %s: %s", link->name,
			       nl_geterror(err));
	return 0;
}
