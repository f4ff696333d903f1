/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rtnl-parse.h"
#include "text.h"
#include "util.h"

#define HEADER (MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct ifinfomsg)))

typedef union Buffer {
        struct nlmsghdr header;
        char bytes[MNL_NLMSG_HDRLEN + 4096];
} Buffer;

/* A message without attributes. */
static struct nlmsghdr *put_link(Buffer *b, uint16_t type, int ifindex) {
        struct nlmsghdr *h;
        struct ifinfomsg *ifi;

        memset(b, 0, sizeof(*b));
        h = mnl_nlmsg_put_header(b);
        h->nlmsg_type = type;
        ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));
        ifi->ifi_index = ifindex;
        ifi->ifi_flags = 0x11043;
        ifi->ifi_change = 0x100;
        return h;
}

/* The least that a NEWLINK has. */
static struct nlmsghdr *put_newlink(Buffer *b) {
        struct nlmsghdr *h = put_link(b, RTM_NEWLINK, 7);

        mnl_attr_put_strz(h, IFLA_IFNAME, "eth0");
        mnl_attr_put_u32(h, IFLA_PROMISCUITY, 3);
        return h;
}

static void put_alternative_names(struct nlmsghdr *h, const char *const *names) {
        struct nlattr *nest = mnl_attr_nest_start(h, IFLA_PROP_LIST);

        for (; *names; names++)
                mnl_attr_put_strz(h, IFLA_ALT_IFNAME, *names);
        mnl_attr_nest_end(h, nest);
}

static void put_kind(struct nlmsghdr *h, const char *kind) {
        struct nlattr *nest = mnl_attr_nest_start(h, IFLA_LINKINFO);

        mnl_attr_put_strz(h, IFLA_INFO_KIND, kind);
        mnl_attr_nest_end(h, nest);
}

/* Of each kind's own data those that are read, among one that is not. */
static void put_place(struct nlmsghdr *h, const char *kind, const char *master_kind) {
        struct nlattr *nest = mnl_attr_nest_start(h, IFLA_LINKINFO), *data;

        mnl_attr_put_strz(h, IFLA_INFO_KIND, kind);
        data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
        if (strcmp(kind, "bond") == 0) {
                mnl_attr_put_u8(h, IFLA_BOND_MODE, 5);
                mnl_attr_put_u32(h, IFLA_BOND_MIIMON, 100);
                mnl_attr_put_u32(h, IFLA_BOND_ACTIVE_SLAVE, 77);
        } else if (strcmp(kind, "bridge") == 0) {
                mnl_attr_put_u32(h, IFLA_BR_MAX_AGE, 1);
                mnl_attr_put_u8(h, IFLA_BR_VLAN_FILTERING, 1);
        } else {
                mnl_attr_put_u32(h, IFLA_MACVLAN_MODE, MACVLAN_MODE_PASSTHRU);
                mnl_attr_put_u16(h, IFLA_MACVLAN_FLAGS, MACVLAN_FLAG_NOPROMISC | MACVLAN_FLAG_NODST);
                mnl_attr_put_u32(h, IFLA_MACVLAN_BC_QUEUE_LEN, 1);
        }
        mnl_attr_nest_end(h, data);

        mnl_attr_put_strz(h, IFLA_INFO_SLAVE_KIND, master_kind);
        data = mnl_attr_nest_start(h, IFLA_INFO_SLAVE_DATA);
        mnl_attr_put_u8(h, IFLA_BRPORT_LEARNING, 0);
        mnl_attr_put_u8(h, IFLA_BRPORT_UNICAST_FLOOD, 1);
        mnl_attr_put_u8(h, IFLA_BRPORT_PROTECT, 0);
        mnl_attr_nest_end(h, data);
        mnl_attr_nest_end(h, nest);
}

/* One of everything that is read, among what is not. */
static struct nlmsghdr *put_full(Buffer *b) {
        static const char *const names[] = { "uplink", "enp1s0", NULL };
        struct nlmsghdr *h = put_newlink(b);

