// SPDX-License-Identifier: GPL-2.0-only
/*
 * A QMP client: one command at a time, events kept for who waits for them.
 * Nothing waits for ever: QEMU serves one client of a monitor, and the others
 * are left waiting without a word.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"

#define CONNECT_MS	3000
#define RETRY_MS	50
#define GREETING_MS	3000
#define REPLY_MS	30000	/* and for the command to get there */
#define MOST_EVENTS	256	/* kept of those about devices */
#define MOST_BYTES	(16 << 20)	/* of a message */

/**
 * struct qmp - a connection to a QMP monitor
 * @fd:		the socket
 * @failed:	errno of what ended it, 0 while it can be used. A reply that
 *		comes too late would pass for that of the next command.
 * @tok:	parser, with what it has of a message
 * @buf:	as read
 * @have:	bytes in @buf not parsed yet
 * @seen:	bytes of the message so far
 * @events:	not asked for yet
 * @name:	of the event returned last
 */
struct qmp {
	int fd;
	int failed;
	struct json_tokener *tok;
	char buf[4096];
	size_t have;
	size_t seen;
	struct json_object *events;
	char name[NAME_LEN];
};

void qmp_close(struct qmp *qmp)
{
	if (!qmp)
		return;
	close(qmp->fd);
	json_tokener_free(qmp->tok);
	json_object_put(qmp->events);
	free(qmp);
}

/* Feeds what is buffered to the parser; an object when one is complete. */
static struct json_object *parse_some(struct qmp *qmp, bool *broken)
{
	struct json_object *o;
	size_t used;

	o = json_tokener_parse_ex(qmp->tok, qmp->buf, qmp->have);
	*broken = !o && json_tokener_get_error(qmp->tok) != json_tokener_continue;
	used = json_tokener_get_parse_end(qmp->tok);
	if (used > qmp->have)
		used = qmp->have;
	memmove(qmp->buf, qmp->buf + used, qmp->have - used);
	qmp->have -= used;
	qmp->seen = o ? 0 : qmp->seen + used;
	*broken |= qmp->seen > MOST_BYTES;
	return o;
}

