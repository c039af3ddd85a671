// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is wanted of QEMU: is it able, which port is free, plug, unplug.
 */
#include <string.h>

#include "cli.h"

static struct json_object *one_arg(const char *key, const char *value)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, key, json_object_new_string(value));
	return args;
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	return o && json_object_object_get_ex(o, key, &value) ? value : NULL;
}

static const char *get_str(struct json_object *o, const char *key)
{
	struct json_object *value = get(o, key);

	return value ? json_object_get_string(value) : "";
}

/* QEMU 10.1 or later, with the vfio-user device built in */
int vmm_check(struct qmp *qmp, struct problem *p)
{
	struct json_object *version, *n, *props;
	struct problem ignored;
	int major, minor;

	version = qmp_call(qmp, "query-version", NULL, p);
	if (!version)
		return -1;
	n = get(version, "qemu");
	major = json_object_get_int(get(n, "major"));
	minor = json_object_get_int(get(n, "minor"));
	json_object_put(version);
	props = qmp_call(qmp, "device-list-properties",
			 one_arg("typename", "vfio-user-pci"), &ignored);
	if (!props)
		return problem(p, EXIT_REFUSED,
			       "QEMU 10.1 or later, built with vfio-user, is needed",
			       "the guest's QEMU %d.%d has no device vfio-user-pci",
			       major, minor);
	json_object_put(props);
	return 0;
}

/* NULL when the device, or the property, is not there */
static struct json_object *device_property(struct qmp *qmp, const char *id,
					   const char *property)
{
	struct json_object *args = json_object_new_object();
	char path[NAME_LEN + 32];
	struct problem ignored;

	snprintf(path, sizeof(path), "/machine/peripheral/%s", id);
	json_object_object_add(args, "path", json_object_new_string(path));
	json_object_object_add(args, "property",
			       json_object_new_string(property));
	return qmp_call(qmp, "qom-get", args, &ignored);
}

static void object_type(struct qmp *qmp, const char *id, char *type, size_t len)
{
	struct json_object *value = device_property(qmp, id, "type");

	copy_str(type, len, value ? json_object_get_string(value) : "");
	json_object_put(value);
}

/**
 * struct search - for a free port, in what query-pci shows
 * @qmp:	to ask for more
 * @nameless:	there are bridges without an id
 * @skipped:	an empty port was not taken, for the name of its bus
 * @port:	the result, room for NAME_LEN
 */
struct search {
	struct qmp *qmp;
	bool nameless;
	bool skipped;
	char *port;
};