        mnl_attr_put_u32(h, IFLA_MTU, 1500);
        mnl_attr_put_u32(h, IFLA_ALLMULTI, 2);
        put_alternative_names(h, names);
        mnl_attr_put(h, IFLA_ADDRESS, 6, "\2\0\0\0\0\1");
        mnl_attr_put_u32(h, IFLA_LINK, 4);
        mnl_attr_put_u32(h, IFLA_MASTER, 5);
        mnl_attr_put_strz(h, IFLA_QDISC, "noop");
        put_kind(h, "macvlan");
        mnl_attr_put_u8(h, IFLA_OPERSTATE, 6);
        return h;
}

/* A copy of exactly that size, so that valgrind and ASan see a read behind it. */
static struct nlmsghdr *exact_copy(const struct nlmsghdr *h, size_t length) {
        struct nlmsghdr *copy = malloc(length);

        assert_non_null(copy);
        memcpy(copy, h, length);
        copy->nlmsg_len = (uint32_t) length;
        return copy;
}

static int parse(const struct nlmsghdr *h, LinkMessage *ret) {
        _cleanup_(freep) struct nlmsghdr *copy = exact_copy(h, h->nlmsg_len);
        int r = link_message_parse(copy, ret);

        /* Points into the copy, which goes now. */
        if (r >= 0)
                ret->alternative_names = NULL;
        return r;
}

static int check_name(const char *name, void *userdata) {
        unsigned *n = userdata;

        assert_true(strlen(name) <= NAME_MAX_BYTES);
        ++*n;
        return 0;
}

/* What must hold of every message that is accepted; reads all that the parser gives. */
static void check_accepted(const struct nlmsghdr *h, const LinkMessage *m) {
        unsigned n = 0;

        assert_true(m->ifindex > 0);
        assert_true(m->place.lower >= 0 && m->place.master >= 0);
        assert_true(m->place.lower != m->ifindex);
        assert_int_equal(m->removed, h->nlmsg_type == RTM_DELLINK);
        assert_true(strnlen(m->name, sizeof(m->name)) < sizeof(m->name));
        assert_true(m->removed || m->name[0] != '\0');
        assert_null(strchr(m->name, '/'));
        assert_int_equal(link_message_each_alternative_name(m, check_name, &n), 0);
}

static void test_full(void **state) {
        LinkMessage m;
        Buffer b;

        assert_int_equal(parse(put_full(&b), &m), 0);
        assert_false(m.removed);
        assert_false(m.moved);
        assert_int_equal(m.ifindex, 7);
        assert_int_equal(m.flags, 0x11043);
        assert_int_equal(m.change, 0x100);
        assert_string_equal(m.name, "eth0");
        assert_int_equal(m.promiscuity, 3);
        assert_int_equal(m.allmulti, 2);
        assert_int_equal(m.place.address_length, 6);
        assert_int_equal(m.place.kind, LINK_KIND_MACVLAN);
        assert_int_equal(m.place.lower, 4);
        assert_int_equal(m.place.master, 5);
}

static void test_least(void **state) {
        LinkMessage m;
        Buffer b;

        assert_int_equal(parse(put_newlink(&b), &m), 0);
        assert_int_equal(m.allmulti, 0); /* before Linux 6.1 */
        assert_int_equal(m.place.address_length, 0);
        assert_int_equal(m.place.lower, 0);
        assert_int_equal(m.place.master, 0);

        /* Without name or counter it is nothing. */
        mnl_attr_put_strz(put_link(&b, RTM_NEWLINK, 7), IFLA_IFNAME, "eth0");
        assert_int_equal(parse(&b.header, &m), -EBADMSG);
        mnl_attr_put_u32(put_link(&b, RTM_NEWLINK, 7), IFLA_PROMISCUITY, 3);
        assert_int_equal(parse(&b.header, &m), -EBADMSG);
}