/* 0, or -1 and errno, ETIMEDOUT at @deadline */
static int wait_ready(int fd, short events, double deadline)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	double left;
	int n;

	/* Also where there is always something to read */
	do {
		left = deadline - now_ms();
		n = left > 0 ? poll(&pfd, 1, left) : 0;
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

static bool try_again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static int read_some(struct qmp *qmp, double deadline)
{
	ssize_t n;

	do {
		if (wait_ready(qmp->fd, POLLIN, deadline))
			return -1;
		n = recv(qmp->fd, qmp->buf + qmp->have,
			 sizeof(qmp->buf) - qmp->have, MSG_DONTWAIT);
	} while (n < 0 && try_again());
	if (n == 0)
		errno = EPIPE;
	if (n <= 0)
		return -1;
	qmp->have += n;
	return 0;
}

/* Next message before @deadline, or NULL and errno, as ETIMEDOUT or EPROTO */
static struct json_object *read_message(struct qmp *qmp, double deadline)
{
	struct json_object *o;
	bool broken;

	for (;;) {
		if (qmp->have) {
			o = parse_some(qmp, &broken);
			if (o)
				return o;
			if (broken) {
				errno = EPROTO;
				return NULL;
			}
		}
		if (read_some(qmp, deadline))
			return NULL;
	}
}

static const char *get_string(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ?
	       json_object_get_string(value) : NULL;
}

static int send_text(struct qmp *qmp, const char *text, double deadline)
{
	size_t left = strlen(text);
	ssize_t n;

	while (left) {
		if (wait_ready(qmp->fd, POLLOUT, deadline))
			return -1;
		n = send(qmp->fd, text, left, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && try_again())
			continue;
		if (n < 0)
			return -1;
		text += n;
		left -= n;
	}
	return 0;
}

static int send_command(struct qmp *qmp, const char *command,
			struct json_object *args, double deadline)
{
	struct json_object *o = json_object_new_object();
	int ret;

	json_object_object_add(o, "execute", json_object_new_string(command));
	if (args)
		json_object_object_add(o, "arguments", args);
	ret = send_text(qmp, json_object_to_json_string(o), deadline);
	json_object_put(o);
	return ret;
}

static struct json_object *lost(struct qmp *qmp, const char *command,
				struct problem *p)
{
	if (qmp->failed == ETIMEDOUT)
		problem(p, EXIT_FAILED, "the VMM may be stopped or busy",
			"QEMU does not answer %s", command);
	else
		problem(p, EXIT_FAILED, NULL, "QEMU hung up during %s: %s",
			command, strerror(qmp->failed));
	return NULL;
}

/* The "return" of a reply, or NULL and its error as a problem */
static struct json_object *unwrap(struct json_object *reply,
				  const char *command, struct problem *p)
{
	struct json_object *value = NULL, *err;
	const char *desc = NULL;

	/* No command of ours returns null. */
	if (json_object_object_get_ex(reply, "return", &value) && value) {
		json_object_get(value);
	} else {
		if (json_object_object_get_ex(reply, "error", &err))
			desc = get_string(err, "desc");
		problem(p, EXIT_FAILED, NULL, "QEMU refused %s: %s", command,
			desc ? desc : "no reason given");
	}
	json_object_put(reply);
	return value;
}

/* The device that an event is about, NULL none */
static const char *event_device(struct json_object *event)
{
	struct json_object *data;

	return json_object_object_get_ex(event, "data", &data) ?
	       get_string(data, "device") : NULL;
}

/* Takes it over. A VMM that sends events without end shall not fill our memory. */
static void keep_event(struct qmp *qmp, struct json_object *event)
{
	if (event_device(event) &&
	    json_object_array_length(qmp->events) < MOST_EVENTS)
		json_object_array_add(qmp->events, event);
	else
		json_object_put(event);
}

/* Past the events, which are kept */
static struct json_object *read_reply(struct qmp *qmp, double deadline)
{
	struct json_object *o;

	while ((o = read_message(qmp, deadline)) && get_string(o, "event"))
		keep_event(qmp, o);
	return o;
}

struct json_object *qmp_call(struct qmp *qmp, const char *command,
			     struct json_object *args, struct problem *p)
{
	double deadline = now_ms() + REPLY_MS;
	struct json_object *o = NULL;

	if (qmp->failed) {
		json_object_put(args);
		return lost(qmp, command, p);
	}
	if (!send_command(qmp, command, args, deadline))
		o = read_reply(qmp, deadline);
	if (o)
		return unwrap(o, command, p);
	qmp->failed = errno;
	return lost(qmp, command, p);
}

/* Takes the first kept event about @device out of the queue. */
static const char *kept_event(struct qmp *qmp, const char *device)
{
	size_t i, nr = json_object_array_length(qmp->events);

	for (i = 0; i < nr; i++) {
		struct json_object *o = json_object_array_get_idx(qmp->events, i);

		if (strcmp(event_device(o), device))
			continue;
		copy_str(qmp->name, sizeof(qmp->name), get_string(o, "event"));
		json_object_array_del_idx(qmp->events, i, 1);
		return qmp->name;
	}
	return NULL;
}

const char *qmp_wait_device(struct qmp *qmp, const char *device, int ms)
{
	double deadline = now_ms() + ms;
	struct json_object *o;
	const char *name;

	while (!(name = kept_event(qmp, device))) {
		o = read_message(qmp, deadline);
		if (!o)
			return NULL;
		if (get_string(o, "event"))
			keep_event(qmp, o);
		else
			json_object_put(o);
	}
	return name;
}

static int no_greeting(struct problem *p)
{
	if (errno == ETIMEDOUT)
		return problem(p, EXIT_REFUSED,
			       "start QEMU with a second -qmp socket and give it with --qmp PATH, or end what uses this one",
			       "QEMU's QMP socket does not answer: another client holds the QMP monitor, e.g. libvirt, or QEMU is stopped");
	return problem(p, EXIT_REFUSED, NULL,
		       "QEMU's QMP socket gives no QMP greeting: %s",
		       strerror(errno));
}

static int greet(struct qmp *qmp, struct problem *p)
{
	struct json_object *o = read_message(qmp, now_ms() + GREETING_MS);

	if (!o)
		return no_greeting(p);
	json_object_put(o);
	o = qmp_call(qmp, "qmp_capabilities", NULL, p);
	if (!o)
		return -1;
	json_object_put(o);
	return 0;
}

/* On a connected socket, which it takes over */
struct qmp *qmp_attach_fd(int fd, struct problem *p)
{
	struct qmp *qmp = calloc(1, sizeof(*qmp));

	if (!qmp) {
		close(fd);
		problem(p, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
		return NULL;
	}
	qmp->fd = fd;
	qmp->tok = json_tokener_new();
	qmp->events = json_object_new_array();
	if (greet(qmp, p)) {
		qmp_close(qmp);
		return NULL;
	}
	return qmp;
}

/* A blocking connect() would wait for as long as the backlog is full. */
static int connect_before(int fd, const struct sockaddr_un *addr,
			  double deadline)
{
	while (connect(fd, (const struct sockaddr *)addr, sizeof(*addr))) {
		if (!try_again())
			return -1;
		if (now_ms() >= deadline) {
			errno = ETIMEDOUT;
			return -1;
		}
		poll(NULL, 0, RETRY_MS);
	}
	return 0;
}

struct qmp *qmp_open(const char *path, struct problem *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	copy_str(addr.sun_path, sizeof(addr.sun_path), path);
	if (fd >= 0 && !connect_before(fd, &addr, now_ms() + CONNECT_MS))
		return qmp_attach_fd(fd, p);
	if (errno == ETIMEDOUT)
		no_greeting(p);
	else
		problem(p, EXIT_REFUSED, NULL,
			"cannot reach QEMU's QMP socket %s: %s", path,
			strerror(errno));
	if (fd >= 0)
		close(fd);
	return NULL;
}
