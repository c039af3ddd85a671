// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every precondition of an attach, one function each. `check` prints them all,
 * `attach` stops at the first that does not hold.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

/* The state of a run through the checks */
struct checker {
	const char *dev_text;
	const char *guest_text;
	struct request *req;
	struct qmp *qmp;
	bool have_dev;
	bool have_guest;
	bool warned;		/* the present check only warns */
};

static int check_root(struct checker *c, struct problem *p)
{
	(void)c;
	if (geteuid() == 0)
		return 0;
	return problem(p, EXIT_NOT_ROOT, "try it with sudo",
		       "devices can only be assigned by root");
}

static bool dir_is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	bool empty = true;

	if (!dir)
		return true;
	while (empty && (e = readdir(dir)))
		empty = e->d_name[0] == '.';
	closedir(dir);
	return empty;
}

static int check_iommu(struct checker *c, struct problem *p)
{
	(void)c;
	if (!dir_is_empty("/sys/class/iommu") &&
	    !dir_is_empty("/sys/kernel/iommu_groups"))
		return 0;
	return problem(p, EXIT_REFUSED,
		       "enable VT-d or AMD-Vi in the firmware and boot with intel_iommu=on (Intel)",
		       "this machine has no IOMMU in use, so a device could reach all memory");
}

static int check_module(struct checker *c, struct problem *p)
{
	(void)c;
	if (module_available())
		return 0;
	return problem(p, EXIT_REFUSED,
		       "build it with make, then insmod kassign.ko; or make install for good",
		       "the kernel module kassign is not installed for this kernel");
}

static int check_device(struct checker *c, struct problem *p)
{
	if (device_find(c->dev_text, &c->req->dev, p))
		return -1;
	c->have_dev = true;
	if ((c->req->dev.class >> 16) == 0x06)
		return problem(p, EXIT_REFUSED, NULL,
			       "%s is a bridge; only endpoints can be assigned",
			       c->req->dev.name);
	return 0;
}

static int check_free(struct checker *c, struct problem *p)
{
	struct kassign_device_entry *entries;
	int nr = kassign_list_devices(&entries), i, err = 0;

	for (i = 0; i < nr && !err; i++)
		if (!memcmp(&entries[i].bdf, &c->req->dev.bdf,
			    sizeof(entries[i].bdf)) &&
		    entries[i].state != KASSIGN_DEV_FREE)
			err = problem(p, EXIT_REFUSED,
				      "kassign status tells where; kassign detach takes it back",
				      "%s is already assigned to a guest",
				      c->req->dev.name);
	if (nr > 0)
		free(entries);
	return err;
}

static int check_group(struct checker *c, struct problem *p)
{
	if (c->req->dev.group >= 0)
		return 0;
	return problem(p, EXIT_REFUSED,
		       "enable VT-d or AMD-Vi in the firmware and boot with intel_iommu=on (Intel)",
		       "%s is behind no IOMMU", c->req->dev.name);
}

static int find_foreign(const struct pci_dev_info *peer, void *arg)
{
	static const char * const harmless[] = {
		"", "kassign", "pcieport", "shpchp",
	};
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (!strcmp(peer->driver, harmless[i]))
			return 0;
	*(struct pci_dev_info *)arg = *peer;
	return 1;
}

static int check_viable(struct checker *c, struct problem *p)
{
	struct pci_dev_info foreign;
	char cure[160];

	if (!pci_for_each_peer(&c->req->dev, find_foreign, &foreign))
		return 0;
	snprintf(cure, sizeof(cure),
		 "unbind it too: echo %s > /sys/bus/pci/devices/%s/driver/unbind",
		 foreign.name, foreign.name);
	return problem(p, EXIT_REFUSED, cure,
		       "IOMMU group %d of %s also holds %s, which the host uses with driver %s",
		       c->req->dev.group, c->req->dev.name, foreign.name,
		       foreign.driver);
}

static int check_link(struct checker *c, struct problem *p)
{
	struct link_state *link = &c->req->link;
	const char *iface = c->req->dev.iface;
	int err = iface[0] ? link_read(iface, link) : -ENOENT;

	if (err == -ENOENT)
		return 0;
	if (err)
		return problem(p, EXIT_FAILED, "try again",
			       "the kernel does not tell addresses and routes of %s",
			       iface);
	c->warned = c->req->opt->force;
	if (link->default_route)
		return problem(p, EXIT_REFUSED,
			       "--force takes it all the same",
			       "%s carries this machine's default route; taking it may cut you off",
			       link->name);
	c->warned = true;
	if (link->master[0])
		return problem(p, EXIT_REFUSED, NULL,
			       "%s is a port of %s and will leave it", link->name,
			       link->master);
	if (link->more_addrs)
		return problem(p, EXIT_REFUSED, NULL,
			       "%s has more than %d addresses; the rest will not come back",
			       link->name, MAX_ADDRS);
	return 0;
}

