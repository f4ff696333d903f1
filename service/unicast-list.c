/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "unicast-list.h"

int unicast_list_parse(const struct nlmsghdr *h, int ifindex, bool *ret) {
        const char *end = (const char *) h + h->nlmsg_len;
        bool unicast = false, mastered = false;
        const struct ndmsg *n;
        const struct nlattr *a;

        if (h->nlmsg_type != RTM_NEWNEIGH || h->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*n))
                return -EBADMSG;

        n = mnl_nlmsg_get_payload(h);
        for (a = mnl_nlmsg_get_payload_offset(h, sizeof(*n)); mnl_attr_ok(a, (int) (end - (const char *) a));
             a = mnl_attr_next(a)) {
                const uint8_t *address = mnl_attr_get_payload(a);

                if (mnl_attr_get_type(a) == NDA_LLADDR && mnl_attr_get_payload_len(a) > 0)
                        unicast = !(address[0] & 1);
                else if (mnl_attr_get_type(a) == NDA_MASTER)
                        mastered = true; /* the bridge's entry, not the device's */
        }
        if ((const char *) a < end)
                return -EBADMSG;

        *ret = n->ndm_family == AF_BRIDGE && n->ndm_ifindex == ifindex && (n->ndm_flags & NTF_SELF) && unicast && !mastered;
        return 0;
}

typedef struct Search {
        int ifindex;
        bool found;
} Search;

static int on_entry(const struct nlmsghdr *h, void *userdata) {
        Search *s = userdata;
        bool one = false;
        int r;

        r = unicast_list_parse(h, s->ifindex, &one);
        s->found = s->found || one;
        return r;
}

int unicast_list_has(NetlinkDump *d, int ifindex, bool *ret) {
        const struct ndmsg question = { .ndm_family = AF_BRIDGE, .ndm_ifindex = ifindex };
        Search s = { .ifindex = ifindex };
        int r;

        r = netlink_dump_run(d, RTM_GETNEIGH, &question, sizeof(question), on_entry, &s);
        if (r < 0)
                return r;

        *ret = s.found;
        return 0;
}
