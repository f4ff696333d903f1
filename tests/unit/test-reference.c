/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "reference.h"
#include "util.h"

#define MANY 12U

/* Who is in both lists, as bits by id. */
static void assert_lists(const Link *l, const Caller *c, unsigned on_link, unsigned of_caller) {
        const Reference *r;
        unsigned n = 0;

        LIST_FOREACH(r, &l->references, of_link) {
                n++;
                assert_true(on_link & 1U << r->id);
                on_link &= ~(1U << r->id);
        }
        assert_int_equal(on_link, 0);
        assert_int_equal(l->n_references, n);

        LIST_FOREACH(r, &c->references, of_caller) {
                assert_true(of_caller & 1U << r->id);
                of_caller &= ~(1U << r->id);
        }
        assert_int_equal(of_caller, 0);
}

static void test_new(void **state) {
        char reason[] = "a test", owner[] = ":1.5";
        Caller c = {};
        uint64_t before = now_usec(CLOCK_REALTIME);
        Link l = {};
        Reference *r;

        assert_int_equal(reference_new(9, &l, owner, 1000, 77, reason, &r), 0);
        memset(reason, 'x', 6); /* the message it came in goes */
        memset(owner, 'x', 4);
        assert_null(r->caller);
        reference_bind_caller(r, &c);
        assert_int_equal(r->id, 9);
        assert_ptr_equal(r->link, &l);
        assert_ptr_equal(r->caller, &c);
        assert_int_equal(r->uid, 1000);
        assert_int_equal(r->pid, 77);
        assert_string_equal(r->reason, "a test");
        assert_string_equal(r->owner, ":1.5");
        assert_in_range(r->acquired_timestamp, before, now_usec(CLOCK_REALTIME));
        assert_int_equal(r->expires_timestamp, 0);
        assert_null(r->unit.socket);
        assert_lists(&l, &c, 1 << 9, 1 << 9);

        assert_false(reference_is_shown(r));
        r->published = true;
        assert_true(reference_is_shown(r));
        r->cause = "released";
        assert_false(reference_is_shown(r));

        assert_null(reference_free(r));
        assert_lists(&l, &c, 0, 0);
        assert_null(reference_free(NULL));
}

/* Comes and goes in any order; some lose their caller before they end. */
static void test_lists(void **state) {
        Reference *references[MANY] = {};
        unsigned on_link = 0, of_caller = 0;
        uint64_t seed = 6;
        Caller c = {};
        Link l = {};

        for (unsigned n = 0; n < 3000; n++) {
                unsigned id = unit_random(&seed) % MANY;

                if (!references[id]) {
                        assert_int_equal(reference_new(id, &l, ":1.5", 0, 0, "a test", references + id), 0);
                        reference_bind_caller(references[id], &c);
                        on_link |= 1U << id;
                        of_caller |= 1U << id;
                } else if (unit_random(&seed) % 2) {
                        reference_forget_caller(references[id]);
                        assert_null(references[id]->caller);
                        of_caller &= ~(1U << id);
                } else {
                        references[id] = reference_free(references[id]);
                        on_link &= ~(1U << id);
                        of_caller &= ~(1U << id);
                }
                assert_lists(&l, &c, on_link, of_caller);
        }

        for (unsigned id = 0; id < MANY; id++)
                reference_free(references[id]);
        assert_lists(&l, &c, 0, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_new),
                cmocka_unit_test(test_lists),
        };

        return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
