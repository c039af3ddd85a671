// SPDX-License-Identifier: GPL-2.0-only
/*
 * State files: what is written is read again, and nothing but that. The state
 * and recovery code is built to keep its files in the current directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define GOOD	"0000:01:00.0"
#define BROKEN	"0000:02:00.0"
#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* ---- in place of what recovery calls ---- */

static char given_back[256];

bool guest_alive(pid_t pid, unsigned long long start)
{
	(void)pid;
	(void)start;
	return false;
}

struct qmp *qmp_open(const char *path, struct problem *p)
{
	(void)path;
	problem(p, EXIT_REFUSED, NULL, "no QMP here");
	return NULL;
}

void qmp_close(struct qmp *qmp)
{
	(void)qmp;
}

bool vmm_has_device(struct qmp *qmp, const char *id)
{
	(void)qmp;
	(void)id;
	return false;
}

int vmm_unplug(struct qmp *qmp, const char *id, int timeout_ms,
	       struct problem *p)
{
	(void)qmp;
	(void)id;
	(void)timeout_ms;
	(void)p;
	return 0;
}

int pci_find(const char *text, struct pci_dev_info *dev, struct problem *p)
{
	copy_str(dev->name, sizeof(dev->name), text);
	(void)p;
	return 0;
}

int host_give_back(const struct state *state, struct problem *p)
{
	(void)p;
	strncat(given_back, state->dev.name,
		sizeof(given_back) - strlen(given_back) - 1);
	return 0;
}

/* ---- files ---- */

static void fill(struct state *state, const char *bdf)
{
	memset(state, 0, sizeof(*state));
	copy_str(state->dev.name, sizeof(state->dev.name), bdf);
	copy_str(state->dev.driver, NAME_LEN, "e1000e");
	copy_str(state->link.name, NAME_LEN, "eth1");
	state->link.up = true;
	state->link.mtu = 9000;
	state->link.nr_addrs = 2;
	copy_str(state->link.addrs[0], sizeof(state->link.addrs[0]), "10.0.0.1/24");
	copy_str(state->link.addrs[1], sizeof(state->link.addrs[1]), "fd00::1/64");
	state->guest.pid = 77;
	state->guest.start = 123456789012ULL;
	state->keeper = 78;
}

static void put_good(const char *bdf)
{
	struct problem p = { 0 };
	struct state state;

	fill(&state, bdf);
	assert_int_equal(state_write(&state, &p), 0);
}

