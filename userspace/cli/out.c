// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows of values as a table or as JSON, from the same objects.
 */
#include <stdarg.h>
#include <string.h>

#include "cli.h"

#define MAX_COLUMNS	16

void print_done(bool json, const char *result, const char *fmt, ...)
{
	struct json_object *o;
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!json) {
		puts(text);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "result", json_object_new_string(result));
	json_object_object_add(o, "note", json_object_new_string(text));
	print_object(o);
}

static const char *cell(struct json_object *row, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(row, key, &value) || !value)
		return "-";
	return json_object_get_string(value);
}

static void widen(size_t *width, const char *text)
{
	if (strlen(text) > *width)
		*width = strlen(text);
}

static void print_table(struct json_object *rows, const struct column *columns)
{
	size_t width[MAX_COLUMNS] = { 0 }, i, j;
	size_t nr = json_object_array_length(rows);

	for (j = 0; columns[j].key; j++) {
		widen(&width[j], columns[j].title);
		for (i = 0; i < nr; i++)
			widen(&width[j],
			      cell(json_object_array_get_idx(rows, i),
				   columns[j].key));
	}
	for (j = 0; columns[j].key; j++)
		printf("%-*s%s", columns[j + 1].key ? (int)width[j] : 0,
		       columns[j].title, columns[j + 1].key ? "  " : "\n");
	for (i = 0; i < nr; i++)
		for (j = 0; columns[j].key; j++)
			printf("%-*s%s", columns[j + 1].key ? (int)width[j] : 0,
			       cell(json_object_array_get_idx(rows, i),
				    columns[j].key),
			       columns[j + 1].key ? "  " : "\n");
}

void print_rows(struct json_object *rows, const struct column *columns,
		bool json)
{
	if (json)
		puts(json_object_to_json_string_ext(rows,
						    JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_table(rows, columns);
	json_object_put(rows);
}
