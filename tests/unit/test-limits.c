/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "limits.h"
#include "promisc-names.h"
#include "util.h"

#define ALICE 1000U
#define BOB   1001U

static void take_references(Limits *l, uid_t uid, unsigned n) {
        for (; n > 0; n--)
                assert_int_equal(limits_take_reference(l, uid), 0);
}

static void test_references_of_a_user(void **state) {
        _cleanup_(limits_done) Limits l;

        limits_init(&l, 4096, 3);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(limits_check_reference(&l, ALICE), LIMIT_NONE);
                take_references(&l, ALICE, 1);
        }
        assert_int_equal(limits_check_reference(&l, ALICE), LIMIT_REFERENCES_USER);
        assert_int_equal(limits_check_reference(&l, BOB), LIMIT_NONE);

        limits_give_reference(&l, ALICE);
        assert_int_equal(limits_check_reference(&l, ALICE), LIMIT_NONE);
}

static void test_root_has_no_limit_of_its_own(void **state) {
        _cleanup_(limits_done) Limits l;

        limits_init(&l, 1000, 3);
        take_references(&l, 0, 999);
        assert_int_equal(limits_check_reference(&l, 0), LIMIT_NONE);
        take_references(&l, 0, 1);
        assert_int_equal(limits_check_reference(&l, 0), LIMIT_REFERENCES_ALL);
        limits_give_reference(&l, 0);
        assert_int_equal(limits_check_reference(&l, 0), LIMIT_NONE);
}

static void test_reserve_of_root(void **state) {
        _cleanup_(limits_done) Limits l;

        limits_init(&l, PROMISC_REFERENCES_ROOT + 10, 100);
        take_references(&l, ALICE, 9);
        assert_int_equal(limits_check_reference(&l, BOB), LIMIT_NONE);
        take_references(&l, BOB, 1);
        assert_int_equal(limits_check_reference(&l, ALICE), LIMIT_REFERENCES_ALL);
        assert_int_equal(limits_check_reference(&l, BOB), LIMIT_REFERENCES_ALL);

        assert_int_equal(limits_check_reference(&l, 0), LIMIT_NONE);
        take_references(&l, 0, PROMISC_REFERENCES_ROOT - 1);
        assert_int_equal(limits_check_reference(&l, 0), LIMIT_NONE);
        take_references(&l, 0, 1);
        assert_int_equal(limits_check_reference(&l, 0), LIMIT_REFERENCES_ALL);

        /* What root holds counts in all. */
        limits_give_reference(&l, BOB);
        assert_int_equal(limits_check_reference(&l, BOB), LIMIT_REFERENCES_ALL);
        assert_int_equal(limits_check_reference(&l, 0), LIMIT_NONE);
}

static void test_small_and_zero_limits(void **state) {
        Limits l;

        limits_init(&l, PROMISC_REFERENCES_ROOT, 100);
        assert_int_equal(limits_check_reference(&l, ALICE), LIMIT_REFERENCES_ALL);
        assert_int_equal(limits_check_reference(&l, 0), LIMIT_NONE);
        limits_init(&l, 0, 100);
        assert_int_equal(limits_check_reference(&l, 0), LIMIT_REFERENCES_ALL);
        limits_init(&l, 4096, 0);
        assert_int_equal(limits_check_reference(&l, ALICE), LIMIT_REFERENCES_USER);
        assert_int_equal(limits_check_reference(&l, 0), LIMIT_NONE);
        limits_done(&l);
}

