/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "rtnl.h"
#include "util.h"

/* The socket is a real one, but what is sent is looked at and what is received is scripted: overruns,
 * interrupted dumps and forged senders then come when they are wanted. */

#define STRANGER 4711U
#define DATAGRAM 512U
#define STORM    1000U

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout);
int __real_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout);
ssize_t __wrap_sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to,
                      socklen_t size);
ssize_t __real_sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to,
                      socklen_t size);

typedef struct Datagram {
        int error; /* or this errno */
        uint32_t sender;
        bool truncated;
        size_t length;
        _Alignas(struct nlmsghdr) char bytes[DATAGRAM];
} Datagram;

static struct {
        bool real;
        Datagram queue[2000];
        unsigned n, taken;

        unsigned n_dumps, n_asks;
        uint32_t sequence; /* of the last question */
        int ifindex;       /* that it was about */
        int fail_send;
        bool storm; /* a question is answered at once, and events come behind the answer */
} kernel;

/* What the handler was told, in short. */
static struct {
        Rtnl *rtnl;
        char text[40000];
        unsigned n_links, n_dumping;
        bool drain, loopback;
} heard;

static sd_event *event;
static uint32_t port;

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout) {
        unsigned k = 0;

        if (kernel.real)
                return __real_recvmmsg(fd, messages, n, flags, timeout);

        assert_true(flags & MSG_DONTWAIT);
        for (; k < n && kernel.taken < kernel.n; k++) {
                const Datagram *d = kernel.queue + kernel.taken;
                struct sockaddr_nl *sender = messages[k].msg_hdr.msg_name;

                if (d->error)
                        break;
                assert_true(messages[k].msg_hdr.msg_iov->iov_len >= d->length);
                memcpy(messages[k].msg_hdr.msg_iov->iov_base, d->bytes, d->length);
                messages[k].msg_len = (unsigned) d->length;
                messages[k].msg_hdr.msg_flags = d->truncated ? MSG_TRUNC : 0;
                *sender = (struct sockaddr_nl){ .nl_family = AF_NETLINK, .nl_pid = d->sender };
                messages[k].msg_hdr.msg_namelen = sizeof(*sender);
                kernel.taken++;
        }

        if (k > 0)
                return (int) k;
        errno = kernel.taken < kernel.n ? kernel.queue[kernel.taken++].error : EAGAIN;
        return -1;
}

static void queue_storm(void);

ssize_t __wrap_sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to,
                      socklen_t size) {
        const struct nlmsghdr *h = data;

        if (kernel.real)
                return __real_sendto(fd, data, length, flags, to, size);
        if (kernel.fail_send) {
                errno = kernel.fail_send;
                return -1;
        }

        assert_true(mnl_nlmsg_ok(h, (int) length));
        assert_int_equal(size, sizeof(struct sockaddr_nl));
        assert_int_equal(((const struct sockaddr_nl *) to)->nl_pid, 0);
        assert_int_equal(h->nlmsg_type, RTM_GETLINK);
        assert_true(h->nlmsg_flags & NLM_F_REQUEST);
        assert_int_not_equal(h->nlmsg_seq, 0);
        assert_int_not_equal(h->nlmsg_seq, kernel.sequence);
        kernel.sequence = h->nlmsg_seq;
        kernel.ifindex = ((const struct ifinfomsg *) mnl_nlmsg_get_payload(h))->ifi_index;
        if ((h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
                kernel.n_dumps++;
        else
                kernel.n_asks++;
        if (kernel.storm)
                queue_storm();
        return (ssize_t) length;
}

static Datagram *queue_datagram(void) {
        Datagram *d = kernel.queue + kernel.n++;

        assert_true(kernel.n <= ELEMENTSOF(kernel.queue));
        memset(d, 0, sizeof(*d));
        return d;
}

static void queue_error(int error) {
        queue_datagram()->error = error;
}

/* One more message at the end of the datagram. */
static struct nlmsghdr *put_message(Datagram *d, uint16_t type, uint32_t pid, uint32_t sequence) {
        struct nlmsghdr *h = mnl_nlmsg_put_header(d->bytes + d->length);

        h->nlmsg_type = type;
        h->nlmsg_pid = pid;
        h->nlmsg_seq = sequence;
        return h;
}

static void message_end(Datagram *d, const struct nlmsghdr *h) {
        d->length += MNL_ALIGN(h->nlmsg_len);
        assert_true(d->length <= sizeof(d->bytes));
}

static struct nlmsghdr *put_link(Datagram *d, int ifindex, uint32_t pid, uint32_t sequence) {
        struct nlmsghdr *h = put_message(d, RTM_NEWLINK, pid, sequence);
        char name[16];

        ((struct ifinfomsg *) mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg)))->ifi_index = ifindex;
        snprintf(name, sizeof(name), "eth%i", ifindex);
        mnl_attr_put_strz(h, IFLA_IFNAME, name);
        mnl_attr_put_u32(h, IFLA_PROMISCUITY, 0);
        message_end(d, h);
        return h;
}

