/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "link.h"
#include "util.h"

static void link_freep(Link **l) {
        link_free(*l);
}

/* Each field alone, and what is derived from it: bits 0x100 are IFF_PROMISC. */
static void test_diff_of_each_field(void **state) {
        static const struct {
                LinkReadings a, b;
                unsigned mask;
        } cases[] = {
                { {}, {}, 0 },
                { { 1, 2, 3, 4, 5 }, { 1, 2, 3, 4, 5 }, 0 },
                { {}, { .sysfs_flags = 0x1 }, LINK_CHANGE_SYSFS_FLAGS },
                { {}, { .sysfs_flags = 0x80000000 }, LINK_CHANGE_SYSFS_FLAGS },
                { {}, { .sysfs_flags = 0x100 }, LINK_CHANGE_SYSFS_FLAGS | LINK_CHANGE_PROMISCUOUS },
                { { .sysfs_flags = 0x100 }, { .sysfs_flags = 0x101 }, LINK_CHANGE_SYSFS_FLAGS },
                { {}, { .netlink_flags = 0x40 }, LINK_CHANGE_NETLINK_FLAGS },
                { {}, { .netlink_flags = 0x100 }, LINK_CHANGE_NETLINK_FLAGS | LINK_CHANGE_USER_REQUESTED },
                { { .netlink_flags = 0x100 }, { .netlink_flags = 0x10100 }, LINK_CHANGE_NETLINK_FLAGS },
                { {}, { .ioctl_flags = 0x40 }, LINK_CHANGE_IOCTL_FLAGS },
                { {},
                  { .ioctl_flags = 0x100 },
                  LINK_CHANGE_IOCTL_FLAGS },                           /* nothing follows from that view */
                { {}, { .promiscuity = 1 }, 0 }, /* nor from the counter, which is told with the ledger */
                { {}, { .allmulti = 1 }, LINK_CHANGE_ALL_MULTICAST },
                { { .sysfs_flags = 0x100 },
                  { .netlink_flags = 0x100 },
                  LINK_CHANGE_SYSFS_FLAGS | LINK_CHANGE_NETLINK_FLAGS | LINK_CHANGE_PROMISCUOUS |
                                  LINK_CHANGE_USER_REQUESTED },
                { {},
                  { 0x100, 0x100, 0x100, 1, 1 },
                  LINK_CHANGE_SYSFS_FLAGS | LINK_CHANGE_NETLINK_FLAGS | LINK_CHANGE_IOCTL_FLAGS |
                                  LINK_CHANGE_ALL_MULTICAST | LINK_CHANGE_PROMISCUOUS | LINK_CHANGE_USER_REQUESTED },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_case(link_readings_diff(&cases[i].a, &cases[i].b) == cases[i].mask, "case %zu", i);
                assert_case(link_readings_diff(&cases[i].b, &cases[i].a) == cases[i].mask, "case %zu", i);
        }
}

static LinkMessage message(const char *name) {
        LinkMessage m = {
                .ifindex = 7, .flags = 0x1003, .promiscuity = 2, .allmulti = 1, .place.address_length = 6
        };

        strcpy(m.name, name);
        return m;
}

/* As the manager does when it publishes: from then on, changes are told. */
static Link *published(const LinkMessage *m) {
        Link *l;

        assert_int_equal(link_new(m, &l), 0);
        link_take_changes(l);
        l->published = true;
        return l;
}

static void test_new(void **state) {
        _cleanup_(link_freep) Link *l = NULL;
        LinkMessage m = message("eth0");

        m.place.lower = 3;
        m.place.master = 4;
        m.place.kind = LINK_KIND_BOND;
        assert_int_equal(link_new(&m, &l), 0);
        assert_int_equal(l->ifindex, 7);
        assert_string_equal(l->name, "eth0");
        assert_int_equal(l->now.netlink_flags, 0x1003);
        assert_int_equal(l->now.promiscuity, 2);
        assert_int_equal(l->now.allmulti, 1);
        assert_int_equal(l->place.lower, 3);
        assert_int_equal(l->place.master, 4);
        assert_int_equal(l->place.kind, LINK_KIND_BOND);
        assert_int_equal(l->place.address_length, 6);
        assert_int_equal(l->identity_fd, -1);
        /* What it came with is no change that was seen. */
        assert_int_equal(l->promiscuous_timestamp, 0);
        assert_null(link_free(NULL));
}

