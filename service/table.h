/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* A sorted array of pointers: found in O(log n), walked in order, 8 to 16 bytes an item. Indexes and ids only grow,
 * so that nearly every insertion is an append; a removal moves at most a few pages. The items stay the caller's. */

typedef int (*table_compare_t)(const void *key, const void *item);

typedef struct Table {
        void **items;
        size_t n, n_allocated;
        table_compare_t compare;
} Table;

/* The item of that key, or NULL. */
void *table_find(const Table *t, const void *key);

/* Index of the first item behind that key: where a walk that was interrupted there goes on. */
size_t table_position_after(const Table *t, const void *key);

/* Errors: -EEXIST, -ENOMEM. */
int table_insert(Table *t, const void *key, void *item);

/* Takes the item out and returns it, or NULL. */
void *table_remove(Table *t, const void *key);

/* Frees the array, not the items. */
void table_done(Table *t);
