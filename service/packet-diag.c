/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_packet.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "packet-diag.h"

static int parse_list(const struct nlattr *a, const PacketEntry *of, packet_diag_handler_t f, void *userdata) {
        const struct packet_diag_mclist *list = mnl_attr_get_payload(a);
        size_t n = mnl_attr_get_payload_len(a) / sizeof(*list);

        if (mnl_attr_get_payload_len(a) % sizeof(*list) != 0)
                return -EBADMSG;

        for (size_t i = 0; i < n; i++) {
                PacketEntry e = { .inode = of->inode, .uid = of->uid };
                int r;

                if (list[i].pdmc_type != PACKET_MR_PROMISC)
                        continue;
                if (list[i].pdmc_alen > sizeof(e.address) || list[i].pdmc_index == 0 ||
                    list[i].pdmc_index > INT32_MAX)
                        return -EBADMSG;

                e.ifindex = (int) list[i].pdmc_index;
                e.address_length = (uint8_t) list[i].pdmc_alen;
                memcpy(e.address, list[i].pdmc_addr, e.address_length);
                r = f(&e, userdata);
                if (r != 0)
                        return r;
        }

        return 0;
}

/* Finds the user, and that all attributes are whole. */
static int parse_socket(const struct nlattr *first, const char *end, PacketEntry *e) {
        const struct nlattr *a;

        for (a = first; mnl_attr_ok(a, (int) (end - (const char *) a)); a = mnl_attr_next(a)) {
                if (mnl_attr_get_type(a) != PACKET_DIAG_UID)
                        continue;
                if (mnl_attr_validate(a, MNL_TYPE_U32) < 0)
                        return -EBADMSG;
                e->uid = mnl_attr_get_u32(a);
        }

        return (const char *) a >= end ? 0 : -EBADMSG;
}

int packet_diag_parse(const struct nlmsghdr *h, packet_diag_handler_t f, void *userdata) {
        const char *end = (const char *) h + h->nlmsg_len;
        const struct packet_diag_msg *m;
        const struct nlattr *a, *first;
        PacketEntry e = {};
        int r;

        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*m))
                return -EBADMSG;

        m = mnl_nlmsg_get_payload(h);
        first = mnl_nlmsg_get_payload_offset(h, sizeof(*m));
        e.inode = m->pdiag_ino;
        r = parse_socket(first, end, &e);
        if (r == 0)
                r = f(&e, userdata);
        if (r != 0)
                return r;

        for (a = first; mnl_attr_ok(a, (int) (end - (const char *) a)); a = mnl_attr_next(a)) {
                if (mnl_attr_get_type(a) != PACKET_DIAG_MCLIST)
                        continue;
                r = parse_list(a, &e, f, userdata);
                if (r != 0)
                        return r;
        }

        return 0;
}

typedef struct Listing {
        packet_diag_handler_t f;
        void *userdata;
} Listing;

static int on_socket(const struct nlmsghdr *h, void *userdata) {
        Listing *l = userdata;

        return packet_diag_parse(h, l->f, l->userdata);
}

static int each(NetlinkDump *d, uint32_t show, packet_diag_handler_t f, void *userdata) {
        const struct packet_diag_req question = { .sdiag_family = AF_PACKET, .pdiag_show = show };

        return netlink_dump_run(d, SOCK_DIAG_BY_FAMILY, &question, sizeof(question), on_socket,
                                &(Listing){ f, userdata });
}

int packet_diag_each(NetlinkDump *d, packet_diag_handler_t f, void *userdata) {
        return each(d, PACKET_SHOW_INFO | PACKET_SHOW_MCLIST, f, userdata);
}

int packet_diag_each_socket(NetlinkDump *d, packet_diag_handler_t f, void *userdata) {
        return each(d, PACKET_SHOW_INFO, f, userdata);
}
