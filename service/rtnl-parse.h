/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/netlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What this service reads of one RTM_NEWLINK or RTM_DELLINK. */

/* Kinds of devices that have to do with other devices' counters. */
typedef enum LinkKind {
        LINK_KIND_OTHER,
        LINK_KIND_PAIR, /* veth and the like: IFLA_LINK is the peer, not a device below */
        LINK_KIND_BOND,
        LINK_KIND_BRIDGE,
        LINK_KIND_DSA,
        LINK_KIND_HSR,
        LINK_KIND_MACSEC,
        LINK_KIND_MACVLAN,
        LINK_KIND_MACVTAP,
        LINK_KIND_OPENVSWITCH,
        LINK_KIND_TEAM,
        LINK_KIND_VLAN,
} LinkKind;

/* Where a device stands among the others. */
typedef struct LinkPlace {
        LinkKind kind;
        int lower;            /* ifindex of the device it is stacked on in this namespace, or 0 */
        int master;           /* ifindex of the device it is a port of, or 0 */
        LinkKind master_kind; /* what it is a port of */
        uint32_t mode;        /* of a macvlan, macvtap or bond: the kernel's number */
        int active_port;      /* of a bond: ifindex of the one port that it uses, or 0 */
        int ports[2];         /* of an hsr device: ifindexes; it is no master of them */
        uint8_t nopromisc;      /* of a macvlan, macvtap: MACVLAN_FLAG_NOPROMISC */
        uint8_t vlan_filtering; /* of a bridge */
        uint8_t auto_port;      /* of a bridge: it learns on this port or floods to it */
        uint8_t address_length; /* of IFLA_ADDRESS: bytes, 0 where there is none */
} LinkPlace;

/* Whether the addresses of a device of that kind go on to its ports. */
static inline bool link_kind_is_aggregate(LinkKind k) {
        return k == LINK_KIND_BOND || k == LINK_KIND_TEAM;
}

/* Whether a change of a device of that kind can change what it holds on its ports. */
static inline bool link_kind_has_ports(LinkKind k) {
        return link_kind_is_aggregate(k) || k == LINK_KIND_BRIDGE || k == LINK_KIND_OPENVSWITCH;
}

typedef struct LinkMessage {
        bool removed;           /* RTM_DELLINK */
        bool moved;             /* … because it went to another network namespace */
        int ifindex;
        uint32_t flags;         /* ifi_flags */
        uint32_t change;        /* ifi_change */
        char name[IF_NAMESIZE]; /* bytes, not text */
        uint32_t promiscuity;
        uint32_t allmulti;      /* 0 before Linux 6.1 */
        LinkPlace place;
        const struct nlattr *alternative_names; /* validated IFLA_PROP_LIST, inside the message, or NULL */
} LinkMessage;

/* Reads one message. Attributes that are not ours to know are skipped; those that are must be whole and of their type.
 * Of a DELLINK only index and move count.
 * Errors: -EBADMSG for what the kernel would not send; -ENOMSG for a message that is no link's (other type, AF_BRIDGE).
 * Source: linux/if_link.h; IFLA_PROMISCUITY is in every AF_UNSPEC NEWLINK, IFLA_ALLMULTI since Linux 6.1. */
int link_message_parse(const struct nlmsghdr *h, LinkMessage *ret);

/* Calls f with each alternative name; stops at its first non-zero return and returns that. */
int link_message_each_alternative_name(const LinkMessage *m, int (*f)(const char *name, void *userdata),
                                       void *userdata);
