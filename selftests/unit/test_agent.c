// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent's sandbox, tried from within, and its reading of the kernel log.
 * Needs root, as the agent does before it enters the sandbox.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kassign.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "sandbox.h"

/* ---- what goes on in the sandbox; a return value is the exit code ---- */

static int pair[2];

/* What an agent does all day */
static int work(void)
{
	struct pollfd pfd = { .fd = pair[0], .events = POLLIN };
	char c;
	void *p;

	if (send(pair[1], "x", 1, MSG_NOSIGNAL) != 1 || poll(&pfd, 1, 100) != 1 ||
	    recv(pair[0], &c, 1, 0) != 1)
		return 1;
	p = malloc(1 << 20);
	if (!p)
		return 2;
	free(p);
	/* kassign's ioctls pass the filter; the socket does not know them. */
	if (ioctl(pair[0], KASSIGN_DEVICE_GET_INFO, NULL) != -1)
		return 3;
	return 0;
}

static int open_a_file(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static int run_a_program(void)
{
	return execl("/bin/true", "true", NULL);
}

static int make_a_process(void)
{
	return fork() >= 0;
}

static int make_a_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static int other_ioctls(void)
{
	return ioctl(pair[0], FIONREAD, NULL);
}

static int executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static int become_root(void)
{
	return setuid(0) == 0;
}

static int trace_the_parent(void)
{
	return ptrace(PTRACE_ATTACH, 1, NULL, NULL) == 0;
}

static int mount_something(void)
{
	return chroot("/") == 0;
}

static int kill_the_parent(void)
{
	return kill(1, 0);
}

/* ---- a child that enters it ---- */

static int in_sandbox(int (*fn)(void))
{
	const char *why;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = { 0 };

		setrlimit(RLIMIT_CORE, &none);
		_exit(sandbox_enter(&why) ? 99 : fn());
	}
	waitpid(pid, &status, 0);
	return status;
}

static void work_is_possible(void **state)
{
	int status = in_sandbox(work);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void all_else_is_the_end(void **state)
{
	static int (*const tries[])(void) = {
		open_a_file, run_a_program, make_a_process, make_a_socket,
		other_ioctls, executable_memory, become_root, trace_the_parent,
		mount_something, kill_the_parent,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		int status = in_sandbox(tries[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

/* What /proc tells of a sandboxed process, from outside */
static void what_is_left(void **state)
{
	char path[64], text[4096] = "";
	const char *why;
	int ready[2], fd;
	ssize_t n = -1;
	pid_t pid;
	char c;

	(void)state;
	if (pipe(ready)) {
		fail_msg("no pipe");
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (sandbox_enter(&why))
			_exit(1);
		close(ready[1]);
		for (;;)
			poll(NULL, 0, 1000);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	assert_true(n > 0);
	assert_non_null(strstr(text, "Uid:\t65534\t65534\t65534\t65534"));
	assert_non_null(strstr(text, "Gid:\t65534\t65534\t65534\t65534"));
	assert_non_null(strstr(text, "Groups:\t \n"));
	assert_non_null(strstr(text, "CapInh:\t0000000000000000"));
	assert_non_null(strstr(text, "CapPrm:\t0000000000000000"));
	assert_non_null(strstr(text, "CapEff:\t0000000000000000"));
	assert_non_null(strstr(text, "CapBnd:\t0000000000000000"));
	assert_non_null(strstr(text, "CapAmb:\t0000000000000000"));
	assert_non_null(strstr(text, "NoNewPrivs:\t1"));
	assert_non_null(strstr(text, "Seccomp:\t2"));
	snprintf(path, sizeof(path), "/proc/%d/root/etc", pid);
	assert_int_equal(access(path, F_OK), -1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- the kernel log ---- */

static void faults_are_read(void **state)
{
	const struct kassign_bdf ours = { 0, 4, 0, 0 }, last = { 1, 10, 0x1f, 7 };
	uint64_t addr = 0;

	(void)state;
	assert_true(faults_parse("3,1,2,-;DMAR: [DMA Write NO_PASID] Request device [04:00.0] fault addr 0x12345000 [fault reason 0x05] PTE Write access is not set",
				 &ours, &addr));
	assert_int_equal(addr, 0x12345000);
	assert_true(faults_parse("DMAR: [DMA Read] Request device [0a:1f.7] fault addr 0xfff0000000000 [fault reason 06]",
				 &last, &addr));
	assert_int_equal(addr, 0xfff0000000000);
	/* as 7.3 has it */
	assert_true(faults_parse("DMAR: [DMA Write NO_PASID] Request device [0000:04:00.0] fault addr 0x7654321000 [fault reason 0x05] PTE Write access is not set",
				 &ours, &addr));
	assert_int_equal(addr, 0x7654321000);
	assert_true(faults_parse("DMAR: [DMA Read] Request device [0001:0a:1f.7] fault addr 0x1",
				 &last, &addr));
	/* somebody else's, whose address is not ours; what no guest could have made up */
	addr = 0x5000;
	assert_false(faults_parse("DMAR: [DMA Write NO_PASID] Request device [04:00.1] fault addr 0x1",
				  &ours, &addr));
	assert_false(faults_parse("DMAR: [DMA Write NO_PASID] Request device [0001:04:00.0] fault addr 0x1",
				  &ours, &addr));
	assert_false(faults_parse("DMAR: [DMA Write NO_PASID] Request device [0000:05:00.0] fault addr 0x1",
				  &ours, &addr));
	assert_false(faults_parse("DMAR: DRHD: handling fault status reg 2", &ours,
				  &addr));
	assert_false(faults_parse("Request device [04:00.0] fault addr 0x1", &ours,
				  &addr));
	assert_false(faults_parse("", &ours, &addr));
	assert_int_equal(addr, 0x5000);
}

static int setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_is_possible),
		cmocka_unit_test(all_else_is_the_end),
		cmocka_unit_test(what_is_left),
		cmocka_unit_test(faults_are_read),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
