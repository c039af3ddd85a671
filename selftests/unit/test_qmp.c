// SPDX-License-Identifier: GPL-2.0-only
/*
 * The QMP client against a scripted server: split messages, events between
 * replies, errors, silence, hang-ups, and servers that do not serve.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define OK "{\"return\": {}}\r\n"

/* ---- a clock that can go faster ---- */

static int speed = 1;

double __real_now_ms(void);
int __real_poll(struct pollfd *fds, nfds_t nr, int timeout);
double __wrap_now_ms(void);
int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout);

double __wrap_now_ms(void)
{
	return __real_now_ms() * speed;
}

int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	return __real_poll(fds, nr, timeout > 0 ? timeout / speed + 1 : timeout);
}

/* ---- the server ---- */

/*
 * What the server sends: before the first command, then after each one. '|'
 * splits a reply into separate writes; what is behind '*' is sent without end.
 */
static const char *script[8];
static int server_fd;
static pthread_t server_thread;

static void send_for_ever(const char *text)
{
	while (send(server_fd, text, strlen(text), MSG_NOSIGNAL) > 0)
		;
}

static void send_pieces(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "|*");

		if (send(server_fd, text, n, MSG_NOSIGNAL) < 0)
			return;
		text += n;
		if (*text == '*') {
			send_for_ever(text + 1);
			return;
		}
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
	speed = 1;
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

#define DELETED(id) \
	"{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"" id "\"}}"

static void events_are_kept(void **state)
{
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	script[2] = "{\"event\": \"STOP\"}" DELETED("other") OK "|" DELETED("d0");
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
	script[2] = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no room\\u001b[2J\"}}";
	script[3] = OK;
	qmp = start(&p);
	assert_null(qmp_call(qmp, "device_add", NULL, &p));
	assert_non_null(strstr(p.text, "no room?[2J"));
	assert_non_null(strstr(p.text, "device_add"));
	end(qmp);
}

/* A caller that is told of no error goes on with nothing. */
static void nothing_is_no_answer(void **state)
{
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	script[2] = "{\"return\": null}";
	script[3] = OK;
	qmp = start(&p);
	assert_non_null(qmp);
	assert_null(qmp_call(qmp, "device_add", NULL, &p));
	assert_int_equal(p.code, EXIT_FAILED);
	assert_non_null(strstr(p.text, "device_add"));
	end(qmp);
}

static void events_without_end_have_one(void **state)
{
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	script[2] = "*" DELETED("other");
	qmp = start(&p);
	assert_non_null(qmp);
	assert_null(qmp_wait_device(qmp, "d0", 50));
	speed = 100;
	assert_null(qmp_call(qmp, "test", NULL, &p));
	assert_non_null(strstr(p.text, "does not answer test"));
	assert_null(qmp_wait_device(qmp, "d0", 50));
	end(qmp);
}

static void a_message_without_end_has_one(void **state)
{
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	script[2] = "{\"return\": \"*xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	qmp = start(&p);
	assert_non_null(qmp);
	assert_null(qmp_call(qmp, "test", NULL, &p));
	assert_non_null(strstr(p.text, strerror(EPROTO)));
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
	assert_non_null(strstr(p.text, "another client holds the QMP monitor"));
	assert_non_null(strstr(p.cure, "--qmp"));
	pthread_join(server_thread, NULL);
	memset(script, 0, sizeof(script));
}

static void a_late_reply_is_nobodys(void **state)
{
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	script[2] = "||||||||||{\"return\": {\"late\": 1}}";
	script[3] = OK;
	qmp = start(&p);
	assert_non_null(qmp);
	speed = 1000;
	assert_null(qmp_call(qmp, "first", NULL, &p));
	assert_non_null(strstr(p.text, "does not answer first"));
	usleep(400000);
	assert_null(qmp_call(qmp, "second", json_object_new_object(), &p));
	assert_non_null(strstr(p.text, "does not answer second"));
	end(qmp);
}

static void a_write_has_an_end(void **state)
{
	static char much[4 << 20];
	struct json_object *args = json_object_new_object();
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	script[2] = "||||||||||||||||||||||||||||||||||||||||||||||||||";
	qmp = start(&p);
	assert_non_null(qmp);
	speed = 1000;
	memset(much, 'x', sizeof(much) - 1);
	json_object_object_add(args, "much", json_object_new_string(much));
	assert_null(qmp_call(qmp, "test", args, &p));
	assert_non_null(strstr(p.text, "does not answer test"));
	end(qmp);
}

/* ---- a socket nobody accepts from ---- */

static struct sockaddr_un full_addr = { .sun_family = AF_UNIX };
static int full_fd, waiting_fds[8];

static int connect_now(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (!connect(fd, (struct sockaddr *)&full_addr, sizeof(full_addr)))
		return fd;
	assert_int_equal(errno, EAGAIN);
	close(fd);
	return -1;
}

static int fill_backlog(void **state)
{
	int i;

	(void)state;
	snprintf(full_addr.sun_path, sizeof(full_addr.sun_path),
		 "/tmp/kassign-qmp-%d", getpid());
	full_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(full_fd, (struct sockaddr *)&full_addr, sizeof(full_addr)) ||
	    listen(full_fd, 0))
		return -1;
	for (i = 0; i < 8; i++) {
		waiting_fds[i] = connect_now();
		if (waiting_fds[i] < 0)
			return 0;
	}
	return -1;
}

