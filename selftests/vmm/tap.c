// SPDX-License-Identifier: GPL-2.0-only
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define TIME_LIMIT 120	/* seconds a test; $TEST_TIME_LIMIT otherwise */

static struct tap_test *first, **last = &first;

void tap_add(struct tap_test *test)
{
	*last = test;
	last = &test->next;
}

static int run(const struct tap_test *test)
{
	const char *limit = getenv("TEST_TIME_LIMIT");
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(limit ? atoi(limit) : TIME_LIMIT);
		test->fn();
		exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("# %s: ended by signal %d%s\n", test->name, WTERMSIG(status),
		       WTERMSIG(status) == SIGALRM ? ", its time limit" : "");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int tap_main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;
	const char *program = strrchr(argv[0], '/');
	struct tap_test *test;
	int nr = 0, failed = 0, code;

	program = program ? program + 1 : argv[0];
	setvbuf(stdout, NULL, _IONBF, 0);
	puts("TAP version 13");
	for (test = first; test; test = test->next) {
		if (only && strcmp(only, test->name))
			continue;
		code = run(test);
		if (code && code != TAP_SKIP)
			failed++;
		printf("%sok %d - %s: %s%s\n",
		       code && code != TAP_SKIP ? "not " : "", ++nr, program,
		       test->name, code == TAP_SKIP ? " # SKIP" : "");
	}
	printf("1..%d\n", nr);
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	return tap_main(argc, argv);
}