static void queue_event(int ifindex) {
        put_link(queue_datagram(), ifindex, 0, 0);
}

static struct nlmsghdr *queue_answer(int ifindex) {
        return put_link(queue_datagram(), ifindex, port, kernel.sequence);
}

/* NLMSG_DONE and NLMSG_ERROR both begin with an errno. */
static void queue_control(uint16_t type, int error, uint32_t pid, uint32_t sequence) {
        Datagram *d = queue_datagram();
        struct nlmsghdr *h = put_message(d, type, pid, sequence);

        ((struct nlmsgerr *) mnl_nlmsg_put_extra_header(h, sizeof(struct nlmsgerr)))->error = error;
        message_end(d, h);
}

static void queue_done(void) {
        queue_control(NLMSG_DONE, 0, port, kernel.sequence);
}

/* The kernel sends the question back; flags are those of the question. */
static struct nlmsghdr *queue_refusal(int ifindex, uint16_t flags, int error) {
        Datagram *d = queue_datagram();
        struct nlmsghdr *h = put_message(d, NLMSG_ERROR, port, kernel.sequence);
        struct nlmsgerr *e = mnl_nlmsg_put_extra_header(h, sizeof(struct nlmsgerr));

        e->error = error;
        e->msg = (struct nlmsghdr){
                .nlmsg_len = MNL_NLMSG_HDRLEN + sizeof(struct ifinfomsg),
                .nlmsg_type = RTM_GETLINK,
                .nlmsg_flags = NLM_F_REQUEST | flags,
                .nlmsg_seq = kernel.sequence,
        };
        ((struct ifinfomsg *) mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg)))->ifi_index = ifindex;
        message_end(d, h);
        return h;
}

static void queue_events(unsigned n) {
        while (n-- > 0)
                queue_event(5);
}

static void queue_storm(void) {
        queue_answer(kernel.ifindex);
        queue_events(STORM);
}

static void hear(const char *what, int n) {
        size_t length = strlen(heard.text);

        assert_true(length + 32 < sizeof(heard.text));
        if (n >= 0)
                snprintf(heard.text + length, 32, "%s %i, ", what, n);
        else
                snprintf(heard.text + length, 32, "%s, ", what);
}

static void on_link(const LinkMessage *m, RtnlOrigin origin, void *userdata) {
        assert_ptr_equal(userdata, &heard);
        heard.n_links++;
        if (strcmp(m->name, "lo") == 0)
                heard.loopback = true;
        if (kernel.real)
                return;
        hear(origin == RTNL_ANSWER ? "answer" : "event", m->ifindex);
        if (heard.drain)
                assert_int_equal(rtnl_drain(heard.rtnl), 0);
}

static void on_dumped(void *userdata) {
        hear("dumped", -1);
}

static void on_overrun(void *userdata) {
        hear("overrun", -1);
        /* The queue is full: an answer would be lost. */
        assert_int_equal(kernel.n_dumps, 0);
}

static void on_drained(bool empty, void *userdata) {
        hear(empty ? "empty" : "more", -1);
}

/* For each dump that was asked for, before its first answer. */
static void on_dumping(void *userdata) {
        assert_ptr_equal(userdata, &heard);
        heard.n_dumping++;
        if (!kernel.real)
                assert_int_equal(heard.n_dumping, kernel.n_dumps);
}

static void on_refused(int ifindex, void *userdata) {
        assert_ptr_equal(userdata, &heard);
        hear("refused", ifindex);
}

static const RtnlHandler handler = { on_link, on_dumped, on_overrun, on_drained, on_dumping, on_refused };