static int drop_backlog(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 8 && waiting_fds[i] >= 0; i++)
		close(waiting_fds[i]);
	close(full_fd);
	return unlink(full_addr.sun_path);
}

static void a_full_backlog_is_told(void **state)
{
	struct problem p = { 0 };

	(void)state;
	speed = 10;
	assert_null(qmp_open(full_addr.sun_path, &p));
	speed = 1;
	assert_int_equal(p.code, EXIT_REFUSED);
	assert_non_null(strstr(p.text, "another client holds the QMP monitor"));
	assert_non_null(strstr(p.cure, "--qmp"));
}

/* Those that wait get nothing, the last one gets the script. */
static void *serve_the_last(void *arg)
{
	int i;

	usleep(300000);
	for (i = 0; waiting_fds[i] >= 0; i++)
		close(accept(full_fd, NULL, NULL));
	server_fd = accept(full_fd, NULL, NULL);
	return serve(arg);
}

static void a_full_backlog_is_tried_again(void **state)
{
	struct problem p = { 0 };
	struct qmp *qmp;

	(void)state;
	script[0] = GREETING;
	script[1] = OK;
	pthread_create(&server_thread, NULL, serve_the_last, NULL);
	qmp = qmp_open(full_addr.sun_path, &p);
	assert_non_null(qmp);
	end(qmp);
}

static void nobody_there_is_told(void **state)
{
	struct problem p = { 0 };

	(void)state;
	assert_null(qmp_open("/tmp/kassign-nobody-there", &p));
	assert_non_null(strstr(p.text, "No such file"));
}

#define FULL_TEST(fn) cmocka_unit_test_setup_teardown(fn, fill_backlog, drop_backlog)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_and_pieces),
		cmocka_unit_test(events_are_kept),
		cmocka_unit_test(errors_are_told),
		cmocka_unit_test(nothing_is_no_answer),
		cmocka_unit_test(events_without_end_have_one),
		cmocka_unit_test(a_message_without_end_has_one),
		cmocka_unit_test(a_hang_up_is_told),
		cmocka_unit_test(garbage_is_no_greeting),
		cmocka_unit_test(silence_is_no_greeting),
		cmocka_unit_test(a_late_reply_is_nobodys),
		cmocka_unit_test(a_write_has_an_end),
		FULL_TEST(a_full_backlog_is_told),
		FULL_TEST(a_full_backlog_is_tried_again),
		cmocka_unit_test(nobody_there_is_told),
	};

	/* What is tested is that nothing waits for ever. */
	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
