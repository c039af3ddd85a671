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

/* A root port with an id, and nothing in it */
static bool port_is_free(struct qmp *qmp, struct json_object *dev)
{
	struct json_object *bridge = get(dev, "pci_bridge");
	struct json_object *devices = get(bridge, "devices");
	const char *id = get_str(dev, "qdev_id");

	if (!bridge || !id[0] ||
	    (devices && json_object_array_length(devices)))
		return false;
	return is_port(qmp, id) && takes_hotplug(qmp, id);
}

/* i440fx: its one bus takes devices in any free slot. */
static bool is_i440fx(struct json_object *dev)
{
	struct json_object *id = get(dev, "id");

	return json_object_get_int(get(id, "vendor")) == 0x8086 &&
	       json_object_get_int(get(id, "device")) == 0x1237;
}

static bool search_bus(struct qmp *qmp, struct json_object *devices,
		       char port[NAME_LEN])
{
	size_t i, nr = devices ? json_object_array_length(devices) : 0;

	for (i = 0; i < nr; i++) {
		struct json_object *dev = json_object_array_get_idx(devices, i);

		if (is_i440fx(dev)) {
			copy_str(port, NAME_LEN, "pci.0");
			return true;
		}
		if (port_is_free(qmp, dev)) {
			copy_str(port, NAME_LEN, get_str(dev, "qdev_id"));
			return true;
		}
		if (search_bus(qmp, get(get(dev, "pci_bridge"), "devices"), port))
			return true;
	}
	return false;
}

int vmm_free_port(struct qmp *qmp, char port[NAME_LEN], struct problem *p)
{
	struct json_object *buses = qmp_call(qmp, "query-pci", NULL, p);
	bool found = false;
	size_t i;

	if (!buses)
		return -1;
	for (i = 0; i < json_object_array_length(buses) && !found; i++)
		found = search_bus(qmp,
				   get(json_object_array_get_idx(buses, i),
				       "devices"), port);
	json_object_put(buses);
	if (found)
		return 0;
	return problem(p, EXIT_REFUSED,
		       "start it with more -device pcie-root-port,id=...,chassis=..., or detach a device",
		       "the guest has no free port for a device to be plugged in");
}

int vmm_plug(struct qmp *qmp, const char *id, const char *port,
	     const char *socket, struct problem *p)
{
	struct json_object *args = one_arg("driver", "vfio-user-pci");
	struct json_object *addr = one_arg("type", "unix"), *ret;

	json_object_object_add(addr, "path", json_object_new_string(socket));
	json_object_object_add(args, "id", json_object_new_string(id));
	json_object_object_add(args, "bus", json_object_new_string(port));
	json_object_object_add(args, "socket", addr);
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