static size_t length(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

static struct json_object *behind(struct json_object *dev)
{
	return get(get(dev, "pci_bridge"), "devices");
}

static bool has_nameless(struct json_object *devices)
{
	size_t i, nr = length(devices);

	for (i = 0; i < nr; i++) {
		struct json_object *dev = json_object_array_get_idx(devices, i);

		if ((get(dev, "pci_bridge") && !get_str(dev, "qdev_id")[0]) ||
		    has_nameless(behind(dev)))
			return true;
	}
	return false;
}

/* pci.N or pcie.N, as QEMU itself calls buses */
static bool is_made_up(const char *name)
{
	size_t n = !strncmp(name, "pci.", 4) ? 4 :
		   !strncmp(name, "pcie.", 5) ? 5 : 0;

	return n && name[n] && !name[n + strspn(name + n, "0123456789")];
}

/*
 * A port's bus has the port's id for a name. Without an id it is pcie.N, counted
 * from 0, which the bus of the root is called too; QEMU takes the first it finds
 * of that name. Which N are used is not shown, so with such buses about none is
 * safe. Without them all but the root's are: libvirt has ports pci.1 and on.
 */
static bool is_unique(const struct search *s, const char *id)
{
	if (!is_made_up(id))
		return true;
	return !s->nameless && strcmp(strchr(id, '.'), ".0");
}

static bool is_port(struct qmp *qmp, const char *id)
{
	char type[NAME_LEN];

	object_type(qmp, id, type, sizeof(type));
	return !strcmp(type, "pcie-root-port") || !strcmp(type, "ioh3420") ||
	       !strcmp(type, "xio3130-downstream");
}

/* A port may be there for what was plugged in at the start only. */
static bool takes_hotplug(struct qmp *qmp, const char *id)
{
	struct json_object *value = device_property(qmp, id, "hotplug");
	bool off = json_object_is_type(value, json_type_boolean) &&
		   !json_object_get_boolean(value);

	json_object_put(value);
	return !off;
}

/* A port with nothing in it, whose bus can be told from all others */
static bool port_is_free(struct search *s, struct json_object *dev)
{
	const char *id = get_str(dev, "qdev_id");

	if (!get(dev, "pci_bridge") || length(behind(dev)))
		return false;
	if (id[0] && (!is_port(s->qmp, id) || !takes_hotplug(s->qmp, id)))
		return false;
	if (id[0] && is_unique(s, id))
		return true;
	s->skipped = true;
	return false;
}

/* i440fx: its one bus takes devices in any free slot. */
static bool is_i440fx(struct json_object *dev)
{
	struct json_object *id = get(dev, "id");

	return json_object_get_int(get(id, "vendor")) == 0x8086 &&
	       json_object_get_int(get(id, "device")) == 0x1237;
}

static bool search_bus(struct search *s, struct json_object *devices)
{
	size_t i, nr = length(devices);

	for (i = 0; i < nr; i++) {
		struct json_object *dev = json_object_array_get_idx(devices, i);

		if (is_i440fx(dev)) {
			copy_str(s->port, NAME_LEN, "pci.0");
			return true;
		}
		if (port_is_free(s, dev)) {
			copy_str(s->port, NAME_LEN, get_str(dev, "qdev_id"));
			return true;
		}
		if (search_bus(s, behind(dev)))
			return true;
	}
	return false;
}

static bool search_buses(struct search *s, struct json_object *buses)
{
	size_t i, nr = length(buses);

	for (i = 0; i < nr; i++)
		if (has_nameless(get(json_object_array_get_idx(buses, i),
				     "devices")))
			s->nameless = true;
	for (i = 0; i < nr; i++)
		if (search_bus(s, get(json_object_array_get_idx(buses, i),
				      "devices")))
			return true;
	return false;
}

int vmm_free_port(struct qmp *qmp, char port[NAME_LEN], struct problem *p)
{
	struct json_object *buses = qmp_call(qmp, "query-pci", NULL, p);
	struct search s = { .qmp = qmp, .port = port };
	bool found;

	if (!buses)
		return -1;
	found = search_buses(&s, buses);
	json_object_put(buses);
	if (found)
		return 0;
	if (s.skipped)
		return problem(p, EXIT_REFUSED,
			       "give each port an id of its own: -device pcie-root-port,id=rp1,chassis=1, not pci.N or pcie.N",
			       "the guest has no free port with a name of its own, only one without an id or called like another bus");
	return problem(p, EXIT_REFUSED,
		       "start it with more -device pcie-root-port,id=...,chassis=..., or detach a device",
		       "the guest has no free port for a device to be plugged in");
}

static void add_rom(struct json_object *args, const char *rom)
{
	if (!strcmp(rom, "off"))
		json_object_object_add(args, "rombar", json_object_new_int(0));
	else if (strcmp(rom, "auto"))
		json_object_object_add(args, "romfile", json_object_new_string(rom));
}

int vmm_plug(struct qmp *qmp, const char *id, const char *port,
	     const char *socket, const char *rom, struct problem *p)
{
	struct json_object *args = one_arg("driver", "vfio-user-pci");
	struct json_object *addr = one_arg("type", "unix"), *ret;

	json_object_object_add(addr, "path", json_object_new_string(socket));
	json_object_object_add(args, "id", json_object_new_string(id));
	json_object_object_add(args, "bus", json_object_new_string(port));
	json_object_object_add(args, "socket", addr);
	add_rom(args, rom);
	ret = qmp_call(qmp, "device_add", args, p);
	if (!ret)
		return -1;
	json_object_put(ret);
	return 0;
}

bool vmm_has_device(struct qmp *qmp, const char *id)
{
	char type[NAME_LEN];

	object_type(qmp, id, type, sizeof(type));
	return type[0];
}

int vmm_unplug(struct qmp *qmp, const char *id, int timeout_ms,
	       struct problem *p)
{
	struct json_object *ret = qmp_call(qmp, "device_del", one_arg("id", id), p);
	const char *event;

	if (!ret)
		return vmm_has_device(qmp, id) ? -1 : 0;
	json_object_put(ret);
	event = qmp_wait_device(qmp, id, timeout_ms);
	if (event && !strcmp(event, "DEVICE_DELETED"))
		return 0;
	return problem(p, EXIT_FAILED,
		       "is its kernel running, with PCI hot-plug? kassign detach --force takes the device all the same",
		       event ? "the guest refused to let the device go" :
			       "the guest did not let the device go within %d s",
		       timeout_ms / 1000);
}

/* Their host device has long been given back, so nothing can be lost. */
void vmm_unplug_stale(struct qmp *qmp, const char *bdf)
{
	struct problem ignored;
	struct json_object *all;
	char prefix[NAME_LEN];
	size_t i;

	all = qmp_call(qmp, "qom-list", one_arg("path", "/machine/peripheral"),
		       &ignored);
	qdev_id_prefix(bdf, prefix);
	for (i = 0; i < length(all); i++) {
		const char *id = get_str(json_object_array_get_idx(all, i), "name");

		if (!strncmp(id, prefix, strlen(prefix)))
			vmm_unplug(qmp, id, 2000, &ignored);
	}
	json_object_put(all);
}
