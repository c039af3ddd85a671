// SPDX-License-Identifier: GPL-2.0-only
/*
 * State of attachments in /run/kassign, so that a device finds its way back
 * whatever dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

void state_path(const char *bdf, const char *suffix, char path[PATH_LEN])
{
	snprintf(path, PATH_LEN, RUN_DIR "/%s%s", bdf, suffix);
}

/* QEMU's id for the device */
void state_device_id(const struct state *state, char id[NAME_LEN])
{
	char *c;

	snprintf(id, NAME_LEN, "kassign-%s", state->dev.name);
	for (c = id; *c; c++)
		if (*c == ':' || *c == '.')
			*c = '-';
}

static void put_str(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void put_int(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

static struct json_object *link_to_json(const struct link_state *link)
{
	struct json_object *o = json_object_new_object();
	struct json_object *addrs = json_object_new_array();
	int i;

	put_str(o, "name", link->name);
	json_object_object_add(o, "up", json_object_new_boolean(link->up));
	put_int(o, "mtu", link->mtu);
	for (i = 0; i < link->nr_addrs; i++)
		json_object_array_add(addrs,
				      json_object_new_string(link->addrs[i]));
	json_object_object_add(o, "addresses", addrs);
	return o;
}

static struct json_object *to_json(const struct state *state)
{
	struct json_object *o = json_object_new_object();

	put_str(o, "device", state->dev.name);
	put_str(o, "driver", state->dev.driver);
	put_str(o, "driver_override", state->dev.override);
	put_str(o, "title", state->dev.title);
	json_object_object_add(o, "link", link_to_json(&state->link));
	put_str(o, "guest", state->guest.name);
	put_int(o, "guest_pid", state->guest.pid);
	put_int(o, "guest_start", state->guest.start);
	put_str(o, "qmp", state->guest.qmp);
	put_str(o, "port", state->port);
	put_str(o, "phase", state->phase);
	put_int(o, "keeper", state->keeper);
	put_int(o, "keeper_start", state->keeper_start);
	put_int(o, "agent", state->agent);
	put_int(o, "agent_start", state->agent_start);
	return o;
}

static int make_run_dir(void)
{
	return mkdir(RUN_DIR, 0755) && errno != EEXIST ? -1 : 0;
}

/* Whole or not at all: a new file takes the old one's name. */
int state_write(const struct state *state, struct problem *p)
{
	char path[PATH_LEN], fresh[PATH_LEN];
	struct json_object *o = to_json(state);
	int err;

	state_path(state->dev.name, ".json", path);
	state_path(state->dev.name, ".json.new", fresh);
	err = make_run_dir() ||
	      json_object_to_file_ext(fresh, o, JSON_C_TO_STRING_PRETTY |
				      JSON_C_TO_STRING_NOSLASHESCAPE) ||
	      rename(fresh, path);
	json_object_put(o);
	if (err)
		return problem(p, EXIT_FAILED, NULL, "cannot write %s: %s", path,
			       strerror(errno));
	return 0;
}

static void get_text(struct json_object *o, const char *key, char *to, size_t len)
{
	struct json_object *value;

	if (json_object_object_get_ex(o, key, &value))
		copy_str(to, len, json_object_get_string(value));
}

static int64_t get_int(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ?
	       json_object_get_int64(value) : 0;
}

static void link_from_json(struct json_object *o, struct link_state *link)
{
	struct json_object *value;
	size_t i;

	get_text(o, "name", link->name, sizeof(link->name));
	link->up = json_object_object_get_ex(o, "up", &value) &&
		   json_object_get_boolean(value);
	link->mtu = get_int(o, "mtu");
	if (!json_object_object_get_ex(o, "addresses", &value))
		return;
	for (i = 0; i < json_object_array_length(value) && i < MAX_ADDRS; i++)
		copy_str(link->addrs[link->nr_addrs++], sizeof(link->addrs[0]),
			 json_object_get_string(json_object_array_get_idx(value, i)));
}

int state_read(const char *bdf, struct state *state)
{
	char path[PATH_LEN];
	struct json_object *o, *link;

	memset(state, 0, sizeof(*state));
	state_path(bdf, ".json", path);
	o = json_object_from_file(path);
	if (!o)
		return -1;
	get_text(o, "device", state->dev.name, sizeof(state->dev.name));
	get_text(o, "driver", state->dev.driver, sizeof(state->dev.driver));
	get_text(o, "driver_override", state->dev.override,
		 sizeof(state->dev.override));
	get_text(o, "title", state->dev.title, sizeof(state->dev.title));
	if (json_object_object_get_ex(o, "link", &link))
		link_from_json(link, &state->link);
	get_text(o, "guest", state->guest.name, sizeof(state->guest.name));
	state->guest.pid = get_int(o, "guest_pid");
	state->guest.start = get_int(o, "guest_start");
	get_text(o, "qmp", state->guest.qmp, sizeof(state->guest.qmp));
	get_text(o, "port", state->port, sizeof(state->port));
	get_text(o, "phase", state->phase, sizeof(state->phase));
	state->keeper = get_int(o, "keeper");
	state->keeper_start = get_int(o, "keeper_start");
	state->agent = get_int(o, "agent");
	state->agent_start = get_int(o, "agent_start");
	json_object_put(o);
	return kassign_bdf_parse(state->dev.name, &state->dev.bdf);
}

void state_remove(const char *bdf)
{
	static const char * const suffixes[] = {
		".json", ".json.new", ".sock", ".ctl",
	};
	char path[PATH_LEN];
	size_t i;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		state_path(bdf, suffixes[i], path);
		unlink(path);
	}
}

int state_lock(const char *name)
{
	char path[PATH_LEN];
	int fd;

	make_run_dir();
	state_path(name, ".lock", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return -1;
	}
	return fd;
}
