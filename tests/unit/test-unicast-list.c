/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "unicast-list.h"
#include "util.h"

#define LINK 7

typedef union Buffer {
        struct nlmsghdr header;
        char bytes[512];
} Buffer;

static struct nlmsghdr *put(Buffer *b, uint8_t family, int ifindex, uint8_t flags) {
        struct nlmsghdr *h;
        struct ndmsg *n;

        memset(b, 0, sizeof(*b));
        h = mnl_nlmsg_put_header(b);
        h->nlmsg_type = RTM_NEWNEIGH;
        n = mnl_nlmsg_put_extra_header(h, sizeof(*n));
        n->ndm_family = family;
        n->ndm_ifindex = ifindex;
        n->ndm_flags = flags;
        return h;
}

/* From a copy of exactly that size, so that valgrind and ASan see a read behind it. */
static int parse(const struct nlmsghdr *h, size_t length, bool *ret) {
        _cleanup_(freep) struct nlmsghdr *copy = malloc(length);

        assert_non_null(copy);
        memcpy(copy, h, length);
        copy->nlmsg_len = (uint32_t) length;
        return unicast_list_parse(copy, LINK, ret);
}

static void test_each_condition(void **state) {
        static const struct {
                uint8_t family;
                int ifindex;
                uint8_t flags;
                const char *address;
                bool mastered, expected;
        } cases[] = {
                { AF_BRIDGE, LINK, NTF_SELF, "\2\0\0\0\0\1", false, true },
                { AF_BRIDGE, LINK, NTF_SELF, "\1\0\136\0\0\1", false, false }, /* multicast */
                { AF_BRIDGE, LINK, NTF_SELF, "\2\0\0\0\0\1", true, false },
                { AF_BRIDGE, LINK, NTF_MASTER, "\2\0\0\0\0\1", false, false },
                { AF_BRIDGE, LINK + 1, NTF_SELF, "\2\0\0\0\0\1", false, false },
                { AF_INET, LINK, NTF_SELF, "\2\0\0\0\0\1", false, false },
                { AF_BRIDGE, LINK, NTF_SELF, NULL, false, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Buffer b;
                struct nlmsghdr *h = put(&b, cases[i].family, cases[i].ifindex, cases[i].flags);
                bool listed = !cases[i].expected;

                mnl_attr_put_u16(h, NDA_VLAN, 1);
                if (cases[i].address)
                        mnl_attr_put(h, NDA_LLADDR, 6, cases[i].address);
                if (cases[i].mastered)
                        mnl_attr_put_u32(h, NDA_MASTER, 3);
                assert_case(parse(h, h->nlmsg_len, &listed) == 0, "%zu", i);
                assert_case(listed == cases[i].expected, "%zu", i);
        }
}

static void test_refused(void **state) {
        bool listed = true;
        struct nlmsghdr *h;
        Buffer b;

        h = put(&b, AF_BRIDGE, LINK, NTF_SELF);
        h->nlmsg_type = RTM_DELNEIGH;
        assert_int_equal(parse(h, h->nlmsg_len, &listed), -EBADMSG);

        h = put(&b, AF_BRIDGE, LINK, NTF_SELF);
        assert_int_equal(parse(h, h->nlmsg_len - 1, &listed), -EBADMSG);
        mnl_attr_put(h, NDA_LLADDR, 6, "\2\0\0\0\0\1");
        ((struct nlattr *) mnl_nlmsg_get_payload_offset(h, sizeof(struct ndmsg)))->nla_len = UINT16_MAX;
        assert_int_equal(parse(h, h->nlmsg_len, &listed), -EBADMSG);
        ((struct nlattr *) mnl_nlmsg_get_payload_offset(h, sizeof(struct ndmsg)))->nla_len = 3;
        assert_int_equal(parse(h, h->nlmsg_len, &listed), -EBADMSG);
        assert_true(listed); /* untouched */
}

/* Of the kernel: a real answer, one after the other on the same socket, also after a question that it does not take. */
static int count(const struct nlmsghdr *h, void *userdata) {
        assert_int_equal(h->nlmsg_type, RTM_NEWLINK);
        ++*(unsigned *) userdata;
        return 0;
}

static int stop(const struct nlmsghdr *h, void *userdata) {
        return 1;
}

static int refuse(const struct nlmsghdr *h, void *userdata) {
        return -EBADMSG;
}

static void test_dumps(void **state) {
        const struct ifinfomsg question = { .ifi_family = AF_UNSPEC };
        const struct ndmsg refused = { .ndm_family = AF_BRIDGE, .ndm_flags = NTF_SELF };
        unsigned first = 0, again = 0;
        NetlinkDump *d = NULL;
        bool listed = true;

        assert_int_equal(netlink_dump_new(NETLINK_ROUTE, &d), 0);
        assert_int_equal(netlink_dump_run(d, RTM_GETLINK, &question, sizeof(question), count, &first), 0);
        assert_true(first > 0); /* lo */
        assert_int_equal(netlink_dump_run(d, RTM_GETLINK, &question, sizeof(question), stop, NULL), 0);
        assert_int_equal(netlink_dump_run(d, RTM_GETLINK, &question, sizeof(question), refuse, NULL), -EBADMSG);
        assert_true(netlink_dump_run(d, RTM_GETLINK + 2, &question, 1, count, &first) < 0);
        /* Only the end of its list, which is empty, says that this one was not taken. */
        assert_int_equal(netlink_dump_run(d, RTM_GETNEIGH, &refused, sizeof(refused), count, &first), -EIO);
        assert_int_equal(netlink_dump_run(d, RTM_GETLINK, &question, sizeof(question), count, &again), 0);
        assert_int_equal(again, first);

        assert_int_equal(unicast_list_has(d, 1, &listed), 0);
        assert_false(listed);
        netlink_dump_free(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_condition), cmocka_unit_test(test_refused), cmocka_unit_test(test_dumps),
        };

        return cmocka_run_group_tests_name("unicast-list", tests, NULL, NULL);
}