static int check_storage(struct checker *c, struct problem *p)
{
	char path[160];

	/* A mass storage controller with block devices in use */
	if ((c->req->dev.class >> 16) != 0x01 || !c->req->dev.driver[0])
		return 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/nvme",
		 c->req->dev.name);
	if (access(path, F_OK))
		return 0;
	c->warned = true;
	return problem(p, EXIT_REFUSED, "unmount what is on it first",
		       "%s is a disk controller; its disks vanish from the host",
		       c->req->dev.name);
}

static int check_guest(struct checker *c, struct problem *p)
{
	if (guest_find(c->guest_text, &c->req->guest, p))
		return -1;
	c->have_guest = true;
	if (c->req->opt->qmp)
		copy_str(c->req->guest.qmp, sizeof(c->req->guest.qmp),
			 c->req->opt->qmp);
	return 0;
}

static int check_qmp(struct checker *c, struct problem *p)
{
	struct guest *guest = &c->req->guest;

	if (!guest->qmp[0])
		return problem(p, EXIT_REFUSED,
			       "start QEMU with -qmp unix:PATH,server=on,wait=off, or give --qmp PATH",
			       "guest %s (pid %d) shows no QMP socket",
			       guest->name[0] ? guest->name : guest->exe,
			       guest->pid);
	c->qmp = qmp_open(guest->qmp, p);
	return c->qmp ? 0 : -1;
}

static int check_vmm(struct checker *c, struct problem *p)
{
	return vmm_check(c->qmp, p);
}

static int check_port(struct checker *c, struct problem *p)
{
	if (c->req->opt->bus) {
		copy_str(c->req->port, sizeof(c->req->port), c->req->opt->bus);
		return 0;
	}
	return vmm_free_port(c->qmp, c->req->port, p);
}

/* The VMM reads the file, so it needs its whole path. */
static int check_rom(struct checker *c, struct problem *p)
{
	const char *rom = c->req->opt->rom;
	char path[PATH_MAX];
	struct stat st;

	if (!strcmp(rom, "off"))
		return 0;
	if (!realpath(rom, path) || stat(path, &st) || !S_ISREG(st.st_mode))
		return problem(p, EXIT_REFUSED, "--rom auto, off, or a file",
			       "there is no ROM file %s", rom);
	if (!st.st_size || st.st_size > 16 << 20)
		return problem(p, EXIT_REFUSED, NULL,
			       "%s has %lld bytes; a ROM has up to 16 MiB", path,
			       (long long)st.st_size);
	copy_str(c->req->rom, sizeof(c->req->rom), path);
	return 0;
}

/* What the firmware has chosen to draw on; its driver may well be gone. */
static int check_display(struct checker *c, struct problem *p)
{
	char path[160], yes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/boot_vga",
		 c->req->dev.name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fread(&yes, 1, 1, f) != 1)
		yes = 0;
	fclose(f);
	if (yes != '1')
		return 0;
	c->warned = c->req->opt->force;
	return problem(p, EXIT_REFUSED,
		       "--force if the host needs no screen; legacy VGA addresses are never passed, so the guest's firmware cannot draw on it",
		       "%s is the screen of the host", c->req->dev.name);
}

static int take_first(const struct pci_dev_info *other, void *arg)
{
	*(struct pci_dev_info *)arg = *other;
	return 1;
}

/*
 * The attribute names the kernel's methods for this function alone. That of the bus it
 * may have from a time when no other function had been found there.
 */
static int check_reset(struct checker *c, struct problem *p)
{
	struct pci_dev_info other;
	char path[160], methods[64];
	bool shared;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method",
		 c->req->dev.name);
	read_text(path, methods, sizeof(methods));
	if (methods[0] && strcmp(methods, "bus"))
		return 0;
	shared = pci_for_each_on_bus(&c->req->dev, take_first, &other);
	if (methods[0] && !shared)
		return 0;
	c->warned = true;
	if (!shared)
		return problem(p, EXIT_REFUSED, NULL,
			       "%s has no way to be reset; what a guest leaves in it, the next one finds",
			       c->req->dev.name);
	return problem(p, EXIT_REFUSED,
		       "attach all functions of its slot to the same guest",
		       "%s can only be reset together with %s and all else on its bus, while none of them is in use",
		       c->req->dev.name, other.name);
}