static int netlink_socket(void) {
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

        assert_return_code(fd, errno);
        return fd;
}

static int setup(void **state) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK };
        socklen_t length = sizeof(address);
        int fd = netlink_socket();

        memset(&kernel, 0, sizeof(kernel));
        memset(&heard, 0, sizeof(heard));
        log_set_max_level(LOG_EMERG); /* what goes wrong here does so on purpose */

        assert_return_code(bind(fd, (struct sockaddr *) &address, length), errno);
        assert_return_code(getsockname(fd, (struct sockaddr *) &address, &length), errno);
        port = address.nl_pid;

        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(rtnl_new(event, fd, &handler, &heard, &heard.rtnl), 0);
        return 0;
}

static int teardown(void **state) {
        rtnl_free(heard.rtnl);
        event = sd_event_unref(event);
        return 0;
}

/* Reads all that is queued and compares what was heard. */
static void expect(const char *text) {
        heard.text[0] = '\0';
        assert_int_equal(rtnl_drain(heard.rtnl), 0);
        assert_string_equal(heard.text, text);
        assert_int_equal(kernel.taken, kernel.n);
        assert_int_equal(heard.n_dumping, kernel.n_dumps);
}

static void start_dump(void) {
        assert_int_equal(rtnl_dump(heard.rtnl), 0);
        assert_int_equal(kernel.ifindex, 0);
}

static void test_events(void **state) {
        Datagram *d;

        expect("empty, ");
        queue_event(7);
        queue_event(8);
        expect("event 7, event 8, empty, ");

        /* Several in one datagram, with something of no interest and something broken between them. */
        d = queue_datagram();
        put_link(d, 1, 0, 0);
        message_end(d, put_message(d, RTM_NEWADDR, 0, 0));
        message_end(d, put_message(d, RTM_NEWLINK, 0, 0));
        message_end(d, put_message(d, NLMSG_ERROR, 0, 0));
        message_end(d, put_message(d, NLMSG_DONE, 0, 0));
        put_link(d, 2, 0, 0);
        expect("event 1, event 2, empty, ");

        /* A length that lies ends the datagram; the next is good. */
        d = queue_datagram();
        put_link(d, 3, 0, 0);
        put_link(d, 4, 0, 0)->nlmsg_len += 4;
        queue_event(5);
        expect("event 3, event 5, empty, ");
        assert_int_equal(kernel.n_dumps + kernel.n_asks, 0);
}

/* Anybody may send to a netlink port; only the kernel's word counts. */
static void test_forged_sender(void **state) {
        start_dump();
        queue_event(7);
        kernel.queue[kernel.n - 1].sender = STRANGER;
        queue_answer(8);
        kernel.queue[kernel.n - 1].sender = STRANGER;
        queue_done();
        kernel.queue[kernel.n - 1].sender = STRANGER;
        queue_event(9);
        expect("event 9, empty, ");
        queue_done();
        expect("dumped, empty, ");
}

static void test_dump(void **state) {
        start_dump();
        queue_answer(1);
        queue_event(2);
        queue_answer(3);
        expect("answer 1, event 2, answer 3, empty, ");
        queue_control(NLMSG_DONE, 0, STRANGER, kernel.sequence);
        expect("empty, ");
        queue_done();
        expect("dumped, empty, ");
        queue_done(); /* of nothing */
        expect("empty, ");
        assert_int_equal(kernel.n_dumps, 1);
}

/* The kernel may say so on any message of the dump, and again in the next one. */
static void test_dump_interrupted(void **state) {
        start_dump();
        queue_answer(1)->nlmsg_flags |= NLM_F_DUMP_INTR;
        queue_answer(2);
        queue_done();
        expect("answer 1, answer 2, empty, ");
        assert_int_equal(kernel.n_dumps, 2);

        queue_answer(1);
        queue_answer(2)->nlmsg_flags |= NLM_F_DUMP_INTR;
        queue_done();
        expect("answer 1, answer 2, empty, ");
        assert_int_equal(kernel.n_dumps, 3);

        queue_control(NLMSG_DONE, 0, port, kernel.sequence);
        ((struct nlmsghdr *) kernel.queue[kernel.n - 1].bytes)->nlmsg_flags |= NLM_F_DUMP_INTR;
        expect("empty, ");
        assert_int_equal(kernel.n_dumps, 4);

        /* Of somebody else's dump, or of none. */
        put_link(queue_datagram(), 5, STRANGER, kernel.sequence)->nlmsg_flags |= NLM_F_DUMP_INTR;
        put_link(queue_datagram(), 6, port, kernel.sequence + 1)->nlmsg_flags |= NLM_F_DUMP_INTR;
        queue_done();
        expect("event 5, answer 6, dumped, empty, ");
        assert_int_equal(kernel.n_dumps, 4);
}

