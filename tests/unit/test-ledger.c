/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "util.h"

static void add(Holders *h, HolderKind kind, bool possible, uint32_t count) {
        assert_int_equal(holders_add(h, &(const Holder){ .kind = kind, .possible = possible, .count = count }), 0);
}

static void assert_is(const Holders *h, size_t i, HolderKind kind, uint32_t count) {
        assert_true(i < h->n);
        assert_int_equal(h->items[i].kind, kind);
        assert_int_equal(h->items[i].count, count);
}

static void test_names(void **state) {
        static const char *const names[] = {
                "user",  "reference", "packet-socket", "bridge",  "openvswitch", "bond",
                "team",  "hsr",       "dsa",           "vlan",    "macvlan",     "macvtap",
                "macsec", "unicast-list", "unattributed", "corrupt-counter",
        };

        assert_int_equal(ELEMENTSOF(names), HOLDER_KIND_MAX);
        for (HolderKind k = 0; k < HOLDER_KIND_MAX; k++)
                assert_string_equal(holder_kind_to_string(k), names[k]);
}

static void test_nobody(void **state) {
        _cleanup_(holders_done) Holders h = {};
        Ledger l;

        assert_true(holders_explain(&h, 0));
        assert_false(holders_explain(&h, 1));
        assert_int_equal(holders_settle(&h, 0), 0);
        assert_int_equal(h.n, 0);
        l = ledger_from_holders(&h);
        assert_int_equal(l.promiscuity, 0);
        for (HolderKind k = 0; k < HOLDER_KIND_MAX; k++)
                assert_int_equal(l.units[k], 0);
}

static void test_all_explained(void **state) {
        _cleanup_(holders_done) Holders h = {};
        Ledger l;

        add(&h, HOLDER_USER, false, 1);
        add(&h, HOLDER_PACKET_SOCKET, false, 2);
        add(&h, HOLDER_PACKET_SOCKET, false, 1);
        add(&h, HOLDER_UNICAST_LIST, true, 1);
        assert_true(holders_explain(&h, 4));
        assert_false(holders_explain(&h, 5));
        assert_false(holders_explain(&h, 3));

        assert_int_equal(holders_settle(&h, 4), 0);
        assert_int_equal(h.n, 3); /* the possible one holds nothing */
        l = ledger_from_holders(&h);
        assert_int_equal(l.promiscuity, 4);
        assert_int_equal(l.units[HOLDER_USER], 1);
        assert_int_equal(l.units[HOLDER_PACKET_SOCKET], 3);
        assert_int_equal(l.units[HOLDER_UNATTRIBUTED], 0);
}

/* The remainder decides, in the order in which they stand, and what is left then is shown. */
static void test_possible(void **state) {
        for (uint32_t counter = 1; counter <= 5; counter++) {
                _cleanup_(holders_done) Holders h = {};
                Ledger l;

                add(&h, HOLDER_HSR, true, 1);
                add(&h, HOLDER_BRIDGE, false, 1);
                add(&h, HOLDER_VLAN, true, 2);
                assert_int_equal(holders_settle(&h, counter), 0);
                l = ledger_from_holders(&h);
                assert_int_equal(l.promiscuity, counter);
                assert_int_equal(l.units[HOLDER_BRIDGE], 1);
                assert_int_equal(l.units[HOLDER_HSR], counter >= 2);
                assert_int_equal(l.units[HOLDER_VLAN], counter >= 4 ? 2 : counter >= 3);
                assert_int_equal(l.units[HOLDER_UNATTRIBUTED], counter == 5);
                assert_is(&h, 0, counter >= 2 ? HOLDER_HSR : HOLDER_BRIDGE, 1);
        }
}

/* A counter that says less than what is certain has lost units: no entry is more than it. */
static void test_less_than_certain(void **state) {
        _cleanup_(holders_done) Holders h = {};

        add(&h, HOLDER_USER, false, 1);
        add(&h, HOLDER_PACKET_SOCKET, false, 3);
        add(&h, HOLDER_BRIDGE, false, 1);
        assert_int_equal(holders_settle(&h, 2), 0);
        assert_int_equal(h.n, 2);
        assert_is(&h, 0, HOLDER_USER, 1);
        assert_is(&h, 1, HOLDER_PACKET_SOCKET, 1);
}

