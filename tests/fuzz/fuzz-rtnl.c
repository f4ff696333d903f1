/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "log.h"
#include "rtnl.h"
#include "text.h"
#include "util.h"

/* A conversation with the kernel: the input is a list of what the kernel sends and of what the service asks
 * meanwhile. Each step is one byte, STEP_… with modifiers, behind a datagram's its length (16 bits, little
 * endian) and its bytes. */

enum {
        STEP_DATAGRAM,
        STEP_TOO_LONG, /* the same, but the kernel says that it was cut off */
        STEP_STRANGER, /* the same, but not from the kernel */
        STEP_OVERRUN,
        STEP_EMPTY, /* nothing more is queued now */
        STEP_DUMP,
        STEP_ASK,
        STEP_CATCH_UP,
        STEP_MASK = 7,

        /* Of a datagram: no input could know our port and the number of our question. */
        STEP_OUR_PORT = 1 << 3,
        STEP_OUR_SEQUENCE = 1 << 4,
        /* It is one message, whatever length that claims: to be cut short takes one mutation then, and not
           two. */
        STEP_ONE_MESSAGE = 1 << 5,
        /* Of a question: it cannot be sent. */
        STEP_FAIL = 1 << 5,
        /* Of a dump. */
        STEP_ANEW = 1 << 6,
};

#define BUFFERS     16U
#define BUFFER_SIZE 32768U

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout);
ssize_t __wrap_sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to,
                      socklen_t size);

static struct {
        const uint8_t *data;
        size_t left;

        uint32_t port, sequence; /* of our socket, of the last question */
        bool fail;
        char *buffers[BUFFERS]; /* where datagrams were received */
        unsigned n_links;       /* that should be heard of */
} kernel;

static struct {
        Rtnl *rtnl;
        bool dumping;
        unsigned n_links;
} heard;

static uint8_t next_step(void) {
        return kernel.left > 0 ? kernel.data[0] & STEP_MASK : STEP_EMPTY;
}

static void take(void *ret, size_t n) {
        if (ret)
                memcpy(ret, kernel.data, n);
        kernel.data += n;
        kernel.left -= n;
}

/* Addresses the messages of a datagram, and counts those that tell of a link; a walk of its own. */
static void address_messages(char *datagram, size_t length, uint8_t step) {
        size_t n;

        for (size_t at = 0; at + sizeof(struct nlmsghdr) <= length; at += n) {
                struct nlmsghdr *h = (struct nlmsghdr *) (datagram + at);
                LinkMessage m;

                if (step & STEP_ONE_MESSAGE)
                        h->nlmsg_len = (uint32_t) length;
                if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > length - at)
                        return;
                if (step & STEP_OUR_PORT)
                        h->nlmsg_pid = kernel.port;
                if (step & STEP_OUR_SEQUENCE)
                        h->nlmsg_seq = kernel.sequence;
                if ((step & STEP_MASK) != STEP_STRANGER && link_message_parse(h, &m) == 0)
                        kernel.n_links++;
                n = NLMSG_ALIGN(h->nlmsg_len);
        }
}

static void receive_datagram(struct mmsghdr *message, unsigned i) {
        struct sockaddr_nl *sender = message->msg_hdr.msg_name;
        size_t length = 0;
        uint8_t step;

        take(&step, 1);
        if (kernel.left >= 2) {
                length = kernel.data[0] | (size_t) kernel.data[1] << 8;
                take(NULL, 2);
        }
        length = length < kernel.left ? length : kernel.left;
        length = length < BUFFER_SIZE ? length : BUFFER_SIZE;

        must(message->msg_hdr.msg_iov->iov_len == BUFFER_SIZE);
        kernel.buffers[i] = message->msg_hdr.msg_iov->iov_base;
        ASAN_UNPOISON_MEMORY_REGION(kernel.buffers[i], BUFFER_SIZE);
        take(kernel.buffers[i], length);
        address_messages(kernel.buffers[i], length, step);
        /* What is behind the datagram must not be read, although there is room. */
        ASAN_POISON_MEMORY_REGION(kernel.buffers[i] + length, BUFFER_SIZE - length);

        message->msg_len = (unsigned) length;
        message->msg_hdr.msg_flags = (step & STEP_MASK) == STEP_TOO_LONG ? MSG_TRUNC : 0;
        *sender = (struct sockaddr_nl){ .nl_family = AF_NETLINK,
                                        .nl_pid = (step & STEP_MASK) == STEP_STRANGER ? 4711 : 0 };
        message->msg_hdr.msg_namelen = sizeof(*sender);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout) {
        unsigned k = 0;

        must(n <= BUFFERS);
        while (k < n && next_step() <= STEP_STRANGER)
                receive_datagram(messages + k, k), k++;
        if (k > 0)
                return (int) k;

        errno = next_step() == STEP_OVERRUN ? ENOBUFS : EAGAIN;
        if (kernel.left > 0 && next_step() <= STEP_EMPTY)
                take(NULL, 1);
        return -1;
}