static void queue_interrupted(void) {
        queue_answer(1)->nlmsg_flags |= NLM_F_DUMP_INTR;
        queue_done();
}

/* While links come and go all the time, dumps would fill the time. */
static void test_dump_interrupted_all_the_time(void **state) {
        start_dump();
        for (unsigned n = 1; n <= 3; n++) {
                queue_interrupted();
                expect("answer 1, empty, ");
                assert_int_equal(kernel.n_dumps, 1 + n);
        }

        /* From here on there is a pause before each. */
        for (unsigned n = 4; n <= 5; n++) {
                queue_interrupted();
                expect("answer 1, empty, ");
                assert_int_equal(kernel.n_dumps, n);
                while (kernel.n_dumps == n)
                        assert_true(sd_event_run(event, 10 * USEC_PER_SEC) > 0);
                assert_int_equal(kernel.n_dumps, n + 1);
        }

        /* Whoever asks does not wait for that. */
        queue_interrupted();
        expect("answer 1, empty, ");
        start_dump();
        assert_int_equal(kernel.n_dumps, 7);
        queue_answer(1);
        queue_done();
        expect("answer 1, dumped, empty, ");

        /* One that was good makes up for them. */
        start_dump();
        queue_interrupted();
        expect("answer 1, empty, ");
        assert_int_equal(kernel.n_dumps, 9);
}

/* Its answers are no longer waited for, nor do they end another. */
static void test_dump_anew(void **state) {
        uint32_t first;

        start_dump();
        first = kernel.sequence;
        assert_int_equal(rtnl_dump_anew(heard.rtnl), 0);
        assert_int_equal(kernel.n_dumps, 2);
        queue_control(NLMSG_DONE, 0, port, first);
        expect("empty, ");
        queue_answer(1);
        queue_done();
        expect("answer 1, dumped, empty, ");
        assert_int_equal(kernel.n_dumps, 2);
}

static void test_dump_failed(void **state) {
        start_dump();
        queue_answer(1);
        queue_control(NLMSG_DONE, -ENOMEM, port, kernel.sequence); /* an errno inside the end */
        expect("answer 1, empty, ");
        assert_int_equal(kernel.n_dumps, 2);

        queue_control(NLMSG_ERROR, -ENOBUFS, port, kernel.sequence);
        expect("empty, ");
        assert_int_equal(kernel.n_dumps, 3);

        queue_done();
        expect("dumped, empty, ");
        assert_int_equal(kernel.n_dumps, 3);
}

/* Who asks while a dump is under way wants to know what was before it asked: that dump may have passed it
 * by. */
static void test_dump_while_dumping(void **state) {
        start_dump();
        queue_answer(1);
        expect("answer 1, empty, ");
        assert_int_equal(rtnl_dump(heard.rtnl), 0);
        assert_int_equal(rtnl_dump(heard.rtnl), 0);
        assert_int_equal(kernel.n_dumps, 1);
        queue_done();
        expect("empty, ");
        assert_int_equal(kernel.n_dumps, 2);
        queue_done();
        expect("dumped, empty, ");
        assert_int_equal(kernel.n_dumps, 2);
}

/* The socket's last user left a dump unfinished: it must be read to its end first. */
static void test_dump_of_former_user(void **state) {
        uint32_t theirs;

        start_dump();
        theirs = kernel.sequence - 1000;
        queue_control(NLMSG_ERROR, -EBUSY, port, kernel.sequence);
        put_link(queue_datagram(), 1, port, theirs);
        expect("answer 1, empty, ");
        assert_int_equal(kernel.n_dumps, 1);
        queue_control(NLMSG_DONE, 0, port, theirs);
        expect("empty, ");
        assert_int_equal(kernel.n_dumps, 2);
        queue_done();
        expect("dumped, empty, ");
}

