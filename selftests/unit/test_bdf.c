// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI addresses as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkassign.h"

static void good(void **state)
{
	static const char * const texts[][2] = {
		{ "0000:01:00.0", "0000:01:00.0" },
		{ "01:00.0", "0000:01:00.0" },
		{ "1:2.3", "0000:01:02.3" },
		{ "abcd:FE:1f.7", "abcd:fe:1f.7" },
	};
	struct kassign_bdf bdf;
	char buf[KASSIGN_BDF_LEN];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(kassign_bdf_parse(texts[i][0], &bdf), 0);
		assert_string_equal(kassign_bdf_str(&bdf, buf), texts[i][1]);
	}
}

static void bad(void **state)
{
	static const char * const texts[] = {
		"", ":", "eth0", "01:00", "01:00.8", "01:20.0", "100:00.0",
		"00000:01:00.0", "0000:01:00.0x", "0000:01:00.0 ", " 01:00.0",
		"01:00.00", "-1:00.0", "0x1:00.0", "0000:01:00.", "a:b:c:d.0",
	};
	struct kassign_bdf bdf;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (kassign_bdf_parse(texts[i], &bdf) >= 0)
			fail_msg("'%s' was taken", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
