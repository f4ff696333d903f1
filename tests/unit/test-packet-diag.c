/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_packet.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>

#include "packet-diag.h"
#include "util.h"

typedef struct packet_diag_mclist Item;

typedef union Buffer {
        struct nlmsghdr header;
        char bytes[8192];
} Buffer;

static struct nlmsghdr *put_socket(Buffer *b, uint32_t inode) {
        struct packet_diag_msg *m;
        struct nlmsghdr *h;

        memset(b, 0, sizeof(*b));
        h = mnl_nlmsg_put_header(b);
        h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
        m->pdiag_family = AF_PACKET;
        m->pdiag_ino = inode;
        return h;
}

static Item item(uint32_t ifindex, uint16_t type, uint16_t length) {
        Item i = { .pdmc_index = ifindex, .pdmc_count = 1, .pdmc_type = type, .pdmc_alen = length };

        for (unsigned k = 0; k < sizeof(i.pdmc_addr); k++)
                i.pdmc_addr[k] = (uint8_t) (k + 1);
        return i;
}

typedef struct Seen {
        unsigned n, stop_after;
        PacketEntry entries[64];
} Seen;

static int see(const PacketEntry *e, void *userdata) {
        Seen *s = userdata;

        assert_true(s->n < ELEMENTSOF(s->entries));
        s->entries[s->n++] = *e;
        return s->n == s->stop_after ? 42 : 0;
}

/* From a copy of exactly that size, so that valgrind and ASan see a read behind it. */
static int parse(const struct nlmsghdr *h, size_t length, Seen *s) {
        _cleanup_(freep) struct nlmsghdr *copy = malloc(length);

        assert_non_null(copy);
        memcpy(copy, h, length);
        copy->nlmsg_len = (uint32_t) length;
        return packet_diag_parse(copy, see, s);
}

static int parse_items(const Item *items, size_t n, Seen *s) {
        Buffer b;
        struct nlmsghdr *h = put_socket(&b, 4711);

        mnl_attr_put(h, PACKET_DIAG_MCLIST, n * sizeof(*items), items);
        return parse(h, h->nlmsg_len, s);
}

static void test_socket_alone(void **state) {
        Seen s = {};
        Buffer b;
        struct nlmsghdr *h = put_socket(&b, 4711);

        assert_int_equal(parse(h, h->nlmsg_len, &s), 0);
        assert_int_equal(s.n, 1);
        assert_int_equal(s.entries[0].inode, 4711);
        assert_int_equal(s.entries[0].ifindex, 0);
}

static void test_entries(void **state) {
        const Item items[] = {
                item(7, PACKET_MR_PROMISC, 6), item(8, PACKET_MR_ALLMULTI, 6),  item(9, PACKET_MR_PROMISC, 0),
                item(7, PACKET_MR_UNICAST, 6), item(7, PACKET_MR_MULTICAST, 6), item(INT32_MAX, PACKET_MR_PROMISC, 32),
        };
        Seen s = {};
        Buffer b;
        struct nlmsghdr *h = put_socket(&b, UINT32_MAX);

        /* Among what was not asked for. */
        mnl_attr_put_u32(h, PACKET_DIAG_UID, 5);
        mnl_attr_put(h, PACKET_DIAG_MCLIST, sizeof(items), items);
        mnl_attr_put_u32(h, PACKET_DIAG_FANOUT, 5);
        assert_int_equal(parse(h, h->nlmsg_len, &s), 0);
        assert_int_equal(s.n, 4);
        for (unsigned i = 0; i < s.n; i++)
                assert_true(s.entries[i].inode == UINT32_MAX && s.entries[i].uid == 5);
        assert_int_equal(s.entries[0].ifindex, 0);
        assert_int_equal(s.entries[1].ifindex, 7);
        assert_int_equal(s.entries[1].address_length, 6);
        assert_memory_equal(s.entries[1].address, items[0].pdmc_addr, 6);
        assert_int_equal(s.entries[2].ifindex, 9);
        assert_int_equal(s.entries[2].address_length, 0);
        assert_int_equal(s.entries[3].ifindex, INT32_MAX);
        assert_int_equal(s.entries[3].address_length, 32);
        assert_memory_equal(s.entries[3].address, items[5].pdmc_addr, 32);
}

static void test_empty_list(void **state) {
        Seen s = {};

        assert_int_equal(parse_items(NULL, 0, &s), 0);
        assert_int_equal(s.n, 1);
}

/* What f says ends it, and is the answer. */
static void test_stop(void **state) {
        const Item items[] = { item(7, PACKET_MR_PROMISC, 6), item(8, PACKET_MR_PROMISC, 6),
                               item(9, PACKET_MR_PROMISC, 6) };

        for (unsigned n = 1; n <= 4; n++) {
                Seen s = { .stop_after = n };

                assert_int_equal(parse_items(items, ELEMENTSOF(items), &s), 42);
                assert_int_equal(s.n, n);
        }
}

