/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "rtnl-parse.h"
#include "text.h"
#include "util.h"

/* Walks the attributes between two addresses and refuses what does not end exactly there. Each nesting level has its
 * own callback. */
static int each_attribute(const void *start, const void *end, int (*f)(const struct nlattr *a, void *userdata),
                          void *userdata) {
        const struct nlattr *a = start;
        const char *tail = end;
        int r;

        while (mnl_attr_ok(a, (int) (tail - (const char *) a))) {
                r = f(a, userdata);
                if (r != 0)
                        return r;
                a = mnl_attr_next(a);
        }

        /* The last one's padding may be cut off. */
        return (const char *) a >= tail ? 0 : -EBADMSG;
}

static int each_nested(const struct nlattr *nest, int (*f)(const struct nlattr *a, void *userdata), void *userdata) {
        const char *payload = mnl_attr_get_payload(nest);

        return each_attribute(payload, payload + mnl_attr_get_payload_len(nest), f, userdata);
}

static int check_alternative_name(const struct nlattr *a, void *userdata) {
        if (mnl_attr_get_type(a) != IFLA_ALT_IFNAME)
                return 0;
        if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0 || strlen(mnl_attr_get_str(a)) > NAME_MAX_BYTES)
                return -EBADMSG;
        return 0;
}

static LinkKind parse_kind(const struct nlattr *a) {
        static const struct {
                const char *name;
                LinkKind kind;
        } kinds[] = {
                { "bond", LINK_KIND_BOND },       { "bridge", LINK_KIND_BRIDGE },   { "dsa", LINK_KIND_DSA },
                { "hsr", LINK_KIND_HSR },         { "macsec", LINK_KIND_MACSEC },   { "macvlan", LINK_KIND_MACVLAN },
                { "macvtap", LINK_KIND_MACVTAP }, { "netkit", LINK_KIND_PAIR },     { "openvswitch", LINK_KIND_OPENVSWITCH },
                { "team", LINK_KIND_TEAM },       { "veth", LINK_KIND_PAIR },       { "vlan", LINK_KIND_VLAN },
                { "vxcan", LINK_KIND_PAIR },
        };
        const char *kind = mnl_attr_get_str(a);
        size_t n = strnlen(kind, mnl_attr_get_payload_len(a));

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strlen(kinds[i].name) == n && memcmp(kinds[i].name, kind, n) == 0)
                        return kinds[i].kind;
        return LINK_KIND_OTHER;
}

static int parse_u32(const struct nlattr *a, uint32_t *ret) {
        if (mnl_attr_validate(a, MNL_TYPE_U32) < 0)
                return -EBADMSG;
        *ret = mnl_attr_get_u32(a);
        return 0;
}

static int parse_ifindex(const struct nlattr *a, int *ret) {
        uint32_t v;
        int r = parse_u32(a, &v);

        if (r < 0)
                return r;
        if (v > INT32_MAX)
                return -EBADMSG;
        *ret = (int) v;
        return 0;
}

static int parse_u8(const struct nlattr *a, uint8_t *ret) {
        if (mnl_attr_validate(a, MNL_TYPE_U8) < 0)
                return -EBADMSG;
        *ret = mnl_attr_get_u8(a);
        return 0;
}

static int parse_bond(const struct nlattr *a, void *userdata) {
        LinkPlace *p = userdata;
        uint8_t mode = 0;
        int r = 0;

        switch (mnl_attr_get_type(a)) {
        case IFLA_BOND_MODE:
                r = parse_u8(a, &mode);
                p->mode = mode;
                return r;
        case IFLA_BOND_ACTIVE_SLAVE:
                return parse_ifindex(a, &p->active_port);
        default:
                return 0;
        }
}

static int parse_bridge(const struct nlattr *a, void *userdata) {
        LinkPlace *p = userdata;

        return mnl_attr_get_type(a) == IFLA_BR_VLAN_FILTERING ? parse_u8(a, &p->vlan_filtering) : 0;
}

static int parse_hsr(const struct nlattr *a, void *userdata) {
        LinkPlace *p = userdata;

        switch (mnl_attr_get_type(a)) {
        case IFLA_HSR_SLAVE1:
                return parse_ifindex(a, p->ports + 0);
        case IFLA_HSR_SLAVE2:
                return parse_ifindex(a, p->ports + 1);
        default:
                return 0;
        }
}

static int parse_macvlan(const struct nlattr *a, void *userdata) {
        LinkPlace *p = userdata;

        switch (mnl_attr_get_type(a)) {
        case IFLA_MACVLAN_MODE:
                return parse_u32(a, &p->mode);
        case IFLA_MACVLAN_FLAGS:
                if (mnl_attr_validate(a, MNL_TYPE_U16) < 0)
                        return -EBADMSG;
                p->nopromisc = mnl_attr_get_u16(a) & MACVLAN_FLAG_NOPROMISC;
                return 0;
        default:
                return 0;
        }
}

/* As BR_AUTO_MASK of the kernel. */
static int parse_bridge_port(const struct nlattr *a, void *userdata) {
        LinkPlace *p = userdata;
        uint8_t on = 0;
        int r;

        if (mnl_attr_get_type(a) != IFLA_BRPORT_LEARNING && mnl_attr_get_type(a) != IFLA_BRPORT_UNICAST_FLOOD)
                return 0;

        r = parse_u8(a, &on);
        p->auto_port = p->auto_port || on;
        return r;
}