static void test_corrupt(void **state) {
        static const uint32_t corrupt[] = { UINT32_MAX, UINT32_MAX - 1, (UINT32_C(1) << 31) + 1 };

        for (size_t i = 0; i < ELEMENTSOF(corrupt); i++) {
                _cleanup_(holders_done) Holders h = {};
                Ledger l;

                add(&h, HOLDER_PACKET_SOCKET, false, 2);
                add(&h, HOLDER_UNICAST_LIST, true, 1);
                assert_int_equal(holders_settle(&h, corrupt[i]), 0);
                l = ledger_from_holders(&h);
                assert_int_equal(l.promiscuity, corrupt[i]);
                assert_int_equal(l.units[HOLDER_PACKET_SOCKET], 2);
                assert_int_equal(l.units[HOLDER_UNICAST_LIST], 0);
                assert_int_equal(l.units[HOLDER_CORRUPT_COUNTER], corrupt[i] - 2);
                assert_int_equal(l.units[HOLDER_UNATTRIBUTED], 0);
        }
}

static void test_large_but_sound(void **state) {
        _cleanup_(holders_done) Holders h = {};
        Ledger l;

        assert_int_equal(holders_settle(&h, UINT32_C(1) << 31), 0);
        l = ledger_from_holders(&h);
        assert_int_equal(l.units[HOLDER_UNATTRIBUTED], UINT32_C(1) << 31);
        assert_int_equal(l.units[HOLDER_CORRUPT_COUNTER], 0);
}

static void test_sums_do_not_wrap(void **state) {
        _cleanup_(holders_done) Holders h = {};

        add(&h, HOLDER_PACKET_SOCKET, false, UINT32_MAX);
        add(&h, HOLDER_PACKET_SOCKET, false, 2);
        assert_false(holders_explain(&h, 1));
        assert_int_equal(holders_settle(&h, 1), 0);
        assert_int_equal(h.n, 1);
        assert_is(&h, 0, HOLDER_PACKET_SOCKET, 1);
}

/* Whatever is claimed: it adds up, no entry is empty, none has grown, and nothing that is possible has a unit while
 * something certain lacks one. */
static void test_always_adds_up(void **state) {
        uint64_t seed = 4711;

        for (unsigned round = 0; round < 20000; round++) {
                uint32_t counter = (uint32_t) unit_random(&seed) % 24, claimed[HOLDER_KIND_MAX] = {}, certain = 0;
                _cleanup_(holders_done) Holders h = {};
                bool lacking = false, possible = false;
                Ledger l;

                if (round % 16 == 0)
                        counter -= 12; /* some are corrupt */
                for (HolderKind k = 0; k < HOLDER_UNATTRIBUTED; k++) {
                        bool may = unit_random(&seed) % 2;

                        claimed[k] = (uint32_t) unit_random(&seed) % 4;
                        add(&h, k, may, claimed[k]);
                        certain += may ? 0 : claimed[k];
                }
                assert_int_equal(holders_explain(&h, counter), certain == counter);
                assert_int_equal(holders_settle(&h, counter), 0);

                l = ledger_from_holders(&h);
                assert_int_equal(l.promiscuity, counter);
                for (size_t i = 0; i < h.n; i++) {
                        const Holder *o = h.items + i;

                        assert_true(o->count > 0);
                        if (o->kind >= HOLDER_UNATTRIBUTED)
                                continue;
                        assert_true(o->count <= claimed[o->kind]);
                        possible = possible || o->possible;
                        lacking = lacking || (!o->possible && o->count < claimed[o->kind]);
                }
                assert_false(possible && (lacking || certain > counter));
                assert_true(l.units[HOLDER_UNATTRIBUTED] == 0 || certain < counter);
        }
}

static void test_units_equal(void **state) {
        Ledger a = { .promiscuity = 1, .units[HOLDER_USER] = 1 }, b = a;

        assert_true(ledger_units_equal(&a, &b));
        b.units[HOLDER_CORRUPT_COUNTER] = 1;
        assert_false(ledger_units_equal(&a, &b));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),           cmocka_unit_test(test_nobody),
                cmocka_unit_test(test_all_explained),   cmocka_unit_test(test_possible),
                cmocka_unit_test(test_less_than_certain), cmocka_unit_test(test_corrupt),
                cmocka_unit_test(test_large_but_sound), cmocka_unit_test(test_sums_do_not_wrap),
                cmocka_unit_test(test_always_adds_up),  cmocka_unit_test(test_units_equal),
        };

        return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
