// SPDX-License-Identifier: GPL-2.0-only
/*
 * kassign recover: finishes what a killed keeper left. Every command that
 * changes something does it first.
 */
#include <dirent.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static void tell_broken(const char *bdf, bool json)
{
	char path[PATH_LEN], cure[PATH_LEN + 32];
	struct problem p;

	state_path(bdf, ".json", path);
	if (access(path, F_OK))
		return;		/* not broken: removed meanwhile */
	snprintf(cure, sizeof(cure), "remove it: rm %s", path);
	problem(&p, EXIT_FAILED, cure,
		"the state file %s is broken and is ignored", path);
	problem_print(&p, json);
}

int states_read(struct state **states, enum tell tell)
{
	DIR *dir = opendir(RUN_DIR);
	struct state *grown;
	struct dirent *e;
	char bdf[KASSIGN_BDF_LEN], *dot;
	int nr = 0;

	*states = NULL;
	while (dir && (e = readdir(dir))) {
		dot = strstr(e->d_name, ".json");
		if (!dot || dot[5] || dot - e->d_name >= (int)sizeof(bdf))
			continue;
		snprintf(bdf, sizeof(bdf), "%.*s", (int)(dot - e->d_name),
			 e->d_name);
		grown = realloc(*states, (nr + 1) * sizeof(**states));
		if (!grown)
			break;
		*states = grown;
		if (!state_read(bdf, &grown[nr]))
			nr++;
		else if (tell != TELL_NOTHING)
			tell_broken(bdf, tell == TELL_JSON);
	}
	if (dir)
		closedir(dir);
	return nr;
}

/* As pci_find(), and also by the interface name it had before it was assigned */
int device_find(const char *text, struct pci_dev_info *dev, struct problem *p)
{
	char bdf[KASSIGN_BDF_LEN] = "";
	struct state *states;
	int nr = states_read(&states, TELL_NOTHING), i;

	for (i = 0; i < nr; i++)
		if (text[0] && !strcmp(states[i].link.name, text))
			copy_str(bdf, sizeof(bdf), states[i].dev.name);
	free(states);
	return pci_find(bdf[0] ? bdf : text, dev, p);
}

/* An agent ends by itself when its keeper goes; this one is stuck. */
static void end_agent(const struct state *state)
{
	struct timespec ts = { .tv_nsec = 20 * 1000 * 1000 };
	int i;

	for (i = 0; i < 500; i++) {
		if (!guest_alive(state->agent, state->agent_start))
			return;
		if (i == 100)
			kill(state->agent, SIGKILL);
		nanosleep(&ts, NULL);
	}
}

static void unplug(const struct state *state)
{
	struct problem p;
	struct qmp *qmp;

	if (!guest_alive(state->guest.pid, state->guest.start))
		return;
	qmp = qmp_open(state->guest.qmp, &p);
	if (qmp && vmm_has_device(qmp, state->id))
		vmm_unplug(qmp, state->id, 5000, &p);
	qmp_close(qmp);
}

static int recover_one(const struct state *state, enum tell tell)
{
	struct problem p;

	end_agent(state);
	unplug(state);
	if (host_give_back(state, &p)) {
		problem_print(&p, tell == TELL_JSON);
		return EXIT_FAILED;
	}
	state_remove(state->dev.name);
	if (tell != TELL_PROBLEMS)
		print_done(tell == TELL_JSON, "is back on the host",
			   "%s is back on the host.", state->dev.name);
	return EXIT_OK;
}

static int recover_all(const char *bdf, enum tell tell)
{
	struct state *states;
	int nr = states_read(&states, tell), i, code = EXIT_OK, lock;

	for (i = 0; i < nr; i++) {
		if ((bdf && strcmp(bdf, states[i].dev.name)) ||
		    guest_alive(states[i].keeper, states[i].keeper_start))
			continue;
		lock = state_lock(states[i].dev.name);
		if (lock < 0)
			continue;	/* somebody is at it */
		if (recover_one(&states[i], tell))
			code = EXIT_FAILED;
		close(lock);
	}
	free(states);
	return code;
}

int recover(const char *bdf)
{
	return recover_all(bdf, TELL_PROBLEMS);
}

/* Files that nobody can read may hide devices that were not given back. */
static bool any_broken(void)
{
	glob_t found;
	struct state *states;
	int nr = states_read(&states, TELL_NOTHING);
	bool broken;

	free(states);
	broken = !glob(RUN_DIR "/*.json", 0, NULL, &found) &&
		 found.gl_pathc > (size_t)nr;
	globfree(&found);
	return broken;
}

int cmd_recover(int argc, char **argv, struct options *opt)
{
	struct problem p;
	int code;

	(void)argc;
	(void)argv;
	if (geteuid()) {
		problem(&p, EXIT_NOT_ROOT, "try it with sudo",
			"devices can only be given back by root");
		problem_print(&p, opt->json);
		return p.code;
	}
	code = recover_all(NULL, opt->json ? TELL_JSON : TELL_TEXT);
	return any_broken() ? EXIT_FAILED : code;
}
