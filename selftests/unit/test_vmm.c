// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which port of a guest a device is plugged into; QEMU's answers are made up
 * here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cli.h"

#define PERIPHERAL "/machine/peripheral/"

/* One of the guest's PCI devices, as query-pci shows it */
#define DEV(id, more) \
	"{\"qdev_id\": \"" id "\", \"id\": {\"vendor\": 1, \"device\": 2}" more "}"
#define EMPTY(id)	DEV(id, ", \"pci_bridge\": {\"devices\": []}")
#define FRESH(id)	DEV(id, ", \"pci_bridge\": {}")
#define WITH(id, inner)	DEV(id, ", \"pci_bridge\": {\"devices\": [" inner "]}")
#define NIC		DEV("nic", "")
#define GUEST(devices)	"[{\"bus\": 0, \"devices\": [" devices "]}]"

/* ---- QEMU ---- */

/**
 * struct property - what qom-get knows
 * @id:		of the device
 * @name:	of the property
 * @value:	JSON
 */
struct property {
	const char *id;
	const char *name;
	const char *value;
};

static const struct property *properties;
static const char *pci;

static const char *string_arg(struct json_object *args, const char *key)
{
	return json_object_get_string(json_object_object_get(args, key));
}

/* Without an entry for it a device is a root port, as it comes. */
static const char *qom_get(const char *path, const char *name)
{
	const struct property *prop;

	assert_int_equal(strncmp(path, PERIPHERAL, strlen(PERIPHERAL)), 0);
	path += strlen(PERIPHERAL);
	for (prop = properties; prop && prop->id; prop++)
		if (!strcmp(prop->id, path) && !strcmp(prop->name, name))
			return prop->value;
	return !strcmp(name, "type") ? "\"pcie-root-port\"" : NULL;
}

struct json_object *qmp_call(struct qmp *qmp, const char *command,
			     struct json_object *args, struct problem *p)
{
	const char *text = NULL;

	(void)qmp;
	if (!strcmp(command, "query-pci"))
		text = pci;
	else if (!strcmp(command, "qom-get"))
		text = qom_get(string_arg(args, "path"),
			       string_arg(args, "property"));
	json_object_put(args);
	if (text)
		return json_tokener_parse(text);
	problem(p, EXIT_FAILED, NULL, "QEMU refused %s", command);
	return NULL;
}

const char *qmp_wait_device(struct qmp *qmp, const char *device, int ms)
{
	(void)qmp;
	(void)device;
	(void)ms;
	return NULL;
}

/* ---- the tests ---- */

static struct problem told;

/* The port chosen in that guest, or "" */
static const char *choice(const char *guest, const struct property *props)
{
	static char port[NAME_LEN];

	pci = guest;
	properties = props;
	memset(&told, 0, sizeof(told));
	port[0] = '\0';
	if (!vmm_free_port(NULL, port, &told))
		return port;
	assert_int_equal(told.code, EXIT_REFUSED);
	assert_non_null(strstr(told.text, "no free port"));
	return "";
}

static void an_empty_port_is_free(void **state)
{
	static const struct property props[] = {
		{ "br", "type", "\"pci-bridge\"" },
		{ "up", "type", "\"x3130-upstream\"" },
		{ "down", "type", "\"xio3130-downstream\"" },
		{ 0 }
	};

	(void)state;
	assert_string_equal(choice(GUEST(NIC "," EMPTY("rp0")), NULL), "rp0");
	assert_string_equal(choice(GUEST(FRESH("rp0")), NULL), "rp0");
	assert_string_equal(choice(GUEST(WITH("rp0", NIC) "," EMPTY("rp1")),
				   NULL), "rp1");
	assert_string_equal(choice(GUEST(EMPTY("br") ","
					 WITH("rp0", WITH("up", EMPTY("down")))),
				   props), "down");
	assert_string_equal(choice(GUEST(WITH("rp0", NIC)), NULL), "");
	assert_string_equal(choice(GUEST(EMPTY("br")), props), "");
	assert_string_equal(choice("[]", NULL), "");
}

#define I440FX "{\"qdev_id\": \"\", \"id\": {\"vendor\": 32902, \"device\": 4663}}"

static void i440fx_has_its_bus(void **state)
{
	(void)state;
	assert_string_equal(choice(GUEST(I440FX), NULL), "pci.0");
}

static void a_port_without_hotplug_is_not_free(void **state)
{
	static const struct property props[] = {
		{ "rp0", "hotplug", "false" },
		{ "rp1", "hotplug", "true" },
		{ 0 }
	};

	(void)state;
	assert_string_equal(choice(GUEST(EMPTY("rp0") "," EMPTY("rp1")), props),
			    "rp1");
	assert_string_equal(choice(GUEST(EMPTY("rp0") "," EMPTY("rp2")), props),
			    "rp2");
	assert_string_equal(choice(GUEST(EMPTY("rp0")), props), "");
}

static void a_bus_is_named_once(void **state)
{
	(void)state;
	assert_string_equal(choice(GUEST(EMPTY("pcie.0") "," EMPTY("rp1")),
				   NULL), "rp1");
	assert_string_equal(choice(GUEST(EMPTY("pci.0")), NULL), "");
	assert_non_null(strstr(told.cure, "id of its own"));
	/* Some bus, perhaps nested, perhaps in use, may be pcie.1 as well. */
	assert_string_equal(choice(GUEST(EMPTY("pcie.1") "," EMPTY("rp1") ","
				   WITH("rp2", WITH("", NIC))), NULL), "rp1");
	assert_string_equal(choice(GUEST(EMPTY("pcie.1") "," EMPTY("")), NULL),
			    "");
	assert_non_null(strstr(told.cure, "id of its own"));
}

static void a_port_without_an_id_is_told(void **state)
{
	(void)state;
	assert_string_equal(choice(GUEST(FRESH("") "," EMPTY("rp1")), NULL),
			    "rp1");
	assert_string_equal(choice(GUEST(NIC "," FRESH("")), NULL), "");
	assert_non_null(strstr(told.cure, "id of its own"));
	/* With a device in it, an id would not help. */
	assert_string_equal(choice(GUEST(WITH("", NIC)), NULL), "");
	assert_null(strstr(told.cure, "id of its own"));
}

/* What only looks like a name of QEMU's making, as libvirt's */
static void other_names_are_good(void **state)
{
	(void)state;
	assert_string_equal(choice(GUEST(WITH("pci.1", NIC) "," EMPTY("pci.2")),
				   NULL), "pci.2");
	assert_string_equal(choice(GUEST(EMPTY("") "," EMPTY("pcie.1a")), NULL),
			    "pcie.1a");
	assert_string_equal(choice(GUEST(EMPTY("") "," EMPTY("pcie.")), NULL),
			    "pcie.");
	assert_string_equal(choice(GUEST(EMPTY("pci.10")), NULL), "pci.10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_port_is_free),
		cmocka_unit_test(i440fx_has_its_bus),
		cmocka_unit_test(a_port_without_hotplug_is_not_free),
		cmocka_unit_test(a_bus_is_named_once),
		cmocka_unit_test(a_port_without_an_id_is_told),
		cmocka_unit_test(other_names_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
