/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests as functions, each run in a process of its own, results as TAP.
 *
 *	TEST(name_says_the_promise) { ASSERT(1 + 1 == 2); }
 */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_SKIP	77

struct tap_test {
	const char *name;
	void (*fn)(void);
	struct tap_test *next;
};

void tap_add(struct tap_test *test);
int tap_main(int argc, char **argv);

#define TEST(_name)							\
	static void _name(void);					\
	__attribute__((constructor)) static void add_##_name(void)	\
	{								\
		static struct tap_test test = { #_name, _name, NULL };	\
									\
		tap_add(&test);						\
	}								\
	static void _name(void)

#define TAP_FAIL(...)							\
	do {								\
		fprintf(stderr, "# %s:%d: ", __FILE__, __LINE__);	\
		fprintf(stderr, __VA_ARGS__);				\
		fputc('\n', stderr);					\
		exit(1);						\
	} while (0)

#define ASSERT(cond)							\
	do {								\
		if (!(cond))						\
			TAP_FAIL("not true: %s", #cond);		\
	} while (0)

/* A call that answers 0 or more, or -1 with errno */
#define ASSERT_OK(call)							\
	do {								\
		if ((call) < 0)						\
			TAP_FAIL("%s: %s", #call, strerror(errno));	\
	} while (0)

#define ASSERT_EQ(a, b)							\
	do {								\
		long long _a = (long long)(a), _b = (long long)(b);	\
									\
		if (_a != _b)						\
			TAP_FAIL("%s is %lld (0x%llx), not %s, %lld (0x%llx)", \
				 #a, _a, _a, #b, _b, _b);		\
	} while (0)

#define SKIP(reason)							\
	do {								\
		fprintf(stderr, "# skip: %s\n", reason);		\
		exit(TAP_SKIP);						\
	} while (0)

#endif /* TAP_H */