/* ENOBUFS comes first, then what was queued before it; only then is there room for a dump. */
static void test_overrun(void **state) {
        queue_error(ENOBUFS);
        for (int i = 1; i <= 20; i++)
                queue_event(i);
        heard.text[0] = '\0';
        assert_int_equal(rtnl_drain(heard.rtnl), 0);
        assert_int_equal(strncmp(heard.text, "overrun, event 1, event 2, ", 27), 0);
        assert_non_null(strstr(heard.text, "event 20, empty, "));
        assert_int_equal(heard.n_links, 20);
        assert_int_equal(kernel.n_dumps, 1);

        queue_answer(1);
        queue_done();
        expect("answer 1, dumped, empty, ");
        assert_int_equal(kernel.n_dumps, 1);
}

/* It hit while a dump was under way, so that its answers may be among what was lost. */
static void test_overrun_while_dumping(void **state) {
        start_dump();
        kernel.n_dumps = heard.n_dumping = 0;
        queue_error(ENOBUFS);
        queue_answer(1);
        expect("overrun, answer 1, empty, ");
        assert_int_equal(kernel.n_dumps, 0);
        queue_done();
        expect("empty, ");
        assert_int_equal(kernel.n_dumps, 1);
        queue_done();
        expect("dumped, empty, ");
}

static void test_truncated_datagram(void **state) {
        Datagram *d;

        queue_event(1);
        d = queue_datagram();
        put_link(d, 2, 0, 0);
        d->truncated = true;
        d->length -= 4;
        queue_event(3);
        expect("event 1, overrun, event 3, empty, ");
        assert_int_equal(kernel.n_dumps, 1);
}

/* Others have their turn, too. */
static void test_turns(void **state) {
        unsigned turns = 0, before;
        int r;

        for (int i = 1; i <= 1500; i++)
                queue_event(i);

        do {
                before = heard.n_links;
                heard.text[0] = '\0';
                r = rtnl_drain(heard.rtnl);
                turns++;
                assert_in_range(heard.n_links, before + 1, before + 600);
                assert_int_equal(r, strstr(heard.text, "more, ") ? 1 : 0);
        } while (r > 0);

        assert_int_equal(heard.n_links, 1500);
        assert_non_null(strstr(heard.text, "event 1500, empty, "));
        assert_true(turns > 1);
}

static void test_reentry(void **state) {
        heard.drain = true;
        queue_event(1);
        queue_event(2);
        expect("event 1, event 2, empty, ");
}

static void test_dead_socket(void **state) {
        queue_event(1);
        queue_error(EBADF);
        assert_int_equal(rtnl_drain(heard.rtnl), -EBADF);
        assert_string_equal(heard.text, "event 1, more, ");
}

static void test_questions(void **state) {
        assert_int_equal(rtnl_ask(heard.rtnl, 7), 0);
        assert_int_equal(kernel.ifindex, 7);
        assert_int_equal(kernel.n_asks, 1);
        assert_int_equal(kernel.n_dumps, 0);
        queue_answer(7);
        queue_control(NLMSG_ERROR, -ENODEV, port, kernel.sequence); /* it has gone */
        expect("answer 7, empty, ");

        kernel.fail_send = ENOBUFS;
        assert_int_equal(rtnl_ask(heard.rtnl, 7), -ENOBUFS);
        assert_int_equal(rtnl_dump(heard.rtnl), -ENOBUFS);
        kernel.fail_send = 0;
        start_dump();
        queue_done();
        expect("dumped, empty, ");
}

/* Whoever asked must learn it, or would wait for an answer for ever. */
static void test_refusals(void **state) {
        assert_int_equal(rtnl_ask(heard.rtnl, 7), 0);
        queue_refusal(7, 0, -ENOBUFS);
        expect("refused 7, empty, ");
        assert_int_equal(rtnl_ask(heard.rtnl, 7), 0);
        assert_int_equal(kernel.n_asks, 2);
        queue_refusal(7, 0, -ENODEV);
        expect("refused 7, empty, ");

        /* Not told by the kernel, not of a question of ours, or too short to say of what. */
        queue_refusal(7, 0, -ENODEV);
        kernel.queue[kernel.n - 1].sender = STRANGER;
        queue_refusal(7, 0, -ENODEV)->nlmsg_pid = STRANGER;
        queue_refusal(7, 0, -ENODEV)->nlmsg_len -= 4;
        queue_control(NLMSG_ERROR, -ENODEV, port, kernel.sequence);
        expect("empty, ");

        /* A dump, also one that is not waited for any more, is about no link. */
        start_dump();
        queue_refusal(0, NLM_F_DUMP, -ENOBUFS);
        assert_int_equal(rtnl_dump_anew(heard.rtnl), 0);
        expect("empty, ");
        queue_refusal(0, NLM_F_DUMP, -ENOBUFS);
        expect("empty, ");
        assert_int_equal(kernel.n_dumps, 3);
}

