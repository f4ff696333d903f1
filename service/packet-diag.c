/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_packet.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "packet-diag.h"
#include "util.h"

/* From this size of a reply's buffer on, the kernel lists sockets of up to 737 entries. */
#define BUFFER_SIZE 65536U

static int parse_list(const struct nlattr *a, uint32_t inode, int (*f)(const PacketEntry *e, void *userdata),
                      void *userdata) {
        const struct packet_diag_mclist *list = mnl_attr_get_payload(a);
        size_t n = mnl_attr_get_payload_len(a) / sizeof(*list);

        if (mnl_attr_get_payload_len(a) % sizeof(*list) != 0)
                return -EBADMSG;

        for (size_t i = 0; i < n; i++) {
                PacketEntry e = { .inode = inode };
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

int packet_diag_parse(const struct nlmsghdr *h, int (*f)(const PacketEntry *e, void *userdata), void *userdata) {
        const char *end = (const char *) h + h->nlmsg_len;
        const struct packet_diag_msg *m;
        const struct nlattr *a;
        int r;

        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*m))
                return -EBADMSG;

        m = mnl_nlmsg_get_payload(h);
        r = f(&(const PacketEntry){ .inode = m->pdiag_ino }, userdata);
        if (r != 0)
                return r;

        for (a = mnl_nlmsg_get_payload_offset(h, sizeof(*m)); mnl_attr_ok(a, (int) (end - (const char *) a));
             a = mnl_attr_next(a)) {
                if (mnl_attr_get_type(a) != PACKET_DIAG_MCLIST)
                        continue;
                r = parse_list(a, m->pdiag_ino, f, userdata);
                if (r != 0)
                        return r;
        }

        return (const char *) a >= end ? 0 : -EBADMSG;
}

/* One datagram of the answer. Returns 1 when more are to come. */
static int read_answer(const char *data, size_t length, unsigned sequence,
                       int (*f)(const PacketEntry *e, void *userdata), void *userdata) {
        const struct nlmsghdr *h = (const struct nlmsghdr *) data;
        int left = (int) length, r;

        /* libmnl takes the length for an int. */
        for (; mnl_nlmsg_ok(h, left) && h->nlmsg_len <= (unsigned) left; h = mnl_nlmsg_next(h, &left)) {
                if (h->nlmsg_seq != sequence)
                        continue;
                if (h->nlmsg_type == NLMSG_DONE)
                        return 0;
                if (h->nlmsg_type == NLMSG_ERROR)
                        return -EIO;
                r = packet_diag_parse(h, f, userdata);
                if (r != 0)
                        return r < 0 ? r : 0;
        }

        return 1;
}

static int dump(struct mnl_socket *s, unsigned sequence, int (*f)(const PacketEntry *e, void *userdata),
                void *userdata) {
        _cleanup_(freep) char *buffer = malloc(BUFFER_SIZE);
        struct sockaddr_nl sender;
        struct packet_diag_req *q;
        struct nlmsghdr *h;
        socklen_t size;
        ssize_t n;
        int r = 1;

        if (!buffer)
                return -ENOMEM;

        h = mnl_nlmsg_put_header(buffer);
        h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = sequence;
        q = mnl_nlmsg_put_extra_header(h, sizeof(*q));
        q->sdiag_family = AF_PACKET;
        q->pdiag_show = PACKET_SHOW_MCLIST;
        if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
                return -errno;

        while (r > 0) {
                size = sizeof(sender);
                n = recvfrom(mnl_socket_get_fd(s), buffer, BUFFER_SIZE, 0, (struct sockaddr *) &sender, &size);
                if (n < 0)
                        return -errno;
                /* Any process may write to a netlink port; only the kernel has port 0. */
                if (size == sizeof(sender) && sender.nl_pid == 0)
                        r = read_answer(buffer, (size_t) n, sequence, f, userdata);
        }

        return r;
}

static int ignore(const PacketEntry *e, void *userdata) {
        return 0;
}

int packet_diag_each(int (*f)(const PacketEntry *e, void *userdata), void *userdata) {
        struct mnl_socket *s = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
        int r;

        if (!s)
                return -errno;

        /* The first answer is still cut at what fits into a page: the kernel goes by the buffers that it has seen. */
        r = mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : dump(s, 1, ignore, NULL);
        if (r == 0)
                r = dump(s, 2, f, userdata);

        mnl_socket_close(s);
        return r;
}
