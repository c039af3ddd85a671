// SPDX-License-Identifier: GPL-2.0-only
/*
 * State of attachments in /run/kassign, so that a device finds its way back
 * whatever dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

void state_name_device(struct state *state)
{
	char prefix[NAME_LEN];

	qdev_id_prefix(state->dev.name, prefix);
	snprintf(state->id, sizeof(state->id), "%.40s%d", prefix, state->keeper);
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
	put_str(o, "qdev_id", state->id);
	put_str(o, "phase", state->phase);
	put_int(o, "keeper", state->keeper);
	put_int(o, "keeper_start", state->keeper_start);
	put_int(o, "agent", state->agent);
	put_int(o, "agent_start", state->agent_start);
	return o;
}

static int make_run_dir(void)
{
	/* Whatever root's umask: VMMs of others find their agents' sockets there. */
	if (!mkdir(RUN_DIR, 0755))
		return chmod(RUN_DIR, 0755);
	return errno == EEXIST ? 0 : -1;
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

/* @o's member, when it is there and of that type */
static struct json_object *member(struct json_object *o, const char *key,
				  enum json_type type)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) &&
	       json_object_is_type(value, type) ? value : NULL;
}

/* Whole or not at all: a cut name would be another name. */
static bool copy_text(struct json_object *value, char *to, size_t len)
{
	const char *text = json_object_get_string(value);
	size_t n = json_object_get_string_len(value);

	if (n >= len || strlen(text) != n)
		return false;
	copy_str(to, len, text);
	return true;
}

static bool get_text(struct json_object *o, const char *key, char *to, size_t len)
{
	struct json_object *value = member(o, key, json_type_string);

	return value && copy_text(value, to, len);
}

static bool get_int(struct json_object *o, const char *key, int64_t max,
		    int64_t *to)
{
	struct json_object *value = member(o, key, json_type_int);

	if (!value)
		return false;
	*to = json_object_get_int64(value);
	return *to >= 0 && *to <= max;
}

static bool get_process(struct json_object *o, const char *key,
			const char *start_key, pid_t *pid,
			unsigned long long *start)
{
	int64_t n, when;

	if (!get_int(o, key, INT_MAX, &n) ||
	    !get_int(o, start_key, INT64_MAX, &when))
		return false;
	*pid = n;
	*start = when;
	return true;
}

static bool get_addrs(struct json_object *o, struct link_state *link)
{
	struct json_object *array = member(o, "addresses", json_type_array);
	struct json_object *addr;
	size_t i, nr = array ? json_object_array_length(array) : 0;

	if (!array || nr > MAX_ADDRS)
		return false;
	for (i = 0; i < nr; i++) {
		addr = json_object_array_get_idx(array, i);
		if (!json_object_is_type(addr, json_type_string) ||
		    !copy_text(addr, link->addrs[i], sizeof(link->addrs[i])))
			return false;
	}
	link->nr_addrs = nr;
	return true;
}

static bool link_from_json(struct json_object *o, struct link_state *link)
{
	struct json_object *up = member(o, "up", json_type_boolean);
	int64_t mtu;

	if (!up || !get_int(o, "mtu", UINT_MAX, &mtu))
		return false;
	link->up = json_object_get_boolean(up);
	link->mtu = mtu;
	return get_text(o, "name", link->name, sizeof(link->name)) &&
	       get_addrs(o, link);
}

static bool dev_from_json(struct json_object *o, struct pci_dev_info *dev)
{
	return get_text(o, "device", dev->name, sizeof(dev->name)) &&
	       get_text(o, "driver", dev->driver, sizeof(dev->driver)) &&
	       get_text(o, "driver_override", dev->override,
			sizeof(dev->override)) &&
	       get_text(o, "title", dev->title, sizeof(dev->title)) &&
	       !kassign_bdf_parse(dev->name, &dev->bdf);
}

static bool guest_from_json(struct json_object *o, struct guest *guest)
{
	return get_text(o, "guest", guest->name, sizeof(guest->name)) &&
	       get_process(o, "guest_pid", "guest_start", &guest->pid,
			   &guest->start) &&
	       get_text(o, "qmp", guest->qmp, sizeof(guest->qmp));
}

/* False unless everything to_json() puts there is there, and of its type */
static bool from_json(struct json_object *o, struct state *state)
{
	return dev_from_json(o, &state->dev) &&
	       link_from_json(member(o, "link", json_type_object),
			      &state->link) &&
	       guest_from_json(o, &state->guest) &&
	       get_text(o, "port", state->port, sizeof(state->port)) &&
	       get_text(o, "qdev_id", state->id, sizeof(state->id)) &&
	       get_text(o, "phase", state->phase, sizeof(state->phase)) &&
	       get_process(o, "keeper", "keeper_start", &state->keeper,
			   &state->keeper_start) &&
	       get_process(o, "agent", "agent_start", &state->agent,
			   &state->agent_start);
}

/* Half a state would give half a device back: all of it, or nothing. */
int state_read(const char *bdf, struct state *state)
{
	char path[PATH_LEN];
	struct json_object *o;
	bool good;

	memset(state, 0, sizeof(*state));
	state_path(bdf, ".json", path);
	o = json_object_from_file(path);
	good = from_json(o, state) && !strcmp(state->dev.name, bdf);
	json_object_put(o);
	if (!good)
		memset(state, 0, sizeof(*state));
	return good ? 0 : -1;
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
