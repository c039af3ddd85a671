// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows a person, or a program, what a keeper reports.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"

#define BAR_WIDTH 30

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(o, key, &value) ? value : NULL;
}

static void show_bar(struct json_object *o)
{
	int64_t done = json_object_get_int64(get(o, "done")) >> 20;
	int64_t total = json_object_get_int64(get(o, "total")) >> 20;
	int full = total ? done * BAR_WIDTH / total : 0;

	fprintf(stderr, "\r  mapping [%.*s%*s] %lld of %lld MiB",
		full, "##############################", BAR_WIDTH - full, "",
		(long long)done, (long long)total);
	fflush(stderr);
}

static void show_text(struct json_object *o, bool terminal)
{
	if (get(o, "total")) {
		if (terminal)
			show_bar(o);
		return;
	}
	if (terminal)
		fputs("\r\033[K", stderr);
	if (get(o, "step"))
		printf("  %-44s %6lld ms\n",
		       json_object_get_string(get(o, "step")),
		       (long long)json_object_get_int64(get(o, "ms")));
	else if (get(o, "note"))
		printf("  %s\n", json_object_get_string(get(o, "note")));
	fflush(stdout);
}

/* An error ends it, as does the result; the exit code, or -1 to go on */
static int verdict(struct json_object *o, bool json)
{
	struct problem p = { 0 };

	if (get(o, "result"))
		return EXIT_OK;
	if (!get(o, "error"))
		return -1;
	p.code = json_object_get_int(get(o, "exit"));
	copy_str(p.text, sizeof(p.text), json_object_get_string(get(o, "error")));
	copy_str(p.cure, sizeof(p.cure), json_object_get_string(get(o, "cure")));
	if (!json)
		problem_print(&p, false);
	return p.code;
}

static int one_line(const char *line, bool json, bool terminal)
{
	struct json_object *o = json_tokener_parse(line);
	int code;

	if (!o)
		return -1;
	if (json)
		puts(line);
	else
		show_text(o, terminal);
	code = verdict(o, json);
	json_object_put(o);
	return code;
}

static int keeper_died(bool json)
{
	struct problem p;

	problem(&p, EXIT_FAILED, "run: kassign recover", "the keeper died");
	problem_print(&p, json);
	return p.code;
}

static int read_report(FILE *in, bool json, bool terminal)
{
	size_t size = 0;
	char *line = NULL;
	int code = -1;

	while (code < 0 && getline(&line, &size, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		code = one_line(line, json, terminal);
	}
	free(line);
	return code;
}

static int interrupt_sock;

/* The keeper takes it as a wish to undo all, and tells when it has. */
static void on_interrupt(int sig)
{
	static const char text[] = "\nkassign: interrupted, undoing\n";

	(void)sig;
	shutdown(interrupt_sock, SHUT_WR);
	if (write(2, text, sizeof(text) - 1) < 0)
		return;
}

/* The first of them undoes, a second one ends the command at once. */
static void undo_on_interrupt(int sock)
{
	struct sigaction undo = {
		.sa_handler = on_interrupt,
		.sa_flags = SA_RESTART | SA_RESETHAND,
	};
	struct sigaction old;

	interrupt_sock = sock;
	/* In the background of a script it is not for us. */
	if (!sigaction(SIGINT, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGINT, &undo, NULL);
	sigaction(SIGTERM, &undo, NULL);
}

int keeper_follow(int sock, bool json, bool terminal, bool commit)
{
	FILE *in = fdopen(sock, "r");
	int code = -1;

	if (commit)
		undo_on_interrupt(sock);
	if (in)
		code = read_report(in, json, terminal);
	/* See do_commit() of the keeper: unless it knows, it undoes. */
	if (code == EXIT_OK && commit && send(sock, "k", 1, MSG_NOSIGNAL) != 1)
		code = read_report(in, json, terminal);
	if (commit) {
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
	}
	if (in)
		fclose(in);
	return code < 0 ? keeper_died(json) : code;
}