static void test_checks(void **state) {
        _cleanup_(limits_done) Limits l;

        assert_int_equal(AUTHORIZATIONS_PER_USER_MAX, 8);
        assert_int_equal(AUTHORIZATIONS_MAX, 64);

        limits_init(&l, 4096, 256);
        for (uid_t uid = ALICE; uid < ALICE + 8; uid++) {
                for (unsigned i = 0; i < 8; i++) {
                        assert_int_equal(limits_check_authorization(&l, uid), LIMIT_NONE);
                        assert_int_equal(limits_take_authorization(&l, uid), 0);
                }
                assert_int_equal(limits_check_authorization(&l, uid), LIMIT_AUTHORIZATIONS_USER);
        }
        assert_int_equal(limits_check_authorization(&l, ALICE + 8), LIMIT_AUTHORIZATIONS_ALL);

        limits_give_authorization(&l, ALICE);
        assert_int_equal(limits_check_authorization(&l, ALICE + 8), LIMIT_NONE);
        assert_int_equal(limits_check_authorization(&l, ALICE), LIMIT_NONE);
        assert_int_equal(limits_check_authorization(&l, ALICE + 1), LIMIT_AUTHORIZATIONS_USER);
}

/* Asking is free, and the two kinds of count do not touch each other. */
static void test_checks_and_references_apart(void **state) {
        _cleanup_(limits_done) Limits l;

        limits_init(&l, 4096, 2);
        for (unsigned i = 0; i < 1000; i++) {
                assert_int_equal(limits_check_authorization(&l, ALICE), LIMIT_NONE);
                assert_int_equal(limits_check_reference(&l, ALICE), LIMIT_NONE);
        }
        assert_int_equal(l.users.n, 0);

        take_references(&l, ALICE, 2);
        assert_int_equal(limits_check_authorization(&l, ALICE), LIMIT_NONE);
        for (unsigned i = 0; i < AUTHORIZATIONS_PER_USER_MAX; i++)
                assert_int_equal(limits_take_authorization(&l, ALICE), 0);
        assert_int_equal(l.n_references, 2);
        assert_int_equal(l.n_authorizations, AUTHORIZATIONS_PER_USER_MAX);

        limits_give_reference(&l, ALICE);
        assert_int_equal(limits_check_reference(&l, ALICE), LIMIT_NONE);
        limits_give_reference(&l, ALICE);
        assert_int_equal(limits_check_authorization(&l, ALICE), LIMIT_AUTHORIZATIONS_USER);

        /* The allowance for lists is not had anew by taking and giving. */
        for (unsigned i = 0; i < AUTHORIZATIONS_PER_USER_MAX; i++)
                limits_give_authorization(&l, ALICE);
        assert_true(limits_charge_listing(&l, ALICE, 1, LISTED_MAX));
        take_references(&l, ALICE, 1);
        limits_give_reference(&l, ALICE);
        assert_false(limits_charge_listing(&l, ALICE, 1, 1));
}

/* A user who has nothing is not remembered: else every UID that ever came would cost memory. */
static void test_users_are_forgotten(void **state) {
        _cleanup_(limits_done) Limits l;

        limits_init(&l, 4096, 256);
        for (uid_t uid = 0; uid < 1000; uid++) {
                take_references(&l, uid, 2);
                assert_int_equal(limits_take_authorization(&l, uid), 0);
        }
        assert_int_equal(l.users.n, 1000);
        assert_int_equal(l.n_references, 2000);

        for (uid_t uid = 999; uid < 1000; uid--) {
                limits_give_reference(&l, uid);
                limits_give_authorization(&l, uid);
                assert_int_equal(l.users.n, uid + 1);
                limits_give_reference(&l, uid);
                assert_int_equal(l.users.n, uid);
        }
        assert_int_equal(l.n_references, 0);
        assert_int_equal(l.n_authorizations, 0);

        /* UIDs are unsigned: the largest are no neighbours of 0. */
        take_references(&l, UINT32_MAX - 1, 1);
        take_references(&l, 0, 1);
        limits_give_reference(&l, UINT32_MAX - 1);
        assert_int_equal(l.users.n, 1);
        limits_give_reference(&l, 0);
        assert_int_equal(l.users.n, 0);
}

