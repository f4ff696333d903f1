/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "netlink-dump.h"

/* Questions, and what the kernel answers: the input is a list of datagrams and of failures. Each step is one byte,
 * STEP_… with modifiers, behind a datagram's its length (16 bits, little endian) and its bytes. */

enum {
        STEP_DATAGRAM,
        STEP_STRANGER, /* the same, but not from the kernel */
        STEP_NO_MORE,  /* there is nothing to read */
        STEP_FAIL,     /* of the next question: it cannot be sent */
        STEP_MASK = 3,

        /* Of a datagram: no input could know the number of our question. */
        STEP_OURS = 1 << 3,
        /* It is one message, whatever length that claims. */
        STEP_ONE_MESSAGE = 1 << 4,
};

#define BUFFER_SIZE 65536U
#define QUESTION    4711

ssize_t __wrap_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from, socklen_t *length);
ssize_t __wrap_send(int fd, const void *data, size_t length, int flags);

static struct {
        const uint8_t *data;
        size_t left;

        int fd; /* of the last question */
        uint32_t sequence;
        bool known;   /* the socket has been asked before */
        bool unheard; /* what is answered now is for nobody */
        int result;   /* of what failed, or of whoever did not want more; else 0 */

        char *buffer;
        size_t at, length; /* of the datagram at hand, what has not been heard of */
} kernel;

static void take(void *ret, size_t n) {
        if (ret)
                memcpy(ret, kernel.data, n);
        kernel.data += n;
        kernel.left -= n;
}

static bool next_step_is(uint8_t step) {
        return kernel.left > 0 && (kernel.data[0] & STEP_MASK) == step;
}

static uint32_t u32_at(size_t at) {
        uint32_t v;

        memcpy(&v, kernel.buffer + at, sizeof(v));
        return v;
}

static uint16_t type_of(const void *message) {
        uint16_t v;

        memcpy(&v, (const char *) message + 4, sizeof(v));
        return v;
}

/* The next whole message to us, or NULL; a walk of its own. */
static const char *next_message(void) {
        while (kernel.length - kernel.at >= 16) {
                size_t at = kernel.at, n = u32_at(at);

                if (n < 16 || n > kernel.length - at)
                        break;
                n = (n + 3) & ~(size_t) 3;
                kernel.at = n < kernel.length - at ? at + n : kernel.length;
                if (u32_at(at + 8) == kernel.sequence)
                        return kernel.buffer + at;
        }
        kernel.at = kernel.length;
        return NULL;
}

/* What the kernel failed in, in the message that ends the list. */
static bool has_error(const char *message) {
        uint32_t length, error = 0;

        memcpy(&length, message, sizeof(length));
        if (length >= 20)
                memcpy(&error, message + 16, sizeof(error));
        return error >> 31;
}

/* What the rest of the datagram comes to: 1 if that is not the end. Nothing in it should have been heard before. */
static int rest(void) {
        const char *message;

        while ((message = next_message())) {
                if (type_of(message) == NLMSG_DONE)
                        return has_error(message) ? -EIO : 0;
                if (type_of(message) == NLMSG_ERROR)
                        return -EIO;
                must(kernel.unheard);
        }
        return 1;
}

ssize_t __wrap_send(int fd, const void *data, size_t length, int flags) {
        const struct nlmsghdr *h = data;

        must(length == h->nlmsg_len && length == 16 + 4 && memcmp(h + 1, "what", 4) == 0);
        must(h->nlmsg_type == QUESTION && h->nlmsg_flags == (NLM_F_REQUEST | NLM_F_DUMP));
        must(h->nlmsg_seq != kernel.sequence && flags == MSG_DONTWAIT);
        if (kernel.unheard) /* until now */
                must(rest() == 0);
        kernel.unheard = !kernel.known;
        kernel.fd = fd;
        kernel.known = true;
        kernel.sequence = h->nlmsg_seq;
        kernel.at = kernel.length = 0;
        if (!next_step_is(STEP_FAIL))
                return (ssize_t) length;

        take(NULL, 1);
        kernel.result = -ENOBUFS;
        errno = ENOBUFS;
        return -1;
}