static void test_corrupt_counter(void **state) {
        struct nlmsghdr *h;
        LinkMessage m;
        Buffer b;

        h = put_link(&b, RTM_NEWLINK, INT32_MAX);
        mnl_attr_put_strz(h, IFLA_IFNAME, "eth0");
        mnl_attr_put_u32(h, IFLA_PROMISCUITY, UINT32_MAX);
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.promiscuity, UINT32_MAX);
        assert_int_equal(m.ifindex, INT32_MAX);
}

static void test_not_a_link(void **state) {
        static const uint16_t types[] = { NLMSG_NOOP,   NLMSG_ERROR,  NLMSG_DONE,
                                          RTM_GETLINK,  RTM_SETLINK,  RTM_NEWADDR,
                                          RTM_NEWNEIGH, RTM_NEWROUTE, RTM_NEWLINKPROP };
        LinkMessage m = { .ifindex = 99 };
        struct ifinfomsg *ifi;
        Buffer b;

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                put_full(&b)->nlmsg_type = types[i];
                assert_int_equal(parse(&b.header, &m), -ENOMSG);
        }

        /* A port that joined or left its bridge. */
        ifi = mnl_nlmsg_get_payload(put_full(&b));
        ifi->ifi_family = AF_BRIDGE;
        assert_int_equal(parse(&b.header, &m), -ENOMSG);
        b.header.nlmsg_type = RTM_DELLINK;
        assert_int_equal(parse(&b.header, &m), -ENOMSG);
        assert_int_equal(m.ifindex, 99);
}

static void test_bad_index(void **state) {
        LinkMessage m;
        Buffer b;

        ((struct ifinfomsg *) mnl_nlmsg_get_payload(put_full(&b)))->ifi_index = 0;
        assert_int_equal(parse(&b.header, &m), -EBADMSG);
        ((struct ifinfomsg *) mnl_nlmsg_get_payload(put_full(&b)))->ifi_index = -1;
        assert_int_equal(parse(&b.header, &m), -EBADMSG);
}

static void test_dellink(void **state) {
        struct nlmsghdr *h;
        LinkMessage m;
        Buffer b;

        assert_int_equal(parse(put_link(&b, RTM_DELLINK, 7), &m), 0);
        assert_true(m.removed);
        assert_false(m.moved);
        assert_int_equal(m.ifindex, 7);

        h = put_full(&b);
        h->nlmsg_type = RTM_DELLINK;
        assert_int_equal(parse(h, &m), 0);
        assert_true(m.removed);
        assert_false(m.moved);

        mnl_attr_put_u32(h, IFLA_NEW_NETNSID, UINT32_MAX); /* NETNSA_NSID_NOT_ASSIGNED, -1 */
        mnl_attr_put_u32(h, IFLA_NEW_IFINDEX, 7);
        assert_int_equal(parse(h, &m), 0);
        assert_true(m.removed);
        assert_true(m.moved);

        h->nlmsg_type = RTM_NEWLINK;
        assert_int_equal(parse(h, &m), 0);
        assert_false(m.removed);
        assert_false(m.moved);
}

static void test_lower(void **state) {
        struct nlmsghdr *h;
        LinkMessage m;
        Buffer b;

        /* Below, but in another namespace. */
        h = put_full(&b);
        mnl_attr_put_u32(h, IFLA_LINK_NETNSID, 0);
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.place.lower, 0);
        assert_int_equal(m.place.master, 5);

        /* The same, whichever of them comes first. */
        h = put_newlink(&b);
        mnl_attr_put_u32(h, IFLA_LINK_NETNSID, 0);
        mnl_attr_put_u32(h, IFLA_LINK, 4);
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.place.lower, 0);

        /* A peer is beside, not below. */
        h = put_newlink(&b);
        mnl_attr_put_u32(h, IFLA_LINK, 4);
        put_kind(h, "veth");
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.place.kind, LINK_KIND_PAIR);
        assert_int_equal(m.place.lower, 0);

        /* Some devices name themselves. */
        h = put_newlink(&b);
        mnl_attr_put_u32(h, IFLA_LINK, 7);
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.place.lower, 0);

        h = put_newlink(&b);
        mnl_attr_put_u32(h, IFLA_LINK, (uint32_t) INT32_MAX + 1);
        assert_int_equal(parse(h, &m), -EBADMSG);
        h = put_newlink(&b);
        mnl_attr_put_u32(h, IFLA_MASTER, UINT32_MAX);
        assert_int_equal(parse(h, &m), -EBADMSG);
}

