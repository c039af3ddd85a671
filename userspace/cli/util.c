// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small things everybody needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

int problem(struct problem *p, int code, const char *cure, const char *fmt, ...)
{
	va_list args;

	p->code = code;
	va_start(args, fmt);
	vsnprintf(p->text, sizeof(p->text), fmt, args);
	va_end(args);
	make_printable(p->text);
	copy_str(p->cure, sizeof(p->cure), cure ? cure : "");
	return -1;
}

void print_object(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static void print_text(const struct problem *p, const char *prefix)
{
	fprintf(stderr, "kassign: %s%s\n", prefix, p->text);
	if (p->cure[0])
		fprintf(stderr, "  %s\n", p->cure);
}

static struct json_object *problem_object(const struct problem *p, const char *key)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, key, json_object_new_string(p->text));
	json_object_object_add(o, "cure", json_object_new_string(p->cure));
	return o;
}

void problem_print(const struct problem *p, bool json)
{
	struct json_object *o;

	if (!json) {
		print_text(p, "");
		return;
	}
	o = problem_object(p, "error");
	json_object_object_add(o, "exit", json_object_new_int(p->code));
	print_object(o);
}

void problem_warn(const struct problem *p, bool json)
{
	if (json)
		print_object(problem_object(p, "warning"));
	else
		print_text(p, "warning: ");
}

/* Bytes of the control character there, 0 none: C0 but for the line feed, DEL, C1 in UTF-8 */
static int control_len(const unsigned char *c)
{
	if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
		return 2;
	return (*c < 0x20 && *c != '\n') || *c == 0x7f;
}

void make_printable(char *text)
{
	for (; *text; text++)
		memset(text, '?', control_len((unsigned char *)text));
}

void copy_str(char *to, size_t len, const char *from)
{
	snprintf(to, len, "%s", from);
}

int read_text(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

/* QEMU allows letters, digits, '-', '.' and '_'. */
void qdev_id_prefix(const char *bdf, char id[NAME_LEN])
{
	char *c;

	snprintf(id, NAME_LEN, "kassign-%s-", bdf);
	for (c = id; *c; c++)
		if (*c == ':' || *c == '.')
			*c = '-';
}
