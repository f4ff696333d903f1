/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

/* Where the key is, or where it would be put. */
static size_t table_position(const Table *t, const void *key, bool *ret_found) {
        size_t low = 0, high = t->n;

        *ret_found = false;

        if (t->n > 0 && t->compare(key, t->items[t->n - 1]) > 0)
                return t->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = t->compare(key, t->items[middle]);

                if (c == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (c < 0)
                        high = middle;
                else
                        low = middle + 1;
        }

        return low;
}

void *table_find(const Table *t, const void *key) {
        bool found;
        size_t i = table_position(t, key, &found);

        return found ? t->items[i] : NULL;
}

size_t table_position_after(const Table *t, const void *key) {
        bool found;
        size_t i = table_position(t, key, &found);

        return found ? i + 1 : i;
}

int table_insert(Table *t, const void *key, void *item) {
        bool found;
        size_t i = table_position(t, key, &found);

        if (found)
                return -EEXIST;

        if (t->n == t->n_allocated) {
                size_t n = t->n_allocated ? t->n_allocated + t->n_allocated / 2 : 8;
                void **items = reallocarray(t->items, n, sizeof(void *));

                if (!items)
                        return -ENOMEM;
                t->items = items;
                t->n_allocated = n;
        }

        memmove(t->items + i + 1, t->items + i, (t->n - i) * sizeof(void *));
        t->items[i] = item;
        t->n++;
        return 0;
}

void *table_remove(Table *t, const void *key) {
        bool found;
        size_t i = table_position(t, key, &found);
        void *item;

        if (!found)
                return NULL;

        item = t->items[i];
        t->n--;
        memmove(t->items + i, t->items + i + 1, (t->n - i) * sizeof(void *));
        return item;
}

void table_done(Table *t) {
        free(t->items);
        t->items = NULL;
        t->n = t->n_allocated = 0;
}
