/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "log.h"
#include "rtnl.h"
#include "util.h"

/* The kernel's own bound. */
#define MAX_ERRNO        4095

/* In every network namespace. */
#define LOOPBACK_IFINDEX 1

/* The kernel's largest dump message; link events are 1 to 2 kB. */
#define DATAGRAM_MAX     32768U
#define DATAGRAMS        16U
/* One turn of the loop: a millisecond or two of work, then others have theirs. */
#define TURN_MAX         128U
#define RECEIVE_BUFFER   (128 * 1024 * 1024)
/* Dumps that are repeated at once; after that there is a pause before each. Under churn 48 of 60 were interrupted. */
#define REPEATS_MAX      3U
#define REPEAT_USEC      (100 * USEC_PER_MSEC)

struct Rtnl {
        sd_event_source *source;
        int fd;
        uint32_t port;
        uint32_t sequence;      /* of the last question */
        uint32_t dump_sequence; /* of the dump under way, 0: none */
        bool dump_interrupted, dump_again;
        unsigned repeats;        /* of a dump, one after another */
        sd_event_source *repeat; /* the next one */
        uint32_t barrier;        /* sequence of the question that rtnl_catch_up() waits for, 0: none */
        bool lost; /* events: dump once the queue is empty, a full one has no room for the answer */
        bool draining;

        const RtnlHandler *handler;
        void *userdata;

        struct mmsghdr messages[DATAGRAMS];
        struct iovec iovecs[DATAGRAMS];
        struct sockaddr_nl senders[DATAGRAMS];
        char *buffers;
        bool buffers_used; /* by a dump, to their ends */
};

static int open_socket(void) {
        _cleanup_(close_fdp) int fd = -1;
        int size = RECEIVE_BUFFER;

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        if (fd < 0)
                return -errno;

        /* Without CAP_NET_ADMIN this ends at net.core.rmem_max. */
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 &&
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0)
                return -errno;

        if (bind(fd, (struct sockaddr *) &(struct sockaddr_nl){ .nl_family = AF_NETLINK },
                 sizeof(struct sockaddr_nl)) < 0)
                return -errno;

        return TAKE_FD(fd);
}

/* Somebody else's socket may be anything. */
static int check_socket(int fd, uint32_t *ret_port) {
        struct sockaddr_nl address = {};
        socklen_t length = sizeof(int);
        int protocol;

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &protocol, &length) < 0 || protocol != AF_NETLINK)
                return -EINVAL;
        if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) < 0 || protocol != NETLINK_ROUTE)
                return -EINVAL;

        length = sizeof(address);
        if (getsockname(fd, (struct sockaddr *) &address, &length) < 0)
                return -errno;
        if (address.nl_pid == 0)
                return -EINVAL; /* not bound: nothing could be received */

        *ret_port = address.nl_pid;
        return 0;
}

/* While nobody reads an overrun must not stand as an error on the socket: systemd polls it between two processes, and an
 * error fails its unit, which closes it. What is lost then is found at the start, when all links are read anyway. */
static void set_overruns_told(int fd, bool told) {
        int off = !told, error;
        socklen_t length = sizeof(error);

        setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &off, sizeof(off));
        if (!told)
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length); /* takes one that is there */
}

static int on_repeat(sd_event_source *source, uint64_t usec, void *userdata);

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        int r = rtnl_drain(userdata);

        if (r < 0) {
                log_error("Cannot read the netlink socket, giving up: %s", strerror(-r));
                sd_event_exit(sd_event_source_get_event(source), EXIT_FAILURE);
        }
        return 0;
}