/* Each kind's data is read as its own, and nobody else's. */
static void test_place(void **state) {
        struct nlmsghdr *h;
        LinkMessage m;
        Buffer b;

        h = put_newlink(&b);
        put_place(h, "bond", "bridge");
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.place.mode, 5);
        assert_int_equal(m.place.active_port, 77);
        assert_int_equal(m.place.master_kind, LINK_KIND_BRIDGE);
        assert_true(m.place.auto_port && !m.place.vlan_filtering && !m.place.nopromisc);

        h = put_newlink(&b);
        put_place(h, "bridge", "team");
        assert_int_equal(parse(h, &m), 0);
        assert_true(m.place.vlan_filtering && !m.place.auto_port && !m.place.nopromisc);
        assert_int_equal(m.place.active_port, 0);

        h = put_newlink(&b);
        put_place(h, "macvtap", "");
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.place.mode, MACVLAN_MODE_PASSTHRU);
        assert_true(m.place.nopromisc && !m.place.vlan_filtering && !m.place.auto_port);

        h = put_newlink(&b);
        put_place(h, "ipvlan", "bond");
        assert_int_equal(parse(h, &m), 0);
        assert_true(m.place.mode == 0 && !m.place.nopromisc && !m.place.auto_port);
}

/* Data of the wrong size are refused, not guessed. */
/* The kernel does not send two; the last counts, with nothing of the first. */
static void test_two_places(void **state) {
        Buffer b;
        struct nlmsghdr *h = put_newlink(&b);
        LinkMessage m;

        put_place(h, "bond", "bridge");
        put_place(h, "macvlan", "team");
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.place.kind, LINK_KIND_MACVLAN);
        assert_int_equal(m.place.active_port, 0);
        assert_true(m.place.nopromisc && !m.place.auto_port);
}

static void test_place_refused(void **state) {
        static const struct {
                const char *kind;
                uint16_t type, size;
        } cases[] = {
                { "bond", IFLA_BOND_MODE, 4 },           { "bond", IFLA_BOND_ACTIVE_SLAVE, 1 },
                { "bridge", IFLA_BR_VLAN_FILTERING, 2 }, { "macvlan", IFLA_MACVLAN_MODE, 2 },
                { "macvtap", IFLA_MACVLAN_FLAGS, 4 },
        };
        struct nlattr *nest, *data;
        struct nlmsghdr *h;
        LinkMessage m;
        Buffer b;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                h = put_newlink(&b);
                nest = mnl_attr_nest_start(h, IFLA_LINKINFO);
                mnl_attr_put_strz(h, IFLA_INFO_KIND, cases[i].kind);
                data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
                mnl_attr_put(h, cases[i].type, cases[i].size, "\1\0\0\0");
                mnl_attr_nest_end(h, data);
                mnl_attr_nest_end(h, nest);
                assert_case(parse(h, &m) == -EBADMSG, "%s %u", cases[i].kind, cases[i].type);
        }

        h = put_newlink(&b);
        nest = mnl_attr_nest_start(h, IFLA_LINKINFO);
        mnl_attr_put_strz(h, IFLA_INFO_SLAVE_KIND, "bridge");
        data = mnl_attr_nest_start(h, IFLA_INFO_SLAVE_DATA);
        mnl_attr_put_u16(h, IFLA_BRPORT_LEARNING, 1);
        mnl_attr_nest_end(h, data);
        mnl_attr_nest_end(h, nest);
        assert_int_equal(parse(h, &m), -EBADMSG);
}