/* Returns whether it is of the kernel's. */
static bool receive_datagram(char *buffer) {
        size_t length = 0;
        uint8_t step;

        take(&step, 1);
        if (kernel.left >= 2) {
                length = kernel.data[0] | (size_t) kernel.data[1] << 8;
                take(NULL, 2);
        }
        length = length < kernel.left ? length : kernel.left;
        kernel.buffer = buffer;
        ASAN_UNPOISON_MEMORY_REGION(buffer, BUFFER_SIZE);
        take(buffer, length);

        kernel.length = length;
        if ((step & STEP_ONE_MESSAGE) && length >= 16)
                memcpy(buffer, &(uint32_t){ (uint32_t) length }, 4);
        for (size_t at = 0, n; (step & STEP_OURS) && length - at >= 16; at += n) {
                memcpy(buffer + at + 8, &kernel.sequence, 4);
                n = (u32_at(at) + (size_t) 3) & ~(size_t) 3;
                if (n < 16 || n > length - at)
                        break;
        }
        /* What is behind the datagram must not be read, although there is room. */
        ASAN_POISON_MEMORY_REGION(buffer + length, BUFFER_SIZE - length);

        kernel.at = (step & STEP_MASK) == STEP_DATAGRAM ? 0 : length;
        return (step & STEP_MASK) == STEP_DATAGRAM;
}

ssize_t __wrap_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from, socklen_t *length) {
        struct sockaddr_nl sender = { .nl_family = AF_NETLINK };

        must(fd == kernel.fd && size == BUFFER_SIZE && flags == MSG_DONTWAIT && *length == sizeof(sender));
        must(kernel.result == 0 && rest() == 1);

        if (!next_step_is(STEP_DATAGRAM) && !next_step_is(STEP_STRANGER)) {
                if (next_step_is(STEP_NO_MORE))
                        take(NULL, 1);
                kernel.result = -EAGAIN;
                errno = EAGAIN;
                return -1;
        }

        sender.nl_pid = receive_datagram(buffer) ? 0 : 4711;
        memcpy(from, &sender, sizeof(sender));
        return (ssize_t) kernel.length;
}

/* Some want no more, by what they are told. */
static int on_message(const struct nlmsghdr *h, void *userdata) {
        must(userdata == &kernel && !kernel.unheard && kernel.result == 0);
        must((const char *) h == next_message());
        must(h->nlmsg_type != NLMSG_DONE && h->nlmsg_type != NLMSG_ERROR);
        if (h->nlmsg_type % 16 == 14)
                kernel.result = -EXDEV;
        else if (h->nlmsg_type % 16 == 15)
                kernel.result = 1;
        return kernel.result;
}

static void ask(NetlinkDump *d) {
        int r;

        kernel.result = 0;
        kernel.unheard = false;
        r = netlink_dump_run(d, QUESTION, "what", 4, on_message, &kernel);
        if (kernel.result > 0)
                must(r == 0);
        else
                must(r == (kernel.result < 0 ? kernel.result : rest()));
        if (kernel.result == 0 && r == 0)
                must(!kernel.unheard);

        /* What has not been read to its end is not asked again. */
        if (kernel.result != 0 || r < 0)
                kernel.known = false;
        must((fcntl(kernel.fd, F_GETFD) >= 0) == kernel.known);
        kernel.at = kernel.length = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        NetlinkDump *d;

        memset(&kernel, 0, sizeof(kernel));
        kernel.data = data;
        kernel.left = size;
        must(netlink_dump_new(NETLINK_ROUTE, &d) == 0);
        while (kernel.left > 0)
                ask(d);

        if (kernel.buffer)
                ASAN_UNPOISON_MEMORY_REGION(kernel.buffer, BUFFER_SIZE);
        netlink_dump_free(d);
        return 0;
}