static void test_update(void **state) {
        LinkMessage m = message("eth0");
        _cleanup_(link_freep) Link *l = published(&m);

        assert_int_equal(link_take_changes(l), 0);
        assert_int_equal(link_update(l, &m), 0);
        assert_int_equal(link_take_changes(l), 0);

        strcpy(m.name, "wan0");
        m.flags = 0x1103;
        m.allmulti = 0;
        m.promiscuity = 9;
        m.place.lower = 3;
        m.place.master = 4;
        assert_int_equal(link_update(l, &m), 1);
        assert_int_equal(link_update(l, &m), 0);
        assert_int_equal(l->now.promiscuity, 2); /* is announced by itself */
        assert_int_equal(l->place.lower, 3);
        assert_int_equal(l->place.master, 4);
        assert_int_equal(link_take_changes(l), LINK_CHANGE_NAME | LINK_CHANGE_NETLINK_FLAGS |
                                                               LINK_CHANGE_USER_REQUESTED |
                                                               LINK_CHANGE_ALL_MULTICAST);
        assert_int_equal(link_take_changes(l), 0);
}

static void test_there_and_back(void **state) {
        LinkMessage a = message("eth0"), b = message("wan0");
        _cleanup_(link_freep) Link *l = published(&a);

        b.flags = 0x1103;
        b.allmulti = 0;
        l->now.sysfs_flags = l->announced.sysfs_flags = 0x1103;

        assert_int_equal(link_update(l, &b), 1);
        link_set_promiscuity(l, 3);
        l->now.sysfs_flags = 0x1003;
        l->now.ioctl_flags = 0x1003;
        assert_int_equal(link_update(l, &a), 1);
        link_set_promiscuity(l, 2);
        l->now.sysfs_flags = 0x1103;
        l->now.ioctl_flags = 0;
        assert_int_equal(link_take_changes(l), 0);
}

static void test_timestamp(void **state) {
        LinkMessage m = message("eth0");
        _cleanup_(link_freep) Link *l = published(&m);
        uint64_t before, first;

        link_set_promiscuity(l, 1);
        link_set_promiscuity(l, 5);
        link_set_promiscuity(l, 0);
        assert_int_equal(l->promiscuous_timestamp, 0);
        assert_int_equal(link_take_changes(l), 0);

        before = now_usec(CLOCK_REALTIME);
        link_set_promiscuity(l, 1);
        first = l->promiscuous_timestamp;
        assert_in_range(first, before, now_usec(CLOCK_REALTIME));
        assert_int_equal(link_take_changes(l), LINK_CHANGE_PROMISCUOUS_TIMESTAMP);

        /* 1→2 and 1→0 keep it, and so does what is no change. */
        link_set_promiscuity(l, 2);
        link_set_promiscuity(l, 0);
        link_set_promiscuity(l, 0);
        assert_int_equal(l->promiscuous_timestamp, first);
        assert_int_equal(link_take_changes(l), 0);

        /* The counter is back where it was, but the time of the last 0→n is another one. */
        while (now_usec(CLOCK_REALTIME) == first)
                ;
        link_set_promiscuity(l, 3);
        link_set_promiscuity(l, 0);
        assert_true(l->promiscuous_timestamp > first);
        assert_int_equal(link_take_changes(l), LINK_CHANGE_PROMISCUOUS_TIMESTAMP);
}

static Ledger with_sockets(uint32_t references, uint32_t sockets) {
        return (Ledger){ .promiscuity = references + sockets, .units[HOLDER_REFERENCE] = references,
                         .units[HOLDER_PACKET_SOCKET] = sockets };
}

/* Shown with one reference of ours and one socket of somebody's. */
static Link *accounted(const LinkMessage *m) {
        Ledger ledger = with_sockets(1, 1);
        Link *l = published(m);

        l->n_units = 1;
        link_set_ledger(l, &ledger);
        l->unaccounted = false;
        link_take_changes(l);
        return l;
}

static void take(Link *l) {
        l->n_units++;
        l->taken++;
}

static void drop(Link *l) {
        l->n_units--;
        l->dropped++;
}