static void put_text(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static struct json_object *good_json(void)
{
	struct json_object *o;

	put_good(GOOD);
	o = json_object_from_file(GOOD ".json");
	assert_non_null(o);
	return o;
}

/* Consumes @o; it must be found broken, and nothing of it be given out. */
static void refused(struct json_object *o, const char *what)
{
	static const struct state zero;
	struct state state;
	int err;

	assert_int_equal(json_object_to_file(GOOD ".json", o), 0);
	json_object_put(o);
	err = state_read(GOOD, &state);
	if (!err || memcmp(&state, &zero, sizeof(state)))
		fail_msg("%s was taken", what);
}

/* What recover() prints to stderr, and what it gives back */
static void run_recover(char *text, size_t len)
{
	int saved = dup(2), fd = open("stderr", O_RDWR | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	given_back[0] = '\0';
	if (saved < 0 || fd < 0) {
		fail_msg("stderr cannot be redirected");
		return;
	}
	dup2(fd, 2);
	recover(NULL);
	dup2(saved, 2);
	close(saved);
	n = pread(fd, text, len - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	close(fd);
}

/* ---- the tests ---- */

static void what_is_written_is_read(void **unused)
{
	struct state out, in;
	struct problem p;

	(void)unused;
	fill(&out, GOOD);
	assert_int_equal(state_write(&out, &p), 0);
	assert_int_equal(state_read(GOOD, &in), 0);
	assert_int_equal(kassign_bdf_parse(GOOD, &out.dev.bdf), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(state_read(BROKEN, &in), -1);
}

static void no_json_object(void **unused)
{
	static const char * const texts[] = {
		"", "{", "{\"device\": \"" GOOD "\", \"dri", "null", "[]", "7",
		"\"" GOOD "\"", "true", "{}", "\1\2\3", "{\"device\": \"" GOOD "\"}",
	};
	struct state state;
	size_t i;

	(void)unused;
	for (i = 0; i < NR(texts); i++) {
		put_text(GOOD ".json", texts[i]);
		if (!state_read(GOOD, &state))
			fail_msg("'%s' was taken", texts[i]);
	}
}

/* @o's member @key of another type, too long, or gone */
static void spoil(struct json_object *o, const char *key, int how)
{
	static const char * const values[] = {
		"null", "{}", "[]", "[null]", "[7]", "1.5", "-1",
		"99999999999999999999", "\"7\"", "\"a\\u0000b\"",
	};
	char text[1024];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json_object_object_del(o, key);
	if (how < (int)NR(values))
		json_object_object_add(o, key, json_tokener_parse(values[how]));
	else if (how == NR(values))
		json_object_object_add(o, key, json_object_new_string(text));
}

#define NR_SPOILS 12

/* An empty list is a good one; so is any short text, and any int for a start. */
static bool harmless(const char *key, int how)
{
	static const char * const texts[] = {
		"driver", "driver_override", "title", "guest", "qmp", "port", "qdev_id",
		"phase", "name",
	};
	size_t i;

	if (how == 2)
		return !strcmp(key, "addresses");
	if (how == 7)
		return strstr(key, "_start");
	for (i = 0; how == 8 && i < NR(texts); i++)
		if (!strcmp(key, texts[i]))
			return true;
	return false;
}

static void spoil_each(const char *inside)
{
	struct json_object *all = good_json(), *o, *copy, *part;
	char what[128];
	int how;

	o = inside ? json_object_object_get(all, inside) : all;
	json_object_object_foreach(o, key, value) {
		(void)value;
		for (how = 0; how < NR_SPOILS; how++) {
			if (harmless(key, how))
				continue;
			copy = NULL;
			json_object_deep_copy(all, &copy, NULL);
			part = inside ? json_object_object_get(copy, inside) :
					copy;
			spoil(part, key, how);
			snprintf(what, sizeof(what), "%s, spoilt in way %d",
				 key, how);
			refused(copy, what);
		}
	}
	json_object_put(all);
}

static void wrong_members(void **unused)
{
	(void)unused;
	spoil_each(NULL);
	spoil_each("link");
}

static void too_many_addresses(void **unused)
{
	struct json_object *o = good_json();
	struct json_object *link = json_object_object_get(o, "link");
	struct json_object *addrs = json_object_object_get(link, "addresses");

	(void)unused;
	while (json_object_array_length(addrs) <= MAX_ADDRS)
		json_object_array_add(addrs, json_object_new_string("10.0.0.1/24"));
	refused(o, "a list of too many addresses");
}

static void of_another_device(void **unused)
{
	struct state state;

	(void)unused;
	put_good(GOOD);
	assert_int_equal(rename(GOOD ".json", BROKEN ".json"), 0);
	assert_int_equal(state_read(BROKEN, &state), -1);
}

static void recovery_goes_on_and_tells(void **unused)
{
	static const char told[] = BROKEN ".json is broken";
	char text[1024], *first;

	(void)unused;
	put_good(GOOD);
	put_text(BROKEN ".json",
		 "{\"device\": \"" BROKEN "\", \"link\": {\"addresses\": 7}}");
	run_recover(text, sizeof(text));
	assert_string_equal(given_back, GOOD);
	first = strstr(text, told);
	assert_non_null(first);
	assert_null(strstr(first + strlen(told), "is broken"));
	assert_non_null(strstr(text, "rm ./" BROKEN ".json"));
	assert_null(strstr(text, GOOD));
	assert_int_equal(access(BROKEN ".json", F_OK), 0);
}

static void others_only_skip(void **unused)
{
	struct pci_dev_info dev;
	struct state *states;
	struct problem p;

	(void)unused;
	put_good(GOOD);
	put_text(BROKEN ".json", "[]");
	assert_int_equal(states_read(&states, TELL_NOTHING), 1);
	assert_string_equal(states[0].dev.name, GOOD);
	free(states);
	assert_int_equal(device_find("eth1", &dev, &p), 0);
	assert_string_equal(dev.name, GOOD);
}

/* ---- a directory for each test ---- */

static char dir[64];

static int enter(void **unused)
{
	(void)unused;
	copy_str(dir, sizeof(dir), "/tmp/kassign-state-XXXXXX");
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static int leave(void **unused)
{
	(void)unused;
	state_remove(GOOD);
	state_remove(BROKEN);
	unlink(GOOD ".lock");
	unlink("stderr");
	return chdir("/") || rmdir(dir) ? -1 : 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(no_json_object),
		TEST(wrong_members),
		TEST(too_many_addresses),
		TEST(of_another_device),
		TEST(recovery_goes_on_and_tells),
		TEST(others_only_skip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