int rtnl_new(sd_event *event, int fd, const RtnlHandler *handler, void *userdata, Rtnl **ret) {
        Rtnl *n = calloc(1, sizeof(Rtnl));
        int r, group = RTNLGRP_LINK;

        if (!n) {
                close_fd(fd);
                return -ENOMEM;
        }

        n->handler = handler;
        n->userdata = userdata;
        /* A socket that was handed down may still hold answers to its last user. */
        n->sequence = (uint32_t) now_usec(CLOCK_BOOTTIME) | 1;
        n->fd = fd >= 0 ? fd : open_socket();
        r = n->fd;
        if (r < 0)
                goto fail;

        r = check_socket(n->fd, &n->port);
        if (r < 0)
                goto fail;
        set_overruns_told(n->fd, true);

        r = setsockopt(n->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ? -errno : 0;
        if (r < 0)
                goto fail;

        r = -ENOMEM;
        n->buffers = mmap(NULL, DATAGRAMS * DATAGRAM_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (n->buffers == MAP_FAILED) {
                n->buffers = NULL;
                goto fail;
        }
        for (unsigned i = 0; i < DATAGRAMS; i++)
                n->iovecs[i] = (struct iovec){ n->buffers + i * DATAGRAM_MAX, DATAGRAM_MAX };

        r = sd_event_add_io(event, &n->source, n->fd, EPOLLIN, on_readable, n);
        if (r >= 0)
                r = sd_event_add_time(event, &n->repeat, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_repeat, n);
        if (r >= 0)
                r = sd_event_source_set_enabled(n->repeat, SD_EVENT_OFF);
        if (r < 0)
                goto fail;

        *ret = n;
        return 0;

fail:
        rtnl_free(n);
        return r;
}

Rtnl *rtnl_free(Rtnl *n) {
        if (!n)
                return NULL;

        sd_event_source_disable_unref(n->source);
        sd_event_source_disable_unref(n->repeat);
        if (n->port != 0)
                set_overruns_told(n->fd, false);
        close_fd(n->fd);
        if (n->buffers)
                munmap(n->buffers, DATAGRAMS * DATAGRAM_MAX);
        free(n);
        return NULL;
}

int rtnl_set_enabled(Rtnl *n, bool enabled) {
        return sd_event_source_set_enabled(n->source, enabled ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int request(Rtnl *n, uint16_t flags, int ifindex) {
        char buf[MNL_NLMSG_HDRLEN + 64] = {};
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
        struct ifinfomsg *ifi;

        h->nlmsg_type = RTM_GETLINK;
        h->nlmsg_flags = NLM_F_REQUEST | flags;
        h->nlmsg_seq = ++n->sequence ? n->sequence : ++n->sequence;
        ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));
        ifi->ifi_index = ifindex;
        /* A quarter less to copy. */
        mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);

        if (sendto(n->fd, h, h->nlmsg_len, MSG_DONTWAIT, (struct sockaddr *) &kernel, sizeof(kernel)) < 0)
                return -errno;
        return 0;
}

int rtnl_ask(Rtnl *n, int ifindex) {
        return request(n, 0, ifindex);
}

int rtnl_dump(Rtnl *n) {
        int r;

        if (n->dump_sequence) {
                n->dump_again = true;
                return 0;
        }

        sd_event_source_set_enabled(n->repeat, SD_EVENT_OFF);
        r = request(n, NLM_F_DUMP, 0);
        if (r < 0)
                return r;

        n->dump_sequence = n->sequence;
        n->dump_interrupted = n->dump_again = false;
        n->handler->dumping(n->userdata);
        return 0;
}

int rtnl_dump_anew(Rtnl *n) {
        n->dump_sequence = 0;
        return rtnl_dump(n);
}

static void repeat_dump(Rtnl *n) {
        int r;

        if (n->repeats++ < REPEATS_MAX && rtnl_dump(n) >= 0)
                return;

        r = sd_event_source_set_time_relative(n->repeat, REPEAT_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(n->repeat, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error("Cannot ask the kernel for all links: %s", strerror(-r));
}

static int on_repeat(sd_event_source *source, uint64_t usec, void *userdata) {
        Rtnl *n = userdata;

        if (!n->dump_sequence && rtnl_dump(n) < 0)
                repeat_dump(n);
        return 0;
}

/* Ends one dump, and begins another where that one cannot be relied on. */
static void dump_ended(Rtnl *n, int error) {
        bool again = n->dump_again || n->dump_interrupted || error != 0;

        n->dump_sequence = 0;
        n->buffers_used = true;
        if (again) {
                if (error != 0)
                        log_debug("The kernel ended a dump of links early: %s", strerror(-error));
                repeat_dump(n);
                return;
        }

        n->repeats = 0;
        n->handler->dumped(n->userdata);
}

/* The kernel sends the question back behind the error. */
static void question_refused(Rtnl *n, const struct nlmsghdr *h) {
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
        const struct ifinfomsg *ifi = (const struct ifinfomsg *) (e + 1);

        if (e->msg.nlmsg_type == RTM_GETLINK && !(e->msg.nlmsg_flags & NLM_F_DUMP) &&
            h->nlmsg_len >= MNL_NLMSG_HDRLEN + sizeof(*e) + sizeof(*ifi))
                n->handler->refused(ifi->ifi_index, n->userdata);
}

/* A dump that a former user of the socket left unfinished makes ours fail with EBUSY; it goes on by being read, and its
 * end is the time to ask again. */
static void control_message(Rtnl *n, const struct nlmsghdr *h) {
        bool ours = n->dump_sequence && h->nlmsg_seq == n->dump_sequence;
        int error = 0;

        if (h->nlmsg_type == NLMSG_ERROR) {
                if (h->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(struct nlmsgerr))
                        return;
                error = ((const struct nlmsgerr *) mnl_nlmsg_get_payload(h))->error;
                if (ours && error == -EBUSY) {
                        n->dump_sequence = 0;
                        n->dump_again = true;
                        return;
                }
        } else if (h->nlmsg_len >= MNL_NLMSG_HDRLEN + sizeof(int))
                error = *(const int *) mnl_nlmsg_get_payload(h); /* an errno can stand inside NLMSG_DONE */

        if (error > 0 || error < -MAX_ERRNO)
                error = -EBADMSG;
        if (ours)
                dump_ended(n, error);
        else if (h->nlmsg_type == NLMSG_DONE && n->dump_again && !n->dump_sequence)
                dump_ended(n, -EBUSY);
        else if (h->nlmsg_type == NLMSG_ERROR)
                question_refused(n, h);
}

static void one_message(Rtnl *n, const struct nlmsghdr *h) {
        LinkMessage m;
        int r;

        if (n->dump_sequence && h->nlmsg_seq == n->dump_sequence && h->nlmsg_pid == n->port &&
            (h->nlmsg_flags & NLM_F_DUMP_INTR))
                n->dump_interrupted = true;

        if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
                if (h->nlmsg_pid == n->port)
                        control_message(n, h);
                if (n->barrier && h->nlmsg_pid == n->port && h->nlmsg_seq == n->barrier)
                        n->barrier = 0;
                return;
        }

        r = link_message_parse(h, &m);
        if (r == -ENOMSG)
                return;
        if (r < 0) {
                log_warning("Ignoring a netlink message of type %u and %u bytes that makes no sense", h->nlmsg_type,
                            h->nlmsg_len);
                return;
        }

        n->handler->link(&m, h->nlmsg_pid == n->port ? RTNL_ANSWER : RTNL_EVENT, n->userdata);
        if (n->barrier && h->nlmsg_pid == n->port && h->nlmsg_seq == n->barrier)
                n->barrier = 0;
}

static void datagram(Rtnl *n, const struct msghdr *header, const void *data, size_t length) {
        const struct sockaddr_nl *sender = header->msg_name;
        const struct nlmsghdr *h = data;
        int left = (int) length;

        /* Any process may write to a netlink port; only the kernel has port 0. */
        if (header->msg_namelen != sizeof(*sender) || sender->nl_pid != 0)
                return;

        /* libmnl takes the length for an int. */
        for (; mnl_nlmsg_ok(h, left) && h->nlmsg_len <= (unsigned) left; h = mnl_nlmsg_next(h, &left))
                one_message(n, h);
}

static void lost(Rtnl *n, const char *why) {
        log_debug("Lost netlink messages: %s", why);
        n->lost = true;
        n->handler->overrun(n->userdata);
}

static void caught_up(Rtnl *n) {
        if (!n->lost)
                return;
        n->lost = false;

        if (rtnl_dump(n) < 0)
                repeat_dump(n);
}

/* Returns the number of datagrams, 0 when nothing is left. */
static int receive(Rtnl *n) {
        int k;

        for (unsigned i = 0; i < DATAGRAMS; i++)
                n->messages[i].msg_hdr = (struct msghdr){
                        .msg_name = n->senders + i,
                        .msg_namelen = sizeof(n->senders[i]),
                        .msg_iov = n->iovecs + i,
                        .msg_iovlen = 1,
                };

        do
                k = recvmmsg(n->fd, n->messages, DATAGRAMS, MSG_DONTWAIT, NULL);
        while (k < 0 && errno == EINTR);
        if (k < 0)
                return errno == EAGAIN ? 0 : -errno;

        return k;
}

/* Returns 0 when nothing is left, 1 when there is more. Fewer datagrams than there was room for do not mean the end: an
 * error that the kernel met behind them is told by the next call. */
static int read_turn(Rtnl *n) {
        for (unsigned total = 0; total < TURN_MAX;) {
                int k = receive(n);

                if (k == -ENOBUFS) {
                        /* Comes first, before what was queued until then. */
                        lost(n, "the receive buffer was full");
                        continue;
                }
                if (k <= 0)
                        return k;

                for (int i = 0; i < k; i++) {
                        if (n->messages[i].msg_hdr.msg_flags & MSG_TRUNC)
                                lost(n, "a message was too long");
                        datagram(n, &n->messages[i].msg_hdr, n->iovecs[i].iov_base, n->messages[i].msg_len);
                }
                total += (unsigned) k;
        }

        return 1;
}

int rtnl_drain(Rtnl *n) {
        int r;

        if (n->draining)
                return 0;
        n->draining = true;
        r = read_turn(n);
        if (r == 0)
                caught_up(n);
        n->draining = false;

        /* Events touch a page of each buffer, a dump all: half a megabyte that is not needed until the next one. */
        if (r == 0 && n->buffers_used && !n->dump_sequence) {
                madvise(n->buffers, DATAGRAMS * DATAGRAM_MAX, MADV_DONTNEED);
                n->buffers_used = false;
        }

        n->handler->drained(r == 0, n->userdata);
        return r;
}

int rtnl_settle(Rtnl *n) {
        int r;

        /* The kernel answers under its lock for all link operations: behind any that is under way. */
        r = rtnl_ask(n, LOOPBACK_IFINDEX);
        if (r < 0)
                return r;
        n->barrier = n->sequence;
        do
                r = rtnl_drain(n);
        while (r > 0 && n->barrier);

        n->barrier = 0;
        return r < 0 ? r : 0;
}

int rtnl_catch_up(Rtnl *n) {
        int r = rtnl_drain(n);

        /* In a storm the queue may never be empty. The answer to a question stands behind all that was queued before. */
        return r > 0 ? rtnl_settle(n) : r;
}

int rtnl_get_namespace(Rtnl *n, uint64_t *ret) {
        socklen_t length = sizeof(*ret);

        return getsockopt(n->fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &length) < 0 ? -errno : 0;
}
