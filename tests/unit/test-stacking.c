/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "stacking.h"

#include <linux/if_bonding.h>
#include <linux/if_link.h>

#include "util.h"

#define PORT   3
#define MASTER 5
#define UPPER  7

/* What a case is about: nothing, one certain unit, or one if it is left over. */
typedef enum Answer {
        NOTHING,
        CERTAIN,
        POSSIBLE,
} Answer;

static void assert_answer(Answer expected, bool any, const Holder *h, HolderKind kind, int upper) {
        assert_int_equal(any, expected != NOTHING);
        if (!any)
                return;
        assert_int_equal(h->kind, kind);
        assert_int_equal(h->count, 1);
        assert_int_equal(h->possible, expected == POSSIBLE);
        assert_int_equal(h->upper, upper);
}

static StackedLink port_of(LinkKind kind) {
        return (StackedLink){ .ifindex = PORT, .place = { .master = MASTER, .master_kind = kind }, .up = true };
}

static StackedLink master(LinkKind kind, bool promiscuous) {
        return (StackedLink){ .ifindex = MASTER, .place = { .kind = kind }, .promiscuous = promiscuous };
}

static void test_bridge(void **state) {
        static const struct {
                bool known, filtering, promiscuous, auto_port;
                unsigned auto_ports;
                Answer expected;
        } cases[] = {
                { true, false, false, true, 1, CERTAIN },  { true, false, false, true, 9, CERTAIN },
                { true, false, false, false, 0, CERTAIN }, { true, true, false, true, 2, CERTAIN },
                { true, true, false, false, 1, CERTAIN }, /* the other one is the auto port */
                { true, true, false, true, 1, POSSIBLE },  { true, true, false, false, 0, POSSIBLE },
                { true, true, true, true, 1, CERTAIN },    { true, true, true, false, 0, CERTAIN },
                { false, false, false, true, 1, POSSIBLE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                StackedLink port = port_of(LINK_KIND_BRIDGE), bridge = master(LINK_KIND_BRIDGE, cases[i].promiscuous);
                Holder h;
                bool any;

                port.place.auto_port = cases[i].auto_port;
                bridge.place.vlan_filtering = cases[i].filtering;
                any = stacking_of_master(&port, cases[i].known ? &bridge : NULL, cases[i].auto_ports, &h);
                assert_answer(cases[i].expected, any, &h, HOLDER_BRIDGE, MASTER);
        }
}

static void test_bond(void **state) {
        for (unsigned mode = BOND_MODE_ROUNDROBIN; mode <= BOND_MODE_ALB; mode++) {
                bool single = mode == BOND_MODE_ACTIVEBACKUP || mode == BOND_MODE_TLB || mode == BOND_MODE_ALB;
                StackedLink port = port_of(LINK_KIND_BOND), bond = master(LINK_KIND_BOND, true);
                Holder h;

                bond.place.mode = mode;
                bond.place.active_port = PORT + 1;
                assert_answer(single ? NOTHING : CERTAIN, stacking_of_master(&port, &bond, 0, &h), &h, HOLDER_BOND, MASTER);
                bond.place.active_port = PORT;
                assert_answer(CERTAIN, stacking_of_master(&port, &bond, 0, &h), &h, HOLDER_BOND, MASTER);
                bond.promiscuous = false;
                assert_answer(NOTHING, stacking_of_master(&port, &bond, 0, &h), &h, HOLDER_BOND, MASTER);
                assert_answer(POSSIBLE, stacking_of_master(&port, NULL, 0, &h), &h, HOLDER_BOND, MASTER);
        }
}

static void test_other_masters(void **state) {
        static const struct {
                LinkKind kind;
                bool promiscuous;
                Answer expected;
                HolderKind holder;
        } cases[] = {
                { LINK_KIND_TEAM, true, CERTAIN, HOLDER_TEAM },
                { LINK_KIND_TEAM, false, NOTHING, HOLDER_TEAM },
                { LINK_KIND_OPENVSWITCH, true, CERTAIN, HOLDER_OPENVSWITCH },
                { LINK_KIND_OPENVSWITCH, false, CERTAIN, HOLDER_OPENVSWITCH },
                { LINK_KIND_OTHER, true, NOTHING, 0 }, /* such as a vrf */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                StackedLink port = port_of(cases[i].kind), m = master(cases[i].kind, cases[i].promiscuous);
                Holder h;

                assert_answer(cases[i].expected, stacking_of_master(&port, &m, 0, &h), &h, cases[i].holder, MASTER);
                port.place.master = 0;
                assert_false(stacking_of_master(&port, NULL, 0, &h));
        }
}

static void test_macvlan(void **state) {
        static const uint32_t modes[] = { MACVLAN_MODE_PRIVATE, MACVLAN_MODE_VEPA, MACVLAN_MODE_BRIDGE,
                                          MACVLAN_MODE_PASSTHRU, MACVLAN_MODE_SOURCE };

        for (unsigned n = 0; n < ELEMENTSOF(modes) * 16; n++) {
                bool tap = n & 1, up = n & 2, promiscuous = n & 4, nopromisc = n & 8;
                uint32_t mode = modes[n / 16];
                bool passthru = mode == MACVLAN_MODE_PASSTHRU;
                StackedLink upper = {
                        .ifindex = UPPER,
                        .place = { .kind = tap ? LINK_KIND_MACVTAP : LINK_KIND_MACVLAN, .mode = mode,
                                   .nopromisc = nopromisc, .lower = PORT },
                        .up = up,
                        .promiscuous = promiscuous,
                };
                Holder h;

                assert_answer(up && (passthru ? !nopromisc : promiscuous) ? CERTAIN : NOTHING,
                              stacking_of_upper(&upper, &h), &h, tap ? HOLDER_MACVTAP : HOLDER_MACVLAN, UPPER);
                assert_int_equal(stacking_lists_address(&upper), up && !passthru);
        }
}

static void test_other_uppers(void **state) {
        static const struct {
                LinkKind kind;
                bool up, promiscuous;
                Answer expected;
                HolderKind holder;
                bool lists;
        } cases[] = {
                { LINK_KIND_VLAN, true, true, CERTAIN, HOLDER_VLAN, false },
                { LINK_KIND_VLAN, false, true, POSSIBLE, HOLDER_VLAN, false },
                { LINK_KIND_VLAN, true, false, NOTHING, HOLDER_VLAN, false },
                { LINK_KIND_VLAN, false, false, NOTHING, HOLDER_VLAN, false },
                { LINK_KIND_MACSEC, true, true, CERTAIN, HOLDER_MACSEC, true },
                { LINK_KIND_MACSEC, true, false, NOTHING, HOLDER_MACSEC, true },
                { LINK_KIND_MACSEC, false, true, NOTHING, HOLDER_MACSEC, false },
                { LINK_KIND_DSA, true, false, POSSIBLE, HOLDER_DSA, false },
                { LINK_KIND_OTHER, true, true, NOTHING, 0, false }, /* such as ipvlan, vxlan */
                { LINK_KIND_PAIR, true, true, NOTHING, 0, false },
                { LINK_KIND_BOND, true, true, NOTHING, 0, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                StackedLink upper = { .ifindex = UPPER, .place = { .kind = cases[i].kind }, .up = cases[i].up,
                                      .promiscuous = cases[i].promiscuous };
                Holder h;

                assert_answer(cases[i].expected, stacking_of_upper(&upper, &h), &h, cases[i].holder, UPPER);
                assert_int_equal(stacking_lists_address(&upper), cases[i].lists);
        }
}

static void test_hsr(void **state) {
        StackedLink hsr = { .ifindex = UPPER, .place = { .kind = LINK_KIND_HSR, .ports = { PORT, PORT + 1 } } };
        Holder h;

        assert_answer(POSSIBLE, stacking_of_hsr(&hsr, PORT, &h), &h, HOLDER_HSR, UPPER);
        assert_answer(POSSIBLE, stacking_of_hsr(&hsr, PORT + 1, &h), &h, HOLDER_HSR, UPPER);
        assert_answer(NOTHING, stacking_of_hsr(&hsr, PORT + 2, &h), &h, HOLDER_HSR, UPPER);
}

static void test_self(void **state) {
        StackedLink link = { .ifindex = PORT, .place = { .kind = LINK_KIND_OPENVSWITCH } };
        Holder h;

        assert_answer(POSSIBLE, stacking_of_self(&link, &h), &h, HOLDER_OPENVSWITCH, PORT);
        link.place.kind = LINK_KIND_BRIDGE;
        assert_false(stacking_of_self(&link, &h));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bridge),       cmocka_unit_test(test_bond), cmocka_unit_test(test_other_masters),
                cmocka_unit_test(test_macvlan),      cmocka_unit_test(test_other_uppers),
                cmocka_unit_test(test_hsr),          cmocka_unit_test(test_self),
        };

        return cmocka_run_group_tests_name("stacking", tests, NULL, NULL);
}