/* The kind stands before its data; if there were two, the last with what stands behind it counts. */
static int parse_linkinfo(const struct nlattr *a, void *userdata) {
        LinkPlace *p = userdata;

        switch (mnl_attr_get_type(a)) {
        case IFLA_INFO_KIND:
                p->kind = parse_kind(a);
                p->mode = 0;
                p->active_port = p->ports[0] = p->ports[1] = 0;
                p->nopromisc = p->vlan_filtering = 0;
                return mnl_attr_validate(a, MNL_TYPE_STRING) < 0 ? -EBADMSG : 0;
        case IFLA_INFO_SLAVE_KIND:
                p->master_kind = parse_kind(a);
                p->auto_port = 0;
                return mnl_attr_validate(a, MNL_TYPE_STRING) < 0 ? -EBADMSG : 0;
        case IFLA_INFO_DATA:
                return p->kind == LINK_KIND_BOND                                   ? each_nested(a, parse_bond, p) :
                        p->kind == LINK_KIND_BRIDGE                                ? each_nested(a, parse_bridge, p) :
                        p->kind == LINK_KIND_HSR                                   ? each_nested(a, parse_hsr, p) :
                        p->kind == LINK_KIND_MACVLAN || p->kind == LINK_KIND_MACVTAP ? each_nested(a, parse_macvlan, p) :
                                                                                     0;
        case IFLA_INFO_SLAVE_DATA:
                return p->master_kind == LINK_KIND_BRIDGE ? each_nested(a, parse_bridge_port, p) : 0;
        default:
                return 0;
        }
}

static int parse_name(const struct nlattr *a, LinkMessage *m) {
        const char *name = mnl_attr_get_str(a);

        /* A name becomes part of a path. */
        if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0 || name[0] == '\0' || strlen(name) >= sizeof(m->name) ||
            strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return -EBADMSG;

        strcpy(m->name, name);
        return 0;
}

typedef struct Parse {
        LinkMessage m;
        bool promiscuity, foreign_lower;
} Parse;

static int parse_attribute(const struct nlattr *a, void *userdata) {
        Parse *p = userdata;

        switch (mnl_attr_get_type(a)) {
        case IFLA_IFNAME:
                return parse_name(a, &p->m);
        case IFLA_PROMISCUITY:
                p->promiscuity = true;
                return parse_u32(a, &p->m.promiscuity);
        case IFLA_ALLMULTI:
                return parse_u32(a, &p->m.allmulti);
        case IFLA_LINK:
                return parse_ifindex(a, &p->m.place.lower);
        case IFLA_LINK_NETNSID:
                p->foreign_lower = true;
                return 0;
        case IFLA_MASTER:
                return parse_ifindex(a, &p->m.place.master);
        case IFLA_ADDRESS:
                p->m.place.address_length = mnl_attr_get_payload_len(a) > UINT8_MAX ? UINT8_MAX :
                                            (uint8_t) mnl_attr_get_payload_len(a);
                return 0;
        case IFLA_LINKINFO:
                return each_nested(a, parse_linkinfo, &p->m.place);
        case IFLA_PROP_LIST:
                p->m.alternative_names = a;
                return each_nested(a, check_alternative_name, NULL);
        case IFLA_NEW_NETNSID:
                p->m.moved = true;
                return 0;
        default:
                return 0;
        }
}

int link_message_parse(const struct nlmsghdr *h, LinkMessage *ret) {
        const struct ifinfomsg *ifi;
        Parse p = {};
        int r;

        if (h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK)
                return -ENOMSG;
        if (h->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(struct ifinfomsg))
                return -EBADMSG;

        ifi = mnl_nlmsg_get_payload(h);
        if (ifi->ifi_family != AF_UNSPEC)
                return -ENOMSG; /* an AF_BRIDGE DELLINK means that a port left, not that the device went */
        if (ifi->ifi_index <= 0)
                return -EBADMSG;

        p.m.removed = h->nlmsg_type == RTM_DELLINK;
        p.m.ifindex = ifi->ifi_index;
        p.m.flags = ifi->ifi_flags;
        p.m.change = ifi->ifi_change;

        r = each_attribute(mnl_nlmsg_get_payload_offset(h, sizeof(*ifi)), (const char *) h + h->nlmsg_len,
                           parse_attribute, &p);
        if (r < 0)
                return r;
        if (!p.m.removed && (p.m.name[0] == '\0' || !p.promiscuity))
                return -EBADMSG;

        if (p.foreign_lower || p.m.place.kind == LINK_KIND_PAIR || p.m.place.lower == p.m.ifindex)
                p.m.place.lower = 0;
        if (!p.m.removed)
                p.m.moved = false;

        *ret = p.m;
        return 0;
}

typedef struct EachName {
        int (*f)(const char *name, void *userdata);
        void *userdata;
} EachName;

static int each_name(const struct nlattr *a, void *userdata) {
        EachName *e = userdata;

        return mnl_attr_get_type(a) == IFLA_ALT_IFNAME ? e->f(mnl_attr_get_str(a), e->userdata) : 0;
}

int link_message_each_alternative_name(const LinkMessage *m, int (*f)(const char *name, void *userdata),
                                       void *userdata) {
        return m->alternative_names ? each_nested(m->alternative_names, each_name, &(EachName){ f, userdata }) : 0;
}