static void test_kind(void **state) {
        static const struct {
                const char *kind;
                LinkKind expected;
        } cases[] = {
                { "veth", LINK_KIND_PAIR },       { "vxcan", LINK_KIND_PAIR },
                { "netkit", LINK_KIND_PAIR },     { "bond", LINK_KIND_BOND },
                { "team", LINK_KIND_TEAM },       { "bridge", LINK_KIND_BRIDGE },
                { "vlan", LINK_KIND_VLAN },       { "macvlan", LINK_KIND_MACVLAN },
                { "macvtap", LINK_KIND_MACVTAP }, { "macsec", LINK_KIND_MACSEC },
                { "hsr", LINK_KIND_HSR },         { "openvswitch", LINK_KIND_OPENVSWITCH },
                { "dsa", LINK_KIND_DSA },         { "vet", LINK_KIND_OTHER },
                { "vethx", LINK_KIND_OTHER },     { "bonding", LINK_KIND_OTHER },
                { "tea", LINK_KIND_OTHER },       { "VETH", LINK_KIND_OTHER },
                { "", LINK_KIND_OTHER },
        };
        struct nlmsghdr *h;
        struct nlattr *nest;
        LinkMessage m;
        Buffer b;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                h = put_newlink(&b);
                put_kind(h, cases[i].kind);
                assert_int_equal(parse(h, &m), 0);
                assert_case(m.place.kind == cases[i].expected, "%s", cases[i].kind);
        }

        /* Not all senders end it with a NUL. */
        h = put_newlink(&b);
        nest = mnl_attr_nest_start(h, IFLA_LINKINFO);
        mnl_attr_put(h, IFLA_INFO_KIND, 4, "veth");
        mnl_attr_nest_end(h, nest);
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.place.kind, LINK_KIND_PAIR);

        /* A port's kind is not its own. */
        h = put_newlink(&b);
        nest = mnl_attr_nest_start(h, IFLA_LINKINFO);
        mnl_attr_put_strz(h, IFLA_INFO_SLAVE_KIND, "bond");
        mnl_attr_nest_end(h, nest);
        assert_int_equal(parse(h, &m), 0);
        assert_int_equal(m.place.kind, LINK_KIND_OTHER);
        assert_int_equal(m.place.master_kind, LINK_KIND_BOND);

        h = put_newlink(&b);
        nest = mnl_attr_nest_start(h, IFLA_LINKINFO);
        mnl_attr_put(h, IFLA_INFO_KIND, 0, "");
        mnl_attr_nest_end(h, nest);
        assert_int_equal(parse(h, &m), -EBADMSG);
}

static void test_name(void **state) {
        static const struct {
                const char *name;
                size_t length; /* with the NUL, where it has one */
                int expected;
        } cases[] = {
                { "e", 2, 0 },
                { "fifteen-bytes-x", 16, 0 },
                { "\xff\x01 \\", 5, 0 }, /* bytes, not text */
                { "...", 4, 0 },
                { "eth0\0rest", 10, 0 },
                { "sixteen-bytes-xx", 17, -EBADMSG },
                { "eth0", 4, -EBADMSG }, /* no NUL */
                { "", 0, -EBADMSG },
                { "", 1, -EBADMSG },
                { ".", 2, -EBADMSG },
                { "..", 3, -EBADMSG },
                { "/", 2, -EBADMSG },
                { "../lo", 6, -EBADMSG },
                { "a/b", 4, -EBADMSG },
        };
        LinkMessage m;
        Buffer b;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct nlmsghdr *h = put_link(&b, RTM_NEWLINK, 7);

                mnl_attr_put_u32(h, IFLA_PROMISCUITY, 0);
                mnl_attr_put(h, IFLA_IFNAME, cases[i].length, cases[i].name);
                assert_case(parse(h, &m) == cases[i].expected, "\"%s\"", cases[i].name);
                if (cases[i].expected == 0)
                        assert_string_equal(m.name, cases[i].name);
        }
}

