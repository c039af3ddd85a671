// SPDX-License-Identifier: GPL-2.0-only
#include <unistd.h>

#include "mirror.h"
#include "tap.h"

#define BLIND	"/sys/module/kassign/parameters/fault_blind"

struct kassign_guest_status status(struct rig *rig)
{
	struct kassign_guest_status st;

	ASSERT_EQ(kassign_guest_get_status(rig->guest, &st), 0);
	return st;
}

bool reaches(struct rig *rig, uint64_t gpa, volatile unsigned char *hva)
{
	unsigned char *src = vmm_ptr(&rig->vmm, 0x400000);

	memset(src, 0x5a, 16);
	*hva = 0;
	edu_dma(rig->dev, 0x400000, 16, false);
	edu_dma(rig->dev, gpa, 16, true);
	return *hva == 0x5a;
}

struct findings check_mirror(struct rig *rig)
{
	unsigned int id = status(rig).guest_id, guest;
	struct findings f = { };
	bool found = false;
	int told = 0;
	char line[256];
	FILE *file;

	file = fopen("/sys/kernel/debug/kassign/mirror", "r");
	ASSERT(file);
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, " stale gpa ") && told++ < 3)
			fprintf(stderr, "# %s", line);
		if (sscanf(line, "guest %u pages %llu stale %llu missing %llu extra %llu",
			   &guest, &f.pages, &f.stale, &f.missing, &f.extra) == 5 &&
		    guest == id) {
			found = true;
			break;
		}
	}
	ASSERT_EQ(ferror(file), 0);
	fclose(file);
	ASSERT(found);
	return f;
}

void expect_exact(struct rig *rig)
{
	struct findings f = check_mirror(rig);

	ASSERT_EQ(f.pages * 4096, status(rig).mapped_bytes);
	ASSERT_EQ(f.stale, 0);
	ASSERT_EQ(f.missing, 0);
	ASSERT_EQ(f.extra, 0);
}

bool mirror_blind(bool on)
{
	if (access(BLIND, F_OK))
		return false;
	ASSERT_EQ(host_put(BLIND, on ? "1" : "0"), 0);
	return true;
}

void expect_exact_soon(struct rig *rig)
{
	struct findings f;
	int i;

	for (i = 0; i < 100; i++) {
		f = check_mirror(rig);
		if (!f.missing && !f.extra)
			break;
		usleep(10000);
	}
	expect_exact(rig);
}