/* Root lists what it likes; the others have an allowance that grows again with time. */
static void test_listed(void **state) {
        _cleanup_(limits_done) Limits l;
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        limits_init(&l, 4096, 256);
        for (unsigned i = 0; i < 10; i++)
                assert_true(limits_charge_listing(&l, 0, now, LISTED_MAX));
        assert_int_equal(l.users.n, 0);

        assert_true(limits_charge_listing(&l, ALICE, now, LISTED_MAX - 10));
        assert_false(limits_charge_listing(&l, ALICE, now, 11));
        assert_true(limits_charge_listing(&l, ALICE, now, 10)); /* what was refused did not count */
        assert_false(limits_charge_listing(&l, ALICE, now, 1));
        assert_true(limits_charge_listing(&l, BOB, now, 1));

        now += USEC_PER_SEC / 10;
        assert_false(limits_charge_listing(&l, ALICE, now, LISTED_PER_SECOND / 10 + 1));
        assert_true(limits_charge_listing(&l, ALICE, now, LISTED_PER_SECOND / 10));
        assert_false(limits_charge_listing(&l, ALICE, now, 1));

        /* It does not grow beyond its size. */
        now += 3600 * USEC_PER_SEC;
        assert_true(limits_charge_listing(&l, ALICE, now, 1));
        assert_true(limits_charge_listing(&l, ALICE, now, LISTED_MAX - 1));
        assert_false(limits_charge_listing(&l, ALICE, now, 1));
}

/* Else nobody but root could ever list that many. */
static void test_listed_more_than_allowed(void **state) {
        _cleanup_(limits_done) Limits l;
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        limits_init(&l, 4096, 256);
        assert_true(limits_charge_listing(&l, ALICE, now, 3 * LISTED_MAX));
        assert_false(limits_charge_listing(&l, ALICE, now, 1));
        now += 3 * LISTED_MAX * USEC_PER_SEC / LISTED_PER_SECOND - USEC_PER_SEC / 100;
        assert_false(limits_charge_listing(&l, ALICE, now, 3 * LISTED_MAX));
        now += USEC_PER_SEC / 100;
        assert_true(limits_charge_listing(&l, ALICE, now, 3 * LISTED_MAX));
}

/* Who only listed something is forgotten when somebody new comes and the allowance is whole again. */
static void test_listed_users_are_forgotten(void **state) {
        const unsigned an_hours_worth = 3600 * LISTED_PER_SECOND;
        uint64_t now = now_usec(CLOCK_MONOTONIC), long_ago = now - 7200 * USEC_PER_SEC;
        _cleanup_(limits_done) Limits l;

        limits_init(&l, 4096, 256);
        for (uid_t uid = ALICE; uid < ALICE + 100; uid++)
                assert_true(limits_charge_listing(&l, uid, now, an_hours_worth));
        assert_int_equal(l.users.n, 100);

        assert_true(limits_charge_listing(&l, 2000, long_ago, an_hours_worth));
        assert_int_equal(l.users.n, 101);
        take_references(&l, 2001, 1); /* instead of 2000 */
        assert_int_equal(l.users.n, 101);

        assert_true(limits_charge_listing(&l, 2001, long_ago, an_hours_worth));
        assert_int_equal(limits_take_authorization(&l, 2002), 0); /* 2001 has a reference */
        assert_int_equal(l.users.n, 102);
        limits_give_reference(&l, 2001);
        limits_give_authorization(&l, 2002);
        assert_int_equal(limits_take_authorization(&l, 2003), 0); /* now instead of 2001 and 2002 */
        assert_int_equal(l.users.n, 101);
        assert_int_equal(l.n_references, 0);
        assert_int_equal(l.n_authorizations, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_references_of_a_user),
                cmocka_unit_test(test_root_has_no_limit_of_its_own),
                cmocka_unit_test(test_reserve_of_root),
                cmocka_unit_test(test_small_and_zero_limits),
                cmocka_unit_test(test_checks),
                cmocka_unit_test(test_checks_and_references_apart),
                cmocka_unit_test(test_users_are_forgotten),
                cmocka_unit_test(test_listed),
                cmocka_unit_test(test_listed_more_than_allowed),
                cmocka_unit_test(test_listed_users_are_forgotten),
        };

        return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