static void test_address(void **state) {
        static const size_t lengths[] = { 0, 1, 4, 6, 8, 16, 20, 32, 255, 256, 300 };
        static const char address[300];
        LinkMessage m;
        Buffer b;

        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                mnl_attr_put(put_newlink(&b), IFLA_ADDRESS, lengths[i], address);
                assert_int_equal(parse(&b.header, &m), 0);
                assert_int_equal(m.place.address_length, lengths[i] < UINT8_MAX ? lengths[i] : UINT8_MAX);
        }
}

static void test_numbers_of_other_sizes(void **state) {
        static const uint16_t types[] = { IFLA_PROMISCUITY, IFLA_ALLMULTI, IFLA_LINK, IFLA_MASTER };
        static const char zeros[16];
        LinkMessage m;
        Buffer b;

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                for (size_t length = 0; length <= sizeof(zeros); length++) {
                        mnl_attr_put(put_newlink(&b), types[i], length, zeros);
                        assert_case(parse(&b.header, &m) == (length == 4 ? 0 : -EBADMSG), "%u: %zu bytes",
                                    types[i], length);
                }
}

typedef struct Names {
        char text[512];
        unsigned n, stop_at;
} Names;

static int collect_name(const char *name, void *userdata) {
        Names *n = userdata;

        strcat(n->text, name);
        strcat(n->text, " ");
        return ++n->n == n->stop_at ? 42 : 0;
}

static void test_alternative_names(void **state) {
        static const char *const two[] = { "uplink", "\xff/x", NULL };
        struct nlattr *nest;
        struct nlmsghdr *h;
        char longest[NAME_MAX_BYTES + 2];
        Names names = {};
        LinkMessage m;
        Buffer b;

        h = put_newlink(&b);
        assert_int_equal(link_message_parse(h, &m), 0);
        assert_int_equal(link_message_each_alternative_name(&m, collect_name, &names), 0);
        assert_int_equal(names.n, 0);

        put_alternative_names(h, two);
        assert_int_equal(link_message_parse(h, &m), 0);
        assert_int_equal(link_message_each_alternative_name(&m, collect_name, &names), 0);
        assert_string_equal(names.text, "uplink \xff/x ");

        names = (Names){ .stop_at = 1 };
        assert_int_equal(link_message_each_alternative_name(&m, collect_name, &names), 42);
        assert_int_equal(names.n, 1);

        /* Other properties may come some day. */
        h = put_newlink(&b);
        nest = mnl_attr_nest_start(h, IFLA_PROP_LIST);
        mnl_attr_put_u32(h, IFLA_ALT_IFNAME + 20, 0);
        mnl_attr_put_strz(h, IFLA_ALT_IFNAME, "uplink");
        mnl_attr_nest_end(h, nest);
        assert_int_equal(link_message_parse(h, &m), 0);
        names = (Names){};
        link_message_each_alternative_name(&m, collect_name, &names);
        assert_string_equal(names.text, "uplink ");

        memset(longest, 'a', sizeof(longest));
        longest[NAME_MAX_BYTES] = '\0';
        h = put_newlink(&b);
        put_alternative_names(h, (const char *[]){ longest, NULL });
        assert_int_equal(parse(h, &m), 0);

        longest[NAME_MAX_BYTES] = 'a';
        longest[NAME_MAX_BYTES + 1] = '\0';
        h = put_newlink(&b);
        put_alternative_names(h, (const char *[]){ "uplink", longest, NULL });
        assert_int_equal(parse(h, &m), -EBADMSG);

        h = put_newlink(&b);
        nest = mnl_attr_nest_start(h, IFLA_PROP_LIST);
        mnl_attr_put(h, IFLA_ALT_IFNAME, 6, "uplink"); /* no NUL */
        mnl_attr_nest_end(h, nest);
        assert_int_equal(parse(h, &m), -EBADMSG);
}