static void test_own_steps_carry_the_ledger(void **state) {
        LinkMessage m = message("eth0");
        _cleanup_(link_freep) Link *l = accounted(&m);

        assert_true(link_carry_ledger(l)); /* nothing happened */
        assert_int_equal(link_take_changes(l), 0);

        take(l);
        assert_false(link_carry_ledger(l)); /* the kernel's word for it has not come yet */
        link_set_promiscuity(l, 3);
        assert_true(link_carry_ledger(l));
        assert_int_equal(l->ledger.promiscuity, 3);
        assert_int_equal(l->ledger.units[HOLDER_REFERENCE], 2);
        assert_int_equal(l->ledger.units[HOLDER_PACKET_SOCKET], 1);
        assert_int_equal(link_take_changes(l), LINK_CHANGE_PROMISCUITY | LINK_CHANGE_HOLDERS);

        /* There and back is nothing to announce. */
        take(l);
        link_set_promiscuity(l, 4);
        drop(l);
        link_set_promiscuity(l, 3);
        assert_true(link_carry_ledger(l));
        assert_int_equal(link_take_changes(l), 0);
}

static void test_others_steps_do_not(void **state) {
        LinkMessage m = message("eth0");

        for (unsigned i = 0; i < 6; i++) {
                _cleanup_(link_freep) Link *l = accounted(&m);

                switch (i) {
                case 0: /* somebody's */
                        link_set_promiscuity(l, 3);
                        break;
                case 1: /* somebody's, and ours */
                        take(l);
                        link_set_promiscuity(l, 3);
                        link_set_promiscuity(l, 4);
                        break;
                case 2: /* ours up, somebody's down */
                        take(l);
                        link_set_promiscuity(l, 3);
                        link_set_promiscuity(l, 2);
                        break;
                case 3: /* two at once: one had no event */
                        take(l);
                        link_set_promiscuity(l, 4);
                        break;
                case 4: /* one came and another, of another kind, went */
                        take(l);
                        link_set_promiscuity(l, 3);
                        link_set_promiscuity(l, 4);
                        link_set_promiscuity(l, 3);
                        break;
                default: /* not of the counter */
                        l->unaccounted = true;
                }
                assert_case(!link_carry_ledger(l), "%u", i);
                assert_int_equal(l->ledger.promiscuity, 2);
        }
}

static void test_a_counter_of_zero(void **state) {
        LinkMessage m = message("eth0");
        _cleanup_(link_freep) Link *l = accounted(&m);
        Ledger unattributed = { .promiscuity = 1, .units[HOLDER_UNATTRIBUTED] = 1 };

        l->unaccounted = true;
        l->n_units = 0;
        link_set_promiscuity(l, 0);
        assert_true(link_carry_ledger(l));
        assert_false(l->unaccounted);
        assert_int_equal(l->ledger.promiscuity, 0);
        assert_int_equal(link_take_changes(l), LINK_CHANGE_PROMISCUITY | LINK_CHANGE_HOLDERS);

        link_set_ledger(l, &unattributed);
        assert_int_equal(link_take_changes(l),
                         LINK_CHANGE_PROMISCUITY | LINK_CHANGE_HOLDERS | LINK_CHANGE_UNATTRIBUTED);
        assert_int_equal(l->last_kinds, 1U << HOLDER_UNATTRIBUTED);
}

#define NAMES_SIZE 512U

/* A message with these alternative names, which stay in the buffer. */
static LinkMessage message_with_names(char buffer[static NAMES_SIZE], const char *const *names) {
        LinkMessage m = message("eth0");
        struct nlmsghdr *h;
        struct nlattr *nest;

        memset(buffer, 0, NAMES_SIZE);
        h = mnl_nlmsg_put_header(buffer);
        nest = mnl_attr_nest_start(h, IFLA_PROP_LIST);
        for (; *names; names++)
                mnl_attr_put_strz(h, IFLA_ALT_IFNAME, *names);
        mnl_attr_nest_end(h, nest);
        m.alternative_names = nest;
        return m;
}

#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void update_names(Link *l, const char *const *names) {
        _Alignas(struct nlmsghdr) char buffer[NAMES_SIZE];
        LinkMessage m = message_with_names(buffer, names);

        assert_in_range(link_update(l, &m), 0, 1);
        assert_int_equal(link_update(l, &m), 0);
}

