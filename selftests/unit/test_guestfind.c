// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU command lines: the guest's name and its QMP socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define PARSE(guest, args) guest_parse_cmdline(guest, args, sizeof(args))

static void names(void **state)
{
	struct guest g = { 0 };

	(void)state;
	PARSE(&g, "qemu\0-name\0web01\0-m\0001G");
	assert_string_equal(g.name, "web01");
	PARSE(&g, "qemu\0-name\0web02,debug-threads=on");
	assert_string_equal(g.name, "web02");
	PARSE(&g, "qemu\0-name\0guest=web03,debug-threads=on");
	assert_string_equal(g.name, "web03");
	PARSE(&g, "qemu\0--name\0debug-threads=on,guest=a,,b");
	assert_string_equal(g.name, "a,b");
	PARSE(&g, "qemu\0-name\0guest=\033[2Jw\303\251b\302\2331m");
	assert_string_equal(g.name, "?[2Jw\303\251b??1m");
}

static void qmp_option(void **state)
{
	struct guest g = { 0 };

	(void)state;
	PARSE(&g, "qemu\0-qmp\0unix:/run/a.sock,server=on,wait=off");
	assert_string_equal(g.qmp, "/run/a.sock");
	memset(&g, 0, sizeof(g));
	PARSE(&g, "qemu\0-qmp-pretty\0unix:/run/b.sock");
	assert_string_equal(g.qmp, "/run/b.sock");
	memset(&g, 0, sizeof(g));
	PARSE(&g, "qemu\0-qmp\0tcp:localhost:4444");
	assert_string_equal(g.qmp, "");
}

static void qmp_chardev(void **state)
{
	struct guest g = { 0 };

	(void)state;
	PARSE(&g, "qemu\0-chardev\0socket,id=other,path=/o\0"
		  "-chardev\0socket,id=mon0,path=/run/c.sock,server=on\0"
		  "-mon\0chardev=mon0,id=monitor,mode=control");
	assert_string_equal(g.qmp, "/run/c.sock");
	memset(&g, 0, sizeof(g));
	PARSE(&g, "qemu\0-chardev\0socket,id=m,path=/x\0-mon\0m,mode=readline");
	assert_string_equal(g.qmp, "");
	memset(&g, 0, sizeof(g));
	PARSE(&g, "qemu\0-mon\0chardev=m,mode=control\0-chardev\0socket,path=/y,id=m");
	assert_string_equal(g.qmp, "/y");
}

static void odd_ends(void **state)
{
	struct guest g = { 0 };

	(void)state;
	PARSE(&g, "qemu\0-name");
	PARSE(&g, "");
	PARSE(&g, "-qmp\0");
	PARSE(&g, "qemu\0-mon\0chardev=,mode=control");
	assert_string_equal(g.name, "");
	assert_string_equal(g.qmp, "");
}

static void long_values_are_cut(void **state)
{
	char args[1024] = "qemu\0-name\0";
	struct guest g = { 0 };

	(void)state;
	memset(args + 11, 'x', sizeof(args) - 12);
	guest_parse_cmdline(&g, args, sizeof(args));
	assert_int_equal(strlen(g.name), NAME_LEN - 1);
}

static void own_process(void **state)
{
	(void)state;
	assert_true(guest_alive(getpid(), proc_start(getpid())));
	assert_false(guest_alive(getpid(), proc_start(getpid()) + 1));
	assert_false(guest_alive(0, 0));
	assert_true(proc_start(0x7ffffff) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(qmp_option),
		cmocka_unit_test(qmp_chardev),
		cmocka_unit_test(odd_ends),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(own_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