static void test_shorter_than_its_header(void **state) {
        LinkMessage m;
        Buffer b;

        for (uint32_t length = MNL_NLMSG_HDRLEN; length < HEADER; length++) {
                put_full(&b)->nlmsg_len = length;
                assert_int_equal(parse(&b.header, &m), -EBADMSG);
        }
}

/* Whether a message that is cut there still consists of whole attributes, and of those that it needs. */
static bool is_whole_at(const struct nlmsghdr *h, size_t cut) {
        bool name = h->nlmsg_type == RTM_DELLINK, promiscuity = name, whole = cut == HEADER;
        size_t at = HEADER;

        while (at < cut) {
                const struct nlattr *a = (const struct nlattr *) ((const char *) h + at);

                whole = at + a->nla_len <= cut;
                if (!whole)
                        break;
                name = name || mnl_attr_get_type(a) == IFLA_IFNAME;
                promiscuity = promiscuity || mnl_attr_get_type(a) == IFLA_PROMISCUITY;
                at += MNL_ALIGN(a->nla_len);
        }

        return whole && name && promiscuity;
}

static void check_truncations(const struct nlmsghdr *h) {
        for (size_t cut = MNL_NLMSG_HDRLEN; cut <= h->nlmsg_len; cut++) {
                _cleanup_(freep) struct nlmsghdr *copy = exact_copy(h, cut);
                int expected = is_whole_at(h, cut) ? 0 : -EBADMSG;
                LinkMessage m;
                int r = link_message_parse(copy, &m);

                assert_case(r == expected, "cut at %zu of %u: %i", cut, h->nlmsg_len, r);
                if (r == 0)
                        check_accepted(copy, &m);
        }
}

/* Each attribute between two offsets lies about its length. Those outside of the message or shorter than
 * their own header are refused; the others read as something else, but not as what is not theirs. */
static void check_lies(const struct nlmsghdr *h, size_t begin, size_t end) {
        const struct nlattr *a;

        for (size_t at = begin; at < end; at += MNL_ALIGN(a->nla_len)) {
                size_t left = end - at;
                const size_t lies[] = { 0,        1,        2,        3,        4,      5,      8,
                                        left - 4, left - 1, left + 1, left + 4, 0x7fff, 0xfffc, 0xffff };

                a = (const struct nlattr *) ((const char *) h + at);
                for (size_t i = 0; i < ELEMENTSOF(lies); i++) {
                        _cleanup_(freep) struct nlmsghdr *copy = exact_copy(h, h->nlmsg_len);
                        struct nlattr *liar = (struct nlattr *) ((char *) copy + at);
                        LinkMessage m;
                        int r;

                        liar->nla_len = (uint16_t) lies[i];
                        r = link_message_parse(copy, &m);
                        if (lies[i] < 4 || lies[i] > left)
                                assert_case(r == -EBADMSG, "at %zu: %zu", at, lies[i]);
                        if (r == 0)
                                check_accepted(copy, &m);
                }

                if (begin == HEADER &&
                    (mnl_attr_get_type(a) == IFLA_PROP_LIST || mnl_attr_get_type(a) == IFLA_LINKINFO))
                        check_lies(h, at + MNL_ATTR_HDRLEN, at + a->nla_len);
        }
}

/* Noise on top of a good message. */
static void check_noise(const struct nlmsghdr *h, uint64_t *seed, unsigned rounds) {
        for (unsigned i = 0; i < rounds; i++) {
                _cleanup_(freep) struct nlmsghdr *copy = exact_copy(h, h->nlmsg_len);
                LinkMessage m;

                for (unsigned n = 1 + unit_random(seed) % 4; n > 0; n--)
                        ((uint8_t *) copy)[MNL_NLMSG_HDRLEN +
                                           unit_random(seed) % (h->nlmsg_len - MNL_NLMSG_HDRLEN)] =
                                        (uint8_t) unit_random(seed);
                if (link_message_parse(copy, &m) == 0)
                        check_accepted(copy, &m);
        }
}

