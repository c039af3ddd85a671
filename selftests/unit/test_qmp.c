// SPDX-License-Identifier: GPL-2.0-only
/*
 * The QMP client against a scripted server: split messages, events between
 * replies, errors, silence, hang-ups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define OK "{\"return\": {}}\r\n"

/* What the server sends: before the first command, then after each one. '|'
 * splits a reply into separate writes. */
static const char *script[8];
static int server_fd;
static pthread_t server_thread;

static void send_pieces(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "|");

		if (send(server_fd, text, n, MSG_NOSIGNAL) < 0)
			return;
		text += n;
		if (*text) {
			text++;
			usleep(20000);
		}
	}
}

static void *serve(void *arg)
{
	char buf[4096];
	int i;

	(void)arg;
	for (i = 0; script[i]; i++) {
		send_pieces(script[i]);
		if (recv(server_fd, buf, sizeof(buf), 0) <= 0)
			break;
	}
	close(server_fd);
	return NULL;
}

static struct qmp *start(struct problem *p)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	server_fd = pair[1];
	pthread_create(&server_thread, NULL, serve, NULL);
	return qmp_attach_fd(pair[0], p);
}

static void end(struct qmp *qmp)
{
	qmp_close(qmp);
	pthread_join(server_thread, NULL);
	memset(script, 0, sizeof(script));
}

static void replies_and_pieces(void **state)
{
	struct problem p = { 0 };
	struct json_object *o;
	struct qmp *qmp;

	(void)state;
	script[0] = "{\"QM|P\": {}}\r|\n";
	script[1] = OK;
	script[2] = "{\"retu|rn\": {\"x\"|: 7}}\r\n";
	script[3] = OK;
	qmp = start(&p);
	assert_non_null(qmp);
	o = qmp_call(qmp, "test", NULL, &p);
	assert_non_null(o);
	assert_int_equal(json_object_get_int(json_object_object_get(o, "x")), 7);
	json_object_put(o);
	end(qmp);
}

static void events_are_kept(void **state)
{
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	script[2] = "{\"event\": \"STOP\"}{\"event\": \"DEVICE_DELETED\", \"data\": "
		    "{\"device\": \"other\"}}" OK
		    "|{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"d0\"}}";
	script[3] = OK;
	qmp = start(&p);
	assert_non_null(qmp);
	json_object_put(qmp_call(qmp, "device_del", NULL, &p));
	assert_string_equal(qmp_wait_device(qmp, "d0", 2000), "DEVICE_DELETED");
	assert_string_equal(qmp_wait_device(qmp, "other", 0), "DEVICE_DELETED");
	assert_null(qmp_wait_device(qmp, "d0", 50));
	end(qmp);
}

static void errors_are_told(void **state)
{
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	script[2] = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no room\"}}";
	script[3] = OK;
	qmp = start(&p);
	assert_null(qmp_call(qmp, "device_add", NULL, &p));
	assert_non_null(strstr(p.text, "no room"));
	assert_non_null(strstr(p.text, "device_add"));
	end(qmp);
}

static void a_hang_up_is_told(void **state)
{
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	qmp = start(&p);
	assert_non_null(qmp);
	assert_null(qmp_call(qmp, "anything", NULL, &p));
	assert_non_null(strstr(p.text, "hung up"));
	end(qmp);
}

static void garbage_is_no_greeting(void **state)
{
	struct problem p = { 0 };

	(void)state;
	script[0] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	assert_null(start(&p));
	assert_int_equal(p.code, EXIT_REFUSED);
	pthread_join(server_thread, NULL);
	memset(script, 0, sizeof(script));
}

static void silence_is_no_greeting(void **state)
{
	struct problem p = { 0 };

	(void)state;
	script[0] = "";
	assert_null(start(&p));
	assert_non_null(strstr(p.text, "does not answer"));
	pthread_join(server_thread, NULL);
	memset(script, 0, sizeof(script));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_and_pieces),
		cmocka_unit_test(events_are_kept),
		cmocka_unit_test(errors_are_told),
		cmocka_unit_test(a_hang_up_is_told),
		cmocka_unit_test(garbage_is_no_greeting),
		cmocka_unit_test(silence_is_no_greeting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
