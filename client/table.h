/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

/* A table on the terminal. Cells are added row by row; what went wrong is kept and returned by
 * table_print(). */
typedef struct Table Table;

/* `headers` ends with NULL and stays the caller's; a header that begins with '>' makes a right-aligned
 * column. */
int table_new(const char *const *headers, Table **ret);
Table *table_free(Table *t);

void table_add(Table *t, const char *format, ...) _printf_(2, 3);

/* Unprintable characters in cells are shown escaped. */
int table_print(Table *t, bool legend);

static inline void table_freep(Table **t) {
        table_free(*t);
}
