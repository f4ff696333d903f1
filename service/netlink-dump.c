/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink-dump.h"
#include "util.h"

/* The kernel makes no part of an answer larger than that, and goes by the largest buffer that it has seen. */
#define BUFFER_SIZE  65536U
#define QUESTION_MAX 64U

struct NetlinkDump {
        int protocol;
        int fd; /* -1: not open, or no more to be relied on */
        unsigned sequence;
        char *buffer;
};

typedef int (*handler_t)(const struct nlmsghdr *h, void *userdata);

/* What goes wrong while the kernel makes the list stands in the message that ends it. */
static int end_of_list(const struct nlmsghdr *h) {
        int error = 0;

        if (h->nlmsg_len >= MNL_NLMSG_HDRLEN + sizeof(error))
                memcpy(&error, mnl_nlmsg_get_payload(h), sizeof(error));
        return error < 0 ? -EIO : 0;
}

/* One datagram of the answer. Returns 1 when more are to come, 0 at the end. */
static int read_answer(NetlinkDump *d, size_t length, handler_t f, void *userdata) {
        const struct nlmsghdr *h = (const struct nlmsghdr *) d->buffer;
        int left = (int) length, r;

        /* libmnl takes the length for an int. */
        for (; mnl_nlmsg_ok(h, left) && h->nlmsg_len <= (unsigned) left; h = mnl_nlmsg_next(h, &left)) {
                if (h->nlmsg_seq != d->sequence)
                        continue;
                if (h->nlmsg_type == NLMSG_DONE)
                        return end_of_list(h);
                if (h->nlmsg_type == NLMSG_ERROR)
                        return -EIO;
                r = f(h, userdata);
                if (r != 0)
                        return r < 0 ? r : -ECANCELED;
        }

        return 1;
}

static int ask(NetlinkDump *d, uint16_t type, const void *question, size_t size) {
        union {
                struct nlmsghdr header;
                char bytes[MNL_NLMSG_HDRLEN + QUESTION_MAX];
        } message = {};
        struct nlmsghdr *h = mnl_nlmsg_put_header(&message);

        h->nlmsg_type = type;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = ++d->sequence;
        memcpy(mnl_nlmsg_put_extra_header(h, size), question, size);
        return send(d->fd, h, h->nlmsg_len, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int dump(NetlinkDump *d, uint16_t type, const void *question, size_t size, handler_t f, void *userdata) {
        struct sockaddr_nl sender;
        socklen_t length;
        ssize_t n;
        int r;

        r = ask(d, type, question, size);
        if (r < 0)
                return r;

        for (r = 1; r > 0;) {
                length = sizeof(sender);
                n = recvfrom(d->fd, d->buffer, BUFFER_SIZE, MSG_DONTWAIT, (struct sockaddr *) &sender, &length);
                if (n < 0)
                        return -errno;
                /* Any process may write to a netlink port; only the kernel has port 0. */
                if (length == sizeof(sender) && sender.nl_pid == 0)
                        r = read_answer(d, (size_t) n, f, userdata);
        }

        return r;
}

static int ignore(const struct nlmsghdr *h, void *userdata) {
        return 0;
}

static int open_socket(NetlinkDump *d) {
        int on = 1;

        if (!d->buffer)
                d->buffer = malloc(BUFFER_SIZE);
        if (!d->buffer)
                return -ENOMEM;

        d->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, d->protocol);
        if (d->fd < 0)
                return -errno;

        /* Without it a list is not limited to the device that is asked for. */
        return setsockopt(d->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) < 0 ? -errno : 0;
}

int netlink_dump_run(NetlinkDump *d, uint16_t type, const void *question, size_t size, handler_t f, void *userdata) {
        int r = 0;

        if (d->fd < 0) {
                r = open_socket(d);
                /* A first answer is still cut at what fits into a page. */
                if (r >= 0)
                        r = dump(d, type, question, size, ignore, NULL);
        }
        if (r >= 0)
                r = dump(d, type, question, size, f, userdata);
        if (r < 0)
                d->fd = close_fd(d->fd); /* half an answer may still be on its way */
        return r == -ECANCELED ? 0 : r;
}

int netlink_dump_new(int protocol, NetlinkDump **ret) {
        NetlinkDump *d = calloc(1, sizeof(NetlinkDump));

        if (!d)
                return -ENOMEM;
        d->protocol = protocol;
        d->fd = -1;
        *ret = d;
        return 0;
}

NetlinkDump *netlink_dump_free(NetlinkDump *d) {
        if (!d)
                return NULL;

        close_fd(d->fd);
        free(d->buffer);
        free(d);
        return NULL;
}
