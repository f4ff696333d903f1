/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

struct Table {
        const char *const *headers;
        size_t columns;
        char **cells;
        size_t n_cells, n_allocated;
        int error;
};

int table_new(const char *const *headers, Table **ret) {
        Table *t = calloc(1, sizeof(Table));

        if (!t)
                return -ENOMEM;
        t->headers = headers;
        while (headers[t->columns])
                t->columns++;
        *ret = t;
        return 0;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i]);
        free(t->cells);
        free(t);
        return NULL;
}

static int add_cell(Table *t, const char *text) {
        int r;

        if (t->n_cells == t->n_allocated) {
                size_t n = t->n_allocated ? t->n_allocated * 2 : 64;
                char **cells = reallocarray(t->cells, n, sizeof(char *));

                if (!cells)
                        return -ENOMEM;
                t->cells = cells;
                t->n_allocated = n;
        }

        r = text_escape(text, &t->cells[t->n_cells]);
        if (r < 0)
                return r;
        t->n_cells++;
        return 0;
}

void table_add(Table *t, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        if (t->error < 0)
                return;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                t->error = -ENOMEM;
                return;
        }
        r = add_cell(t, text);
        if (r < 0)
                t->error = r;
}

static bool is_right(const Table *t, size_t column) {
        return t->headers[column][0] == '>';
}

static const char *header(const Table *t, size_t column) {
        return t->headers[column] + is_right(t, column);
}

static void print_cell(const Table *t, size_t column, const char *text, size_t width) {
        int pad = (int) (width - text_width(text));
        bool last = column + 1 == t->columns;

        if (is_right(t, column))
                printf("%*s%s", pad, "", text);
        else
                printf("%s%*s", text, last ? 0 : pad, "");
        fputc(last ? '\n' : ' ', stdout);
}

int table_print(Table *t, bool legend) {
        _cleanup_free_ size_t *widths = NULL;

        if (t->error < 0)
                return t->error;

        widths = calloc(t->columns, sizeof(size_t));
        if (!widths)
                return -ENOMEM;
        for (size_t i = 0; legend && i < t->columns; i++)
                widths[i] = text_width(header(t, i));
        for (size_t i = 0; i < t->n_cells; i++) {
                size_t w = text_width(t->cells[i]);

                if (widths[i % t->columns] < w)
                        widths[i % t->columns] = w;
        }

        for (size_t i = 0; legend && i < t->columns; i++)
                print_cell(t, i, header(t, i), widths[i]);
        for (size_t i = 0; i < t->n_cells; i++)
                print_cell(t, i % t->columns, t->cells[i], widths[i % t->columns]);
        return 0;
}
