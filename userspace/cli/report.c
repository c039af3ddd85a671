// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a keeper tells the command it works for: one JSON object a line. The
 * command may be gone; that is noticed elsewhere, here it does not matter.
 */
#include <string.h>
#include <sys/socket.h>

#include "cli.h"

static void send_object(int fd, struct json_object *o)
{
	char line[2048];
	int n;

	n = snprintf(line, sizeof(line), "%s\n",
		     json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	if (n > 0 && n < (int)sizeof(line) &&
	    send(fd, line, n, MSG_NOSIGNAL) < 0)
		return;
}

static struct json_object *text_object(const char *key, const char *text)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, key, json_object_new_string(text));
	return o;
}

void report_step(int fd, const char *text, double ms)
{
	struct json_object *o = text_object("step", text);

	json_object_object_add(o, "ms", json_object_new_int64(ms + 0.5));
	send_object(fd, o);
}

void report_progress(int fd, unsigned long long done, unsigned long long total)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "done", json_object_new_int64(done));
	json_object_object_add(o, "total", json_object_new_int64(total));
	send_object(fd, o);
}

void report_note(int fd, const char *text)
{
	send_object(fd, text_object("note", text));
}

void report_problem(int fd, const struct problem *p)
{
	struct json_object *o = text_object("error", p->text);

	json_object_object_add(o, "cure", json_object_new_string(p->cure));
	json_object_object_add(o, "exit", json_object_new_int(p->code));
	send_object(fd, o);
}

void report_done(int fd, const char *text)
{
	send_object(fd, text_object("result", text));
}