static void catch_up(void) {
        heard.text[0] = '\0';
        heard.n_links = 0;
        assert_int_equal(rtnl_catch_up(heard.rtnl), 0);
}

/* All that was queued, but not what comes meanwhile, or it would never end. */
static void test_catch_up(void **state) {
        queue_event(1);
        catch_up();
        assert_string_equal(heard.text, "event 1, empty, ");

        kernel.storm = true;
        queue_events(500);
        queue_event(8);
        catch_up();
        assert_int_equal(kernel.n_asks, 1);
        assert_non_null(strstr(heard.text, "event 8, answer 1, "));
        assert_in_range(heard.n_links, 502, 502 + STORM - 1);
        assert_true(kernel.taken < kernel.n);
}

/* Then all that is queued is read. */
static void test_catch_up_without_an_answer(void **state) {
        queue_events(500);
        queue_error(ENOBUFS);
        queue_event(8);
        catch_up();
        assert_non_null(strstr(heard.text, "overrun, event 8, empty, "));
        assert_int_equal(kernel.taken, kernel.n);
}

/* An answer of any kind will do. */
static void test_catch_up_refused(void **state) {
        assert_int_equal(rtnl_ask(heard.rtnl, 7), 0); /* the next question has the next number */
        queue_events(500);
        queue_control(NLMSG_ERROR, -ENODEV, port, kernel.sequence + 1);
        queue_events(STORM);
        catch_up();
        assert_true(kernel.taken < kernel.n);
}

static void expect_refused(int fd) {
        Rtnl *r = NULL;

        assert_return_code(fd, errno);
        assert_int_equal(rtnl_new(event, fd, &handler, &heard, &r), -EINVAL);
        assert_null(r);
        /* It was owned, also so. */
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        assert_int_equal(errno, EBADF);
}

static void test_refused_sockets(void **state) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK };
        int fd;

        expect_refused(netlink_socket()); /* not bound */
        expect_refused(open("/dev/null", O_RDONLY | O_CLOEXEC));
        expect_refused(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        assert_return_code(bind(fd, (struct sockaddr *) &address, sizeof(address)), errno);
        expect_refused(fd);
        assert_null(rtnl_free(NULL));
}

/* Nothing scripted: its own socket, and this machine's kernel. */
static void test_real_kernel(void **state) {
        Rtnl *r;

        kernel.real = true;
        assert_int_equal(rtnl_new(event, -1, &handler, &heard, &r), 0);
        assert_int_equal(rtnl_dump(r), 0);
        while (!strstr(heard.text, "dumped, "))
                assert_true(sd_event_run(event, 10 * USEC_PER_SEC) > 0);
        assert_true(heard.loopback);
        rtnl_free(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_events),
                TEST(test_forged_sender),
                TEST(test_dump),
                TEST(test_dump_interrupted),
                TEST(test_dump_interrupted_all_the_time),
                TEST(test_dump_anew),
                TEST(test_dump_failed),
                TEST(test_dump_while_dumping),
                TEST(test_dump_of_former_user),
                TEST(test_overrun),
                TEST(test_overrun_while_dumping),
                TEST(test_truncated_datagram),
                TEST(test_turns),
                TEST(test_reentry),
                TEST(test_dead_socket),
                TEST(test_questions),
                TEST(test_refusals),
                TEST(test_catch_up),
                TEST(test_catch_up_without_an_answer),
                TEST(test_catch_up_refused),
                TEST(test_refused_sockets),
                TEST(test_real_kernel),
        };

        return cmocka_run_group_tests_name("rtnl", tests, NULL, NULL);
}