static void assert_names(const Link *l, const char *const *names) {
        size_t n = 0;

        for (; names[n]; n++) {
                assert_non_null(l->alternative_names);
                assert_non_null(l->alternative_names[n]);
                assert_string_equal(l->alternative_names[n], names[n]);
        }
        if (l->alternative_names)
                assert_null(l->alternative_names[n]);
}

static void test_alternative_names(void **state) {
        static const char *const none[] = { NULL };
        const char *const *const steps[] = {
                none,       NAMES("a"),           NAMES("a", "b"), NAMES("b", "a"),
                NAMES("b"), NAMES("b", "c", "d"), NAMES("longer"), NAMES("long"),
                none,
        };
        LinkMessage m = message("eth0");
        _cleanup_(link_freep) Link *l = published(&m);

        update_names(l, none);
        assert_int_equal(link_take_changes(l), 0);

        for (size_t i = 1; i < ELEMENTSOF(steps); i++) {
                update_names(l, steps[i]);
                assert_names(l, steps[i]);
                assert_case(link_take_changes(l) == LINK_CHANGE_ALTERNATIVE_NAMES, "step %zu", i);
                update_names(l, steps[i]);
                assert_case(link_take_changes(l) == 0, "step %zu again", i);
        }

        /* No list at all is no names. */
        update_names(l, NAMES("a"));
        link_take_changes(l);
        assert_int_equal(link_update(l, &m), 1);
        assert_names(l, none);
        assert_int_equal(link_take_changes(l), LINK_CHANGE_ALTERNATIVE_NAMES);
}

static void test_alternative_names_there_and_back(void **state) {
        static const char *const none[] = { NULL };
        LinkMessage m = message("eth0");
        _cleanup_(link_freep) Link *l = published(&m);

        update_names(l, NAMES("a"));
        update_names(l, NAMES("a", "b"));
        update_names(l, none);
        assert_int_equal(link_take_changes(l), 0);

        update_names(l, NAMES("a", "b"));
        assert_int_equal(link_take_changes(l), LINK_CHANGE_ALTERNATIVE_NAMES);
        update_names(l, NAMES("c"));
        update_names(l, none);
        update_names(l, NAMES("a", "b"));
        assert_int_equal(link_take_changes(l), 0);
        update_names(l, NAMES("b"));
        assert_int_equal(link_take_changes(l), LINK_CHANGE_ALTERNATIVE_NAMES);

        /* Freed in the middle of it. */
        update_names(l, NAMES("c"));
        update_names(l, NAMES("d"));
}

/* What changes before the link is known to anybody is part of what it comes with. */
static void test_alternative_names_before_publication(void **state) {
        _Alignas(struct nlmsghdr) char buffer[NAMES_SIZE];
        LinkMessage m = message_with_names(buffer, NAMES("a"));
        Link *l;

        assert_int_equal(link_new(&m, &l), 0);
        assert_names(l, NAMES("a"));
        update_names(l, NAMES("b", "c"));
        assert_names(l, NAMES("b", "c"));
        link_take_changes(l);
        l->published = true;
        assert_int_equal(link_take_changes(l), 0);
        link_free(l);
}

static void test_has_name(void **state) {
        LinkMessage m = message("eth0");
        _cleanup_(link_freep) Link *l = published(&m);

        assert_true(link_has_name(l, "eth0"));
        assert_false(link_has_name(l, "a"));
        update_names(l, NAMES("a", "much-longer-than-any-name"));
        assert_true(link_has_name(l, "eth0"));
        assert_true(link_has_name(l, "a"));
        assert_true(link_has_name(l, "much-longer-than-any-name"));
        assert_false(link_has_name(l, "eth"));
        assert_false(link_has_name(l, "eth00"));
        assert_false(link_has_name(l, "much"));
        assert_false(link_has_name(l, ""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_diff_of_each_field),
                cmocka_unit_test(test_new),
                cmocka_unit_test(test_update),
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_timestamp),
                cmocka_unit_test(test_own_steps_carry_the_ledger),
                cmocka_unit_test(test_others_steps_do_not),
                cmocka_unit_test(test_a_counter_of_zero),
                cmocka_unit_test(test_alternative_names),
                cmocka_unit_test(test_alternative_names_there_and_back),
                cmocka_unit_test(test_alternative_names_before_publication),
                cmocka_unit_test(test_has_name),
        };

        return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