enum { ALWAYS, WITH_DEV, WITH_GUEST, WITH_QMP };

static const struct check {
	const char *title;
	int needs;
	int (*fn)(struct checker *c, struct problem *p);
} checks[] = {
	{ "run by root", ALWAYS, check_root },
	{ "IOMMU in use", ALWAYS, check_iommu },
	{ "kernel module available", ALWAYS, check_module },
	{ "device exists", ALWAYS, check_device },
	{ "device behind an IOMMU", WITH_DEV, check_group },
	{ "device not assigned", WITH_DEV, check_free },
	{ "IOMMU group free of host drivers", WITH_DEV, check_viable },
	{ "link not needed by the host", WITH_DEV, check_link },
	{ "no disks in use", WITH_DEV, check_storage },
	{ "not the host's screen", WITH_DEV, check_display },
	{ "can be reset by itself", WITH_DEV, check_reset },
	{ "option ROM", ALWAYS, check_rom },
	{ "guest found", ALWAYS, check_guest },
	{ "QMP reachable", WITH_GUEST, check_qmp },
	{ "QEMU has vfio-user-pci", WITH_QMP, check_vmm },
	{ "free hot-plug port", WITH_QMP, check_port },
};

#define NR_CHECKS (sizeof(checks) / sizeof(checks[0]))

static bool applies(const struct checker *c, const struct check *check)
{
	if (check->fn == check_device && !c->dev_text)
		return false;
	if (check->fn == check_guest && !c->guest_text)
		return false;
	if (check->fn == check_rom && !strcmp(c->req->opt->rom, "auto"))
		return false;
	switch (check->needs) {
	case WITH_DEV:
		return c->have_dev;
	case WITH_GUEST:
		return c->have_guest;
	case WITH_QMP:
		return c->qmp;
	default:
		return true;
	}
}

/* Stops at the first failure; warnings are told and pass. */
int check_all(const char *dev, const char *guest, struct request *req,
	      struct problem *p)
{
	struct checker c = { .dev_text = dev, .guest_text = guest, .req = req };
	size_t i;
	int err = 0;

	copy_str(req->rom, sizeof(req->rom), req->opt->rom);
	for (i = 0; i < NR_CHECKS && !err; i++) {
		c.warned = false;
		if (!applies(&c, &checks[i]) || !checks[i].fn(&c, p))
			continue;
		if (c.warned)
			problem_warn(p, req->opt->json);
		else
			err = -1;
	}
	qmp_close(c.qmp);
	return err;
}

static struct json_object *check_row(const struct check *check, const char *result,
				     const struct problem *p)
{
	struct json_object *row = json_object_new_object();

	json_object_object_add(row, "check", json_object_new_string(check->title));
	json_object_object_add(row, "result", json_object_new_string(result));
	json_object_object_add(row, "cause", json_object_new_string(p->text));
	json_object_object_add(row, "cure", json_object_new_string(p->cure));
	return row;
}

static const struct column check_columns[] = {
	{ "result", "RESULT" },
	{ "check", "CHECK" },
	{ "cause", "CAUSE" },
	{ "cure", "CURE" },
	{ }
};

int cmd_check(int argc, char **argv, struct options *opt)
{
	struct json_object *rows = json_object_new_array();
	struct request req = { .opt = opt };
	struct checker c = { .req = &req };
	int code = EXIT_OK;
	size_t i;

	c.dev_text = argc > 0 ? argv[0] : NULL;
	c.guest_text = argc > 1 ? argv[1] : NULL;
	for (i = 0; i < NR_CHECKS; i++) {
		struct problem p = { 0 };
		const char *result = "ok";

		c.warned = false;
		if (!applies(&c, &checks[i]))
			continue;
		if (checks[i].fn(&c, &p)) {
			result = c.warned ? "warn" : "FAIL";
			if (!c.warned && code == EXIT_OK)
				code = p.code;
		}
		json_object_array_add(rows, check_row(&checks[i], result, &p));
	}
	qmp_close(c.qmp);
	print_rows(rows, check_columns, opt->json);
	return code;
}
