// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host.h"
#include "tap.h"
#include "witness.h"

/* ---- memory ---- */

static uint64_t pattern_word(const struct area *area, size_t index)
{
	uint64_t x = (index + (uintptr_t)area->p) * 0x9e3779b97f4a7c15ULL;

	x = ((x ^ x >> 29) & 0x3e3e3e3e3e3e3e3eULL) | 0x0202020202020202ULL;
	return area->pattern == PATTERN_MINE ? x | 0x4040404040404040ULL : x;
}

unsigned char area_byte(const struct area *area, const void *p)
{
	size_t off = (const unsigned char *)p - area->p;

	return pattern_word(area, off / 8) >> (off % 8 * 8);
}

void area_repair(const struct area *area, void *p, size_t len)
{
	unsigned char *b = p;

	while (len--) {
		*b = area_byte(area, b);
		b++;
	}
}

void area_init(struct area *area, const char *name, void *p, size_t size,
	       enum pattern pattern)
{
	uint64_t *word = p;
	size_t i;

	*area = (struct area) { name, p, size, pattern, NULL };
	for (i = 0; i < size / 8; i++)
		word[i] = pattern_word(area, i);
}

long area_changed(const struct area *area)
{
	const volatile uint64_t *word = (const volatile uint64_t *)area->p;
	long changed = 0;
	size_t i, j;

	for (i = 0; i < area->size / 8; i++) {
		uint64_t diff = word[i] ^ pattern_word(area, i);

		if (!diff)
			continue;
		if (!changed)
			fprintf(stderr, "# %s: changed at 0x%zx of 0x%zx\n",
				area->name, i * 8, area->size);
		for (j = 0; j < 8; j++)
			changed += (diff >> (8 * j) & 0xff) != 0;
	}
	return changed;
}

long area_locate(struct area *area)
{
	size_t pages = area->size / 4096, i;
	uint64_t *entry = malloc(pages * 8);
	int fd = open("/proc/self/pagemap", O_RDONLY);
	long moved = 0;

	ASSERT(fd >= 0 && entry);
	if (!area->hpa)
		area->hpa = calloc(pages, 8);
	ASSERT_EQ(pread(fd, entry, pages * 8, (uintptr_t)area->p / 4096 * 8),
		  pages * 8);
	for (i = 0; i < pages; i++) {
		uint64_t hpa = (entry[i] & ((1ULL << 55) - 1)) * 4096;

		ASSERT(entry[i] >> 63 && hpa);
		moved += area->hpa[i] != hpa;
		area->hpa[i] = hpa;
	}
	close(fd);
	free(entry);
	return moved;
}

void area_make(struct area *area, const char *name, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
	ASSERT_OK(mlock(p, size));
	area_init(area, name, p, size, PATTERN_THEIRS);
	area_locate(area);
}

void area_free(struct area *area)
{
	munmap(area->p, area->size);
	free(area->hpa);
}

/* ---- the kernel log ---- */

void klog_open(struct klog *log)
{
	memset(log, 0, sizeof(*log));
	log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	ASSERT(log->fd >= 0);
	lseek(log->fd, 0, SEEK_END);
}

static void klog_line(struct klog *log, const char *line)
{
	const char *suppressed = strstr(line, "dmar_fault: ");

	log->faults += strstr(line, "DMAR: [DMA") || strstr(line, "IO_PAGE_FAULT");
	log->remaps += !!strstr(line, "[INTR-REMAP]");
	log->stray += strstr(line, "nobody cared") ||
		      strstr(line, "No irq handler for vector") ||
		      strstr(line, "unexpected IRQ") ||
		      strstr(line, "purious interrupt");
	if (suppressed)
		log->suppressed += atol(strchr(suppressed, ':') + 1);
}

void klog_read(struct klog *log)
{
	char line[8192];
	ssize_t n;

	for (;;) {
		n = read(log->fd, line, sizeof(line) - 1);
		if (n < 0 && errno == EPIPE)	/* overwritten: go on */
			continue;
		if (n <= 0)
			return;
		line[n] = '\0';
		klog_line(log, line);
	}
}

void klog_expect_faults(const struct klog *log)
{
	ASSERT(log->faults > 0 || host_has_qemus_amd_iommu());
}

/* ---- interrupts ---- */

static bool parse_line(char *text, struct irq_line *line)
{
	char *at = strchr(text, ':'), *end;

	if (!at)
		return false;
	line->count = 0;
	for (end = at + 1;; at = end) {
		uint64_t n = strtoull(at + 1, &end, 10);

		if (end == at + 1 || (*end && !isspace(*end)))
			break;
		line->count += n;
	}
	text[strcspn(text, ":")] = '\0';
	snprintf(line->text, sizeof(line->text), "%s %s",
		 text + strspn(text, " "), at + 1 + strspn(at + 1, " "));
	line->text[strcspn(line->text, "\n")] = '\0';
	return true;
}

void irq_lines_read(struct irq_lines *lines)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char text[4096];

	ASSERT(f);
	lines->nr = 0;
	while (lines->nr < MAX_LINES && fgets(text, sizeof(text), f))
		lines->nr += parse_line(text, &lines->line[lines->nr]);
	fclose(f);
	ASSERT(lines->nr > 8);
}

uint64_t irq_lines_iommu(const struct irq_lines *lines)
{
	uint64_t count = 0;
	int i;

	for (i = 0; i < lines->nr; i++)
		if (strstr(lines->line[i].text, "dmar") ||
		    strstr(lines->line[i].text, "AMD-Vi"))
			count += lines->line[i].count;
	return count;
}

/* What goes on in any running host, and the interrupt that reports faults */
static bool expected(const char *text)
{
	static const char * const starts[] = {
		"LOC ", "RES ", "CAL ", "TLB ", "IWI ", "RTR ", "MCP ", "HYP ",
	};
	static const char * const parts[] = {
		"dmar", "AMD-Vi", "virtio", "timer", "hpet", "rtc", "acpi",
		"ttyS",
	};
	size_t i;

	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (!strncmp(text, starts[i], strlen(starts[i])))
			return true;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strstr(text, parts[i]))
			return true;
	return false;
}

int irq_lines_strange(const struct irq_lines *before,
		      const struct irq_lines *after)
{
	int i, j, strange = 0;

	for (i = 0; i < after->nr; i++) {
		uint64_t was = 0;

		for (j = 0; j < before->nr; j++)
			if (!strcmp(before->line[j].text, after->line[i].text))
				was = before->line[j].count;
		if (after->line[i].count == was || expected(after->line[i].text))
			continue;
		fprintf(stderr, "# interrupts of \"%s\": %lu more\n",
			after->line[i].text, after->line[i].count - was);
		strange++;
	}
	return strange;
}