static void test_refused(void **state) {
        const Item bad[] = {
                item(0, PACKET_MR_PROMISC, 6),
                item(UINT32_C(1) << 31, PACKET_MR_PROMISC, 6),
                item(UINT32_MAX, PACKET_MR_PROMISC, 6),
                item(7, PACKET_MR_PROMISC, 33),
                item(7, PACKET_MR_PROMISC, UINT16_MAX),
        };
        Seen s = {};
        Buffer b;
        struct nlmsghdr *h;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_case(parse_items(bad + i, 1, &s) == -EBADMSG, "%zu", i);

        h = put_socket(&b, 1);
        h->nlmsg_type = NLMSG_MIN_TYPE;
        assert_int_equal(parse(h, h->nlmsg_len, &s), -EBADMSG);

        /* A user of the wrong size. */
        h = put_socket(&b, 1);
        mnl_attr_put_u8(h, PACKET_DIAG_UID, 5);
        assert_int_equal(parse(h, h->nlmsg_len, &s), -EBADMSG);

        /* Half an entry. */
        h = put_socket(&b, 1);
        mnl_attr_put(h, PACKET_DIAG_MCLIST, sizeof(Item) - 4, bad);
        assert_int_equal(parse(h, h->nlmsg_len, &s), -EBADMSG);

        /* Attributes that say more or less than there can be. */
        for (uint16_t n = 0; n < 4; n++) {
                h = put_socket(&b, 1);
                mnl_attr_put(h, PACKET_DIAG_MCLIST, sizeof(Item), bad);
                ((struct nlattr *) mnl_nlmsg_get_payload_offset(h, sizeof(struct packet_diag_msg)))->nla_len = n;
                assert_case(parse(h, h->nlmsg_len, &s) == -EBADMSG, "%u", n);
        }
        h = put_socket(&b, 1);
        mnl_attr_put(h, PACKET_DIAG_MCLIST, sizeof(Item), bad);
        ((struct nlattr *) mnl_nlmsg_get_payload_offset(h, sizeof(struct packet_diag_msg)))->nla_len = UINT16_MAX;
        assert_int_equal(parse(h, h->nlmsg_len, &s), -EBADMSG);
}

/* Cut anywhere, it is refused or, between two attributes, a shorter list. */
static void test_cut(void **state) {
        const Item items[] = { item(7, PACKET_MR_PROMISC, 6), item(8, PACKET_MR_PROMISC, 6) };
        const size_t head = MNL_NLMSG_HDRLEN + sizeof(struct packet_diag_msg);
        Buffer b;
        struct nlmsghdr *h = put_socket(&b, 1);

        mnl_attr_put(h, PACKET_DIAG_MCLIST, sizeof(Item), items);
        mnl_attr_put(h, PACKET_DIAG_MCLIST, sizeof(Item), items + 1);
        for (size_t n = MNL_NLMSG_HDRLEN; n < h->nlmsg_len; n++) {
                bool between = n == head || n == head + MNL_ATTR_HDRLEN + sizeof(Item);
                Seen s = {};

                assert_case(parse(h, n, &s) == (between ? 0 : -EBADMSG), "%zu", n);
        }
}

static void test_noise(void **state) {
        const Item items[] = { item(7, PACKET_MR_PROMISC, 6), item(8, PACKET_MR_PROMISC, 0) };
        Buffer b, noisy;
        struct nlmsghdr *h = put_socket(&b, 1);
        unsigned n_taken = 0, n_refused = 0;
        uint64_t seed = 11;

        mnl_attr_put(h, PACKET_DIAG_MCLIST, sizeof(items), items);
        for (unsigned i = 0; i < 50000; i++) {
                Seen s = {};
                int r;

                noisy = b;
                for (unsigned k = 0; k < 3; k++)
                        noisy.bytes[MNL_NLMSG_HDRLEN + unit_random(&seed) % (h->nlmsg_len - MNL_NLMSG_HDRLEN)] =
                                (char) unit_random(&seed);
                r = parse(&noisy.header, h->nlmsg_len, &s);
                assert_true(r == 0 || r == -EBADMSG);
                n_taken += r == 0;
                n_refused += r != 0;
                for (unsigned k = 1; k < s.n; k++)
                        assert_true(s.entries[k].ifindex > 0 && s.entries[k].address_length <= 32);
        }
        assert_true(n_taken > 0 && n_refused > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_socket_alone), cmocka_unit_test(test_entries), cmocka_unit_test(test_empty_list),
                cmocka_unit_test(test_stop),         cmocka_unit_test(test_refused), cmocka_unit_test(test_cut),
                cmocka_unit_test(test_noise),
        };

        return cmocka_run_group_tests_name("packet-diag", tests, NULL, NULL);
}
