// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices as sysfs shows them; names from libpci.
 */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <pci/pci.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define DEVICES "/sys/bus/pci/devices"

static void attr_path(const struct pci_dev_info *dev, const char *attr,
		      char *path, size_t len)
{
	snprintf(path, len, DEVICES "/%s/%s", dev->name, attr);
}

/* Last component of a link, or an empty string */
static void link_name(const struct pci_dev_info *dev, const char *attr,
		      char *name, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	name[0] = '\0';
	attr_path(dev, attr, path, sizeof(path));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return;
	target[n] = '\0';
	copy_str(name, len, strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
}

static unsigned int hex_attr(const struct pci_dev_info *dev, const char *attr)
{
	char path[PATH_MAX], text[32];

	attr_path(dev, attr, path, sizeof(path));
	return read_text(path, text, sizeof(text)) ? 0 : strtoul(text, NULL, 16);
}

/* A virtio NIC's interface belongs to a device of its own behind the function. */
static void first_iface(struct pci_dev_info *dev)
{
	static const char * const places[] = { "net/*", "virtio*/net/*" };
	char path[PATH_MAX];
	size_t i;

	dev->iface[0] = '\0';
	for (i = 0; i < 2 && !dev->iface[0]; i++) {
		glob_t found;

		attr_path(dev, places[i], path, sizeof(path));
		if (glob(path, 0, NULL, &found))
			continue;
		copy_str(dev->iface, sizeof(dev->iface),
			 strrchr(found.gl_pathv[0], '/') + 1);
		globfree(&found);
	}
}

static void lookup_title(struct pci_dev_info *dev)
{
	struct pci_access *acc = pci_alloc();

	pci_init(acc);
	dev->title[0] = '\0';
	pci_lookup_name(acc, dev->title, sizeof(dev->title),
			PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
			hex_attr(dev, "vendor"), hex_attr(dev, "device"));
	pci_cleanup(acc);
}

int pci_refresh(struct pci_dev_info *dev)
{
	char path[PATH_MAX], group[NAME_LEN];

	kassign_bdf_str(&dev->bdf, dev->name);
	attr_path(dev, "", path, sizeof(path));
	if (access(path, F_OK))
		return -ENOENT;
	link_name(dev, "driver", dev->driver, sizeof(dev->driver));
	link_name(dev, "iommu_group", group, sizeof(group));
	dev->group = group[0] ? atoi(group) : -1;
	attr_path(dev, "driver_override", path, sizeof(path));
	read_text(path, dev->override, sizeof(dev->override));
	if (!strcmp(dev->override, "(null)"))
		dev->override[0] = '\0';
	dev->class = hex_attr(dev, "class");
	first_iface(dev);
	return 0;
}

static int bdf_of_iface(const char *iface, struct kassign_bdf *bdf)
{
	char path[PATH_MAX], target[PATH_MAX], *name;

	if (strchr(iface, '/'))
		return -EINVAL;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", iface);
	if (!realpath(path, target))
		return -ENOENT;
	name = strrchr(target, '/');
	if (!strncmp(name, "/virtio", 7)) {
		*name = '\0';
		name = strrchr(target, '/');
	}
	return kassign_bdf_parse(name + 1, bdf);
}

int pci_find(const char *text, struct pci_dev_info *dev, struct problem *p)
{
	memset(dev, 0, sizeof(*dev));
	if (kassign_bdf_parse(text, &dev->bdf) &&
	    bdf_of_iface(text, &dev->bdf))
		return problem(p, EXIT_REFUSED, "kassign list shows what there is",
			       "'%s' is neither a PCI address nor the network interface of a PCI device",
			       text);
	if (pci_refresh(dev))
		return problem(p, EXIT_REFUSED, "kassign list shows what there is",
			       "there is no PCI device %s", dev->name);
	lookup_title(dev);
	return 0;
}

static int write_attr(const char *path, const char *text, struct problem *p,
		      const char *what, const struct pci_dev_info *dev)
{
	int err = write_text(path, text);

	if (err)
		return problem(p, EXIT_FAILED, "see the end of dmesg",
			       "%s %s: %s", what, dev->name, strerror(-err));
	return 0;
}

int pci_unbind(const struct pci_dev_info *dev, struct problem *p)
{
	char path[PATH_MAX];

	attr_path(dev, "driver/unbind", path, sizeof(path));
	if (access(path, F_OK))
		return 0;	/* no driver */
	return write_attr(path, dev->name, p, "cannot unbind the driver of", dev);
}

int pci_set_override(const struct pci_dev_info *dev, const char *driver,
		     struct problem *p)
{
	char path[PATH_MAX];

	attr_path(dev, "driver_override", path, sizeof(path));
	return write_attr(path, driver[0] ? driver : "\n", p,
			  "cannot set driver_override of", dev);
}

int pci_bind(const struct pci_dev_info *dev, const char *driver,
	     struct problem *p)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	return write_attr(path, dev->name, p, "cannot bind the driver to", dev);
}

static int each_in(const char *dir_path,
		   int (*fn)(const struct pci_dev_info *dev, void *arg),
		   void *arg, const char *except, bool titles)
{
	struct pci_dev_info dev;
	struct dirent *e;
	int ret = 0;
	DIR *dir = opendir(dir_path);

	if (!dir)
		return 0;
	while (!ret && (e = readdir(dir))) {
		memset(&dev, 0, sizeof(dev));
		if (e->d_name[0] == '.' || (except && !strcmp(e->d_name, except)) ||
		    kassign_bdf_parse(e->d_name, &dev.bdf) || pci_refresh(&dev))
			continue;
		if (titles)
			lookup_title(&dev);
		ret = fn(&dev, arg);
	}
	closedir(dir);
	return ret;
}

int pci_for_each(int (*fn)(const struct pci_dev_info *dev, void *arg), void *arg)
{
	return each_in(DEVICES, fn, arg, NULL, true);
}

int pci_for_each_on_bus(const struct pci_dev_info *dev,
			int (*fn)(const struct pci_dev_info *other, void *arg),
			void *arg)
{
	char path[PATH_MAX];

	/* Behind the link to it, beside it: what is below the same bridge. */
	attr_path(dev, "..", path, sizeof(path));
	return each_in(path, fn, arg, dev->name, false);
}

int pci_for_each_peer(const struct pci_dev_info *dev,
		      int (*fn)(const struct pci_dev_info *peer, void *arg),
		      void *arg)
{
	char path[PATH_MAX];

	attr_path(dev, "iommu_group/devices", path, sizeof(path));
	return each_in(path, fn, arg, dev->name, false);
}
