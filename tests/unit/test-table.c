/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>

#include "table.h"
#include "util.h"

#define KEYS 300U

static int compare_number(const void *key, const void *item) {
        unsigned a = *(const unsigned *) key, b = *(const unsigned *) item;

        return a < b ? -1 : a > b;
}

/* The naive model: which keys are in. */
typedef struct Model {
        unsigned numbers[KEYS]; /* the items: each its own key */
        bool has[KEYS];
        Table table;
} Model;

static void model_init(Model *m) {
        *m = (Model){ .table.compare = compare_number };
        for (unsigned k = 0; k < KEYS; k++)
                m->numbers[k] = k;
}

static void model_compare(const Model *m) {
        size_t n = 0;

        for (unsigned k = 0; k < KEYS; k++) {
                if (m->has[k]) {
                        assert_ptr_equal(table_find(&m->table, &k), m->numbers + k);
                        assert_ptr_equal(m->table.items[n], m->numbers + k);
                        n++;
                } else
                        assert_null(table_find(&m->table, &k));
                assert_int_equal(table_position_after(&m->table, &k), n);
        }
        assert_int_equal(m->table.n, n);
}

static void model_insert(Model *m, unsigned k) {
        assert_int_equal(table_insert(&m->table, &k, m->numbers + k), m->has[k] ? -EEXIST : 0);
        m->has[k] = true;
}

static void model_remove(Model *m, unsigned k) {
        assert_ptr_equal(table_remove(&m->table, &k), m->has[k] ? m->numbers + k : NULL);
        m->has[k] = false;
}

static void test_empty(void **state) {
        Model m;

        model_init(&m);
        model_compare(&m);
        model_remove(&m, 5);
        table_done(&m.table);
        table_done(&m.table);
        assert_null(m.table.items);
}

static void test_existing_item_stays(void **state) {
        unsigned key = 5, other = 5;
        Model m;

        model_init(&m);
        model_insert(&m, key);
        assert_int_equal(table_insert(&m.table, &key, &other), -EEXIST);
        assert_ptr_equal(table_find(&m.table, &key), m.numbers + key);
        table_done(&m.table);
}

static void test_in_order(void **state) {
        Model m;

        model_init(&m);
        for (unsigned k = 0; k < KEYS; k++)
                model_insert(&m, k);
        model_compare(&m);
        for (unsigned k = 0; k < KEYS; k++)
                model_remove(&m, k);
        model_compare(&m);
        for (unsigned k = KEYS; k-- > 0;)
                model_insert(&m, k);
        model_compare(&m);
        for (unsigned k = KEYS; k-- > 0;)
                model_remove(&m, k);
        model_compare(&m);

        /* Good again after the end. */
        table_done(&m.table);
        model_insert(&m, 1);
        model_compare(&m);
        table_done(&m.table);
}

static void test_random_order(void **state) {
        uint64_t seed = 3;
        Model m;

        model_init(&m);
        for (unsigned i = 0; i < 6000; i++) {
                unsigned k = unit_random(&seed) % KEYS;

                /* Fuller, then emptier, by turns. */
                if (unit_random(&seed) % 4 < (i / 1000 % 2 ? 1U : 3U))
                        model_insert(&m, k);
                else
                        model_remove(&m, k);
                if (i % 20 == 0)
                        model_compare(&m);
        }
        table_done(&m.table);
}

/* A walk that stops behind an item and goes on later misses none that stays and shows none twice, whatever
 * comes and goes meanwhile. */
static void test_interrupted_walk(void **state) {
        unsigned seen[KEYS] = {}, last = 0;
        uint64_t seed = 4;
        Model m;

        model_init(&m);
        for (unsigned k = 0; k < KEYS; k += 3)
                model_insert(&m, k);

        for (size_t i = 0; i < m.table.n; i = table_position_after(&m.table, &last)) {
                last = *(unsigned *) m.table.items[i];
                seen[last]++;
                for (unsigned n = 0; n < 4; n++) {
                        unsigned k = unit_random(&seed) % KEYS;

                        if (k % 3 == 1)
                                model_insert(&m, k);
                        else if (k % 3 == 2 || k % 2 || k == last)
                                model_remove(&m, k);
                }
        }

        for (unsigned k = 0; k < KEYS; k++) {
                assert_true(seen[k] <= 1);
                if (k % 6 == 0) /* stayed until it was seen */
                        assert_int_equal(seen[k], 1);
        }
        table_done(&m.table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_existing_item_stays),
                cmocka_unit_test(test_in_order),
                cmocka_unit_test(test_random_order),
                cmocka_unit_test(test_interrupted_walk),
        };

        return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