ssize_t __wrap_sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to,
                      socklen_t size) {
        struct sockaddr_nl address;
        socklen_t address_size = sizeof(address);

        if (kernel.fail) {
                errno = ENOBUFS;
                return -1;
        }
        if (kernel.port == 0) {
                must(getsockname(fd, (struct sockaddr *) &address, &address_size) >= 0);
                kernel.port = address.nl_pid;
        }
        kernel.sequence = ((const struct nlmsghdr *) data)->nlmsg_seq;
        return (ssize_t) length;
}

static bool is_received(const void *p, size_t n) {
        for (unsigned i = 0; i < BUFFERS; i++)
                if (kernel.buffers[i] && (const char *) p >= kernel.buffers[i] &&
                    (const char *) p + n <= kernel.buffers[i] + BUFFER_SIZE)
                        return true;
        return false;
}

static int on_alternative_name(const char *name, void *userdata) {
        must(is_received(name, strlen(name) + 1) && strlen(name) <= NAME_MAX_BYTES);
        return 0;
}

static void on_link(const LinkMessage *m, RtnlOrigin origin, void *userdata) {
        must(m->ifindex > 0 && m->place.lower >= 0 && m->place.master >= 0);
        must(memchr(m->name, '\0', sizeof(m->name)) && (m->removed || m->name[0] != '\0'));
        must(link_message_each_alternative_name(m, on_alternative_name, NULL) == 0);
        must(rtnl_drain(heard.rtnl) == 0);
        heard.n_links++;
        if (m->place.lower > 0)
                rtnl_ask(heard.rtnl, m->place.lower);
}

static void on_dumping(void *userdata) {
        heard.dumping = true;
}

static void on_dumped(void *userdata) {
        must(heard.dumping);
        heard.dumping = false;
}

static void on_overrun(void *userdata) {
}

static void on_drained(bool empty, void *userdata) {
}

static void on_refused(int ifindex, void *userdata) {
}

static void take_step(void) {
        uint8_t step;
        int r;

        if (next_step() <= STEP_EMPTY) {
                r = rtnl_drain(heard.rtnl);
                must(r == 0 || r == 1);
                return;
        }

        take(&step, 1);
        kernel.fail = step & STEP_FAIL;
        if ((step & STEP_MASK) == STEP_DUMP)
                r = (step & STEP_ANEW ? rtnl_dump_anew : rtnl_dump)(heard.rtnl);
        else if ((step & STEP_MASK) == STEP_ASK)
                r = rtnl_ask(heard.rtnl, 7);
        else
                r = rtnl_catch_up(heard.rtnl);
        must(r == 0 || (r == -ENOBUFS && kernel.fail));
        kernel.fail = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const RtnlHandler handler = { on_link,    on_dumped,  on_overrun,
                                             on_drained, on_dumping, on_refused };
        static sd_event *event;

        if (!event) {
                must(sd_event_new(&event) >= 0);
                log_set_max_level(-1);
        }

        memset(&kernel, 0, sizeof(kernel));
        memset(&heard, 0, sizeof(heard));
        kernel.data = data;
        kernel.left = size;
        must(rtnl_new(event, -1, &handler, NULL, &heard.rtnl) == 0);

        while (kernel.left > 0)
                take_step();
        must(rtnl_drain(heard.rtnl) == 0);
        must(heard.n_links == kernel.n_links);

        /* Others will have these pages. */
        for (unsigned i = 0; i < BUFFERS; i++)
                if (kernel.buffers[i])
                        ASAN_UNPOISON_MEMORY_REGION(kernel.buffers[i], BUFFER_SIZE);
        rtnl_free(heard.rtnl);
        return 0;
}
