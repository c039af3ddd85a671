// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PCI addresses as text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libkassign.h"

/* A hexadecimal field of 1 to @digits digits, up to @max, ended by @end */
static const char *field(const char *p, int digits, unsigned long max, char end,
			 unsigned long *value)
{
	size_t n = strspn(p, "0123456789abcdefABCDEF");

	if (!n || n > (size_t)digits || p[n] != end)
		return NULL;
	*value = strtoul(p, NULL, 16);
	return *value <= max ? p + n + (end != '\0') : NULL;
}

int kassign_bdf_parse(const char *text, struct kassign_bdf *bdf)
{
	unsigned long domain = 0, bus, dev, fn;
	const char *p = text, *colon = strchr(text, ':');

	if (colon && strchr(colon + 1, ':')) {
		p = field(p, 4, 0xffff, ':', &domain);
		if (!p)
			return -EINVAL;
	}
	p = field(p, 2, 0xff, ':', &bus);
	if (p)
		p = field(p, 2, 0x1f, '.', &dev);
	if (p)
		p = field(p, 1, 7, '\0', &fn);
	if (!p)
		return -EINVAL;
	*bdf = (struct kassign_bdf) { domain, bus, dev, fn };
	return 0;
}

char *kassign_bdf_str(const struct kassign_bdf *bdf, char buf[KASSIGN_BDF_LEN])
{
	snprintf(buf, KASSIGN_BDF_LEN, "%04x:%02x:%02x.%x", bdf->domain,
		 bdf->bus, bdf->dev & 0x1f, bdf->fn & 7);
	return buf;
}