static void check_hostile(const struct nlmsghdr *h) {
        uint64_t seed = 1;

        check_truncations(h);
        check_lies(h, HEADER, h->nlmsg_len);
        check_noise(h, &seed, 2000);
}

static void test_hostile_by_hand(void **state) {
        Buffer b;

        check_hostile(put_newlink(&b));
        check_hostile(put_full(&b));
        b.header.nlmsg_type = RTM_DELLINK;
        check_hostile(&b.header);
}

typedef struct Dump {
        unsigned n;
        bool loopback;
} Dump;

static void on_dumped(const struct nlmsghdr *h, void *userdata) {
        Dump *d = userdata;
        LinkMessage m;

        assert_int_equal(parse(h, &m), 0);
        d->n++;
        if (m.flags & IFF_LOOPBACK) {
                d->loopback = true;
                assert_int_equal(m.ifindex, if_nametoindex("lo"));
                assert_string_equal(m.name, "lo");
                assert_int_equal(m.place.address_length, 6);
        }

        check_hostile(h);
}

static void on_other(const struct nlmsghdr *h, void *userdata) {
        LinkMessage m;

        assert_int_equal(parse(h, &m), -ENOMSG);
}

/* All that the kernel of this machine says to such a question goes to f. */
static void dump(uint16_t type, unsigned char family, void (*f)(const struct nlmsghdr *h, void *userdata),
                 void *userdata) {
        struct mnl_socket *s = mnl_socket_open(NETLINK_ROUTE);
        _cleanup_(freep) char *answer = malloc(32768);
        char question[MNL_NLMSG_HDRLEN + 64];
        struct nlmsghdr *h = mnl_nlmsg_put_header(question);
        bool done = false;

        assert_non_null(s);
        assert_non_null(answer);
        assert_return_code(mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID), errno);

        h->nlmsg_type = type;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = 1;
        if (type == RTM_GETLINK)
                ((struct ifinfomsg *) mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg)))->ifi_family =
                                family;
        else
                mnl_nlmsg_put_extra_header(h, sizeof(struct ndmsg));
        assert_return_code(mnl_socket_sendto(s, h, h->nlmsg_len), errno);

        while (!done) {
                ssize_t n = mnl_socket_recvfrom(s, answer, 32768);
                int left = (int) n;

                assert_return_code(n, errno);
                for (h = (struct nlmsghdr *) answer; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
                        assert_int_not_equal(h->nlmsg_type, NLMSG_ERROR);
                        done = h->nlmsg_type == NLMSG_DONE;
                        if (!done)
                                f(h, userdata);
                }
        }
        mnl_socket_close(s);
}

static void test_hostile_from_kernel(void **state) {
        Dump d = {};

        dump(RTM_GETLINK, AF_UNSPEC, on_dumped, &d);
        assert_true(d.n > 0);
        assert_true(d.loopback);
        /* There may be none of these. */
        dump(RTM_GETLINK, AF_BRIDGE, on_other, NULL);
        dump(RTM_GETNEIGH, AF_UNSPEC, on_other, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_least),
                cmocka_unit_test(test_corrupt_counter),
                cmocka_unit_test(test_not_a_link),
                cmocka_unit_test(test_bad_index),
                cmocka_unit_test(test_dellink),
                cmocka_unit_test(test_lower),
                cmocka_unit_test(test_kind), cmocka_unit_test(test_place), cmocka_unit_test(test_two_places),
                cmocka_unit_test(test_place_refused),
                cmocka_unit_test(test_name),
                cmocka_unit_test(test_address),
                cmocka_unit_test(test_numbers_of_other_sizes),
                cmocka_unit_test(test_alternative_names),
                cmocka_unit_test(test_shorter_than_its_header),
                cmocka_unit_test(test_hostile_by_hand),
                cmocka_unit_test(test_hostile_from_kernel),
        };

        return cmocka_run_group_tests_name("rtnl-parse", tests, NULL, NULL);
}
