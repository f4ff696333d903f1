/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fd-store.h"
#include "packet-socket.h"
#include "util.h"

/* The kernel's side of it, as packet(7) and the measurements have it: a unit is one entry (socket,
 * ifindex, address), and the same entry added again moves nothing. What the real kernel does with all this
 * is the integration tests' business; here it can be made to fail at each step. */

#define FIRST_FD 1000 /* no descriptor of the process */
#define DEVICES  7    /* indexes 1 to 6 */

int __wrap_socket(int domain, int type, int protocol);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t length);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *length);
int __wrap_notify_send(const char *text, int fd);
int __wrap_close(int fd);
int __real_close(int fd);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_fstat64(int fd, struct stat *st);

typedef struct Entry {
        int ifindex;
        unsigned address_length;
        uint8_t address[8];
} Entry;

static struct {
        struct {
                bool open;
                unsigned n;
                Entry entries[PACKET_SOCKET_UNITS_MAX + 1];
        } sockets[PACKET_SOCKETS_MAX + 1];
        unsigned n_sockets, n_closed;
        unsigned counter[DEVICES];
        unsigned address_length[DEVICES];
        int fail_socket, fail_add, fail_eventfd; /* errno of the next call */
        int lowest_fd;
} kernel;

/* The descriptor store, as the service manager has it. */
static struct {
        unsigned n_stored;
        int barriers[PACKET_SOCKETS_MAX]; /* which it closes when it has dealt with all before */
        unsigned n_barriers;
        int answer, answer_barrier;
} store;

static void kernel_init(void) {
        memset(&kernel, 0, sizeof(kernel));
        memset(&store, 0, sizeof(store));
        store.answer = store.answer_barrier = 1;
        kernel.address_length[1] = 6;
        kernel.address_length[2] = 6;
        kernel.address_length[3] = 0; /* tun */
        kernel.address_length[4] = 0;
        kernel.address_length[5] = 20; /* InfiniBand */
        kernel.address_length[6] = 4;  /* ipip */
}

int __wrap_socket(int domain, int type, int protocol) {
        assert_int_equal(domain, AF_PACKET);
        assert_int_equal(type, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_int_equal(protocol, 0);

        if (kernel.fail_socket) {
                errno = kernel.fail_socket;
                return -1;
        }
        assert_true(kernel.n_sockets < PACKET_SOCKETS_MAX);
        kernel.sockets[kernel.n_sockets].open = true;
        return FIRST_FD + (int) kernel.n_sockets++;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t length) {
        const struct packet_mreq *mr = value;
        Entry e = {};
        unsigned s = (unsigned) (fd - FIRST_FD), i;

        assert_int_equal(level, SOL_PACKET);
        assert_int_equal(length, sizeof(*mr));
        assert_int_equal(mr->mr_type, PACKET_MR_PROMISC);
        assert_true(s < kernel.n_sockets && kernel.sockets[s].open);
        assert_true(mr->mr_alen <= sizeof(mr->mr_address));

        e.ifindex = mr->mr_ifindex;
        e.address_length = mr->mr_alen;
        memcpy(e.address, mr->mr_address, mr->mr_alen);
        for (i = 0; i < kernel.sockets[s].n; i++)
                if (memcmp(kernel.sockets[s].entries + i, &e, sizeof(e)) == 0)
                        break;

        if (option == PACKET_DROP_MEMBERSHIP) {
                if (i < kernel.sockets[s].n) {
                        kernel.counter[e.ifindex]--;
                        kernel.sockets[s].entries[i] = kernel.sockets[s].entries[--kernel.sockets[s].n];
                }
                return 0;
        }

        assert_int_equal(option, PACKET_ADD_MEMBERSHIP);
        errno = kernel.fail_add;
        if (!errno && (e.ifindex < 1 || e.ifindex >= DEVICES))
                errno = ENODEV;
        if (!errno && e.address_length > kernel.address_length[e.ifindex])
                errno = EINVAL;
        if (errno)
                return -1;

        if (i == kernel.sockets[s].n) {
                assert_true(i < PACKET_SOCKET_UNITS_MAX);
                kernel.sockets[s].entries[kernel.sockets[s].n++] = e;
                kernel.counter[e.ifindex]++;
        }
        return 0;
}

int __wrap_fstat64(int fd, struct stat *st) {
        assert_true(fd >= FIRST_FD);
        *st = (struct stat){ .st_ino = (ino_t) fd };
        return 0;
}

/* What is probed for: the lowest descriptor that is free. */
int __wrap_eventfd(unsigned count, int flags) {
        assert_true(flags & EFD_CLOEXEC);
        errno = kernel.fail_eventfd;
        return errno ? -1 : kernel.lowest_fd;
}

int __wrap_close(int fd) {
        unsigned s = (unsigned) (fd - FIRST_FD);

        if (fd == kernel.lowest_fd)
                return 0;
        if (fd < FIRST_FD)
                return __real_close(fd);
        assert_true(s < kernel.n_sockets && kernel.sockets[s].open);
        kernel.sockets[s].open = false;
        kernel.n_closed++;
        return 0;
}

/* For what is passed in: descriptors from FIRST_FD on are packet sockets of protocol 0, but for two. */
#define FD_OF_OTHER_FAMILY   (FIRST_FD + 100)
#define FD_OF_OTHER_PROTOCOL (FIRST_FD + 101)

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *length) {
        assert_int_equal(level, SOL_SOCKET);
        assert_int_equal(*length, sizeof(int));
        assert_true(option == SO_DOMAIN || option == SO_PROTOCOL);

        if (option == SO_DOMAIN)
                *(int *) value = fd == FD_OF_OTHER_FAMILY ? AF_NETLINK : AF_PACKET;
        else
                *(int *) value = fd == FD_OF_OTHER_PROTOCOL ? 0x300 : 0;
        return 0;
}

int __wrap_notify_send(const char *text, int fd) {
        if (strcmp(text, "BARRIER=1") == 0) {
                if (store.answer_barrier <= 0)
                        return store.answer_barrier;
                store.barriers[store.n_barriers++] = dup(fd);
                return 1;
        }
        assert_string_equal(text, "FDSTORE=1\nFDNAME=packet\nFDPOLL=0");
        assert_int_equal(fd, FIRST_FD + (int) kernel.n_sockets - 1);
        /* Stored before its first membership. */
        assert_int_equal(kernel.sockets[kernel.n_sockets - 1].n, 0);
        store.n_stored += store.answer > 0;
        return store.answer;
}

/* The device goes, and every entry on it. */
static void kernel_remove(int ifindex) {
        for (unsigned s = 0; s < kernel.n_sockets; s++)
                for (unsigned i = 0; i < kernel.sockets[s].n;)
                        if (kernel.sockets[s].entries[i].ifindex == ifindex)
                                kernel.sockets[s].entries[i] =
                                                kernel.sockets[s].entries[--kernel.sockets[s].n];
                        else
                                i++;
        kernel.counter[ifindex] = 0;
}

/* What a reference does, without the record that it writes in between. */
static int packet_pool_add(PacketPool *p, int ifindex, uint64_t id, unsigned address_length, bool reserve,
                           PacketUnit *ret) {
        PacketUnit u;
        int r;

        r = packet_pool_book(p, ifindex, id, address_length, reserve, &u);
        if (r < 0)
                return r;
        r = packet_unit_take(&u);
        if (r < 0) {
                packet_pool_drop(p, &u);
                return r;
        }

        *ret = u;
        return 0;
}

static PacketPool *pool_new(void) {
        PacketPool *p;

        kernel_init();
        assert_int_equal(packet_pool_new(NULL, NULL, NULL, &p), 0);
        assert_int_equal(kernel.n_sockets, 0);
        return p;
}

/* Nothing is closed before the end, and then everything. */
static void pool_end(PacketPool *p) {
        assert_int_equal(kernel.n_closed, 0);
        assert_null(packet_pool_free(p));
        assert_int_equal(kernel.n_closed, kernel.n_sockets);
}

static void add(PacketPool *p, int ifindex, uint64_t id, PacketUnit *u) {
        unsigned before = kernel.counter[ifindex];

        assert_int_equal(packet_pool_add(p, ifindex, id, kernel.address_length[ifindex], true, u), 0);
        assert_int_equal(kernel.counter[ifindex], before + 1);
        assert_non_null(u->socket);
}

static void drop(PacketPool *p, PacketUnit *u) {
        unsigned before = kernel.counter[u->ifindex];

        packet_pool_drop(p, u);
        assert_int_equal(kernel.counter[u->ifindex], before - 1);
        assert_null(u->socket);
}

static void test_nothing(void **state) {
        PacketUnit none = {};
        PacketPool *p = pool_new();

        assert_null(packet_pool_free(NULL));
        packet_pool_drop(p, &none);
        pool_end(p);
}

static void test_shared_sockets(void **state) {
        static PacketUnit units[1000];
        PacketPool *p = pool_new();

        for (unsigned i = 0; i < ELEMENTSOF(units); i++)
                add(p, 1 + (int) (i % 2), 100 + i, units + i);
        assert_int_equal(kernel.n_sockets, 16);
        for (unsigned i = 0; i < ELEMENTSOF(units); i++)
                drop(p, units + i);
        assert_int_equal(kernel.counter[1] + kernel.counter[2], 0);

        /* Again, in the same sockets. */
        for (unsigned i = 0; i < ELEMENTSOF(units); i++)
                add(p, 1, 5000 + i, units + i);
        assert_int_equal(kernel.n_sockets, 16);
        pool_end(p);
}

/* The id can be read off the entry. */
static void test_address(void **state) {
        static const uint8_t address[] = { 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
        const uint64_t id = UINT64_C(0x0123456789abcdef);
        PacketPool *p = pool_new();
        PacketUnit u;

        for (int ifindex = 1; ifindex < DEVICES; ifindex++) {
                const Entry *e = kernel.sockets[0].entries;
                unsigned length = kernel.address_length[ifindex] >= 6 ? 6 : 0;

                add(p, ifindex, id, &u);
                assert_int_equal(e->ifindex, ifindex);
                assert_int_equal(e->address_length, length);
                assert_memory_equal(e->address, address, length);
                assert_int_equal(u.ifindex, ifindex);
                assert_int_equal(u.address_length, length);
                drop(p, &u);
        }
        pool_end(p);
}

/* Without addresses each reference on a device needs a socket, but devices share them. */
static void test_devices_without_address(void **state) {
        PacketUnit units[3][20];
        PacketPool *p = pool_new();

        for (unsigned i = 0; i < 20; i++) {
                add(p, 3, 100 + i, units[0] + i);
                add(p, 4, 200 + i, units[1] + i);
                add(p, 6, 300 + i, units[2] + i);
        }
        assert_int_equal(kernel.n_sockets, 20);

        /* In the middle, and back to where there is room. */
        drop(p, units[0] + 7);
        drop(p, units[0] + 3);
        add(p, 3, 900, units[0] + 3);
        add(p, 3, 901, units[0] + 7);
        assert_int_equal(kernel.n_sockets, 20);

        for (unsigned i = 0; i < 20; i++)
                for (unsigned k = 0; k < 3; k++)
                        drop(p, units[k] + i);
        pool_end(p);
}

static void test_all_sockets_taken(void **state) {
        static PacketUnit units[PACKET_POOL_UNITS_MAX];
        PacketUnit one = { .ifindex = 99 };
        PacketPool *p = pool_new();

        for (unsigned i = 0; i < PACKET_SOCKETS_MAX; i++)
                add(p, 3, 1 + i, units + i);
        assert_int_equal(packet_pool_add(p, 3, 1000, 0, true, &one), -EUSERS);
        assert_int_equal(kernel.counter[3], PACKET_SOCKETS_MAX);
        assert_int_equal(one.ifindex, 99);

        /* There is room for other devices. */
        for (unsigned i = PACKET_SOCKETS_MAX; i < PACKET_POOL_UNITS_MAX; i++)
                add(p, 1, 1 + i, units + i);
        assert_int_equal(packet_pool_add(p, 1, 20000, 6, true, &one), -EUSERS);
        assert_int_equal(packet_pool_add(p, 4, 20000, 0, true, &one), -EUSERS);

        drop(p, units + 5000);
        add(p, 1, 20000, units + 5000);
        drop(p, units + 17);
        add(p, 3, 20001, units + 17);
        assert_int_equal(kernel.counter[1] + kernel.counter[3], PACKET_POOL_UNITS_MAX);
        pool_end(p);
}

/* Without reserve the last sockets are left. */
static void test_reserve(void **state) {
        static PacketUnit units[PACKET_SOCKETS_MAX];
        PacketPool *p = pool_new();
        PacketUnit one = {};

        for (unsigned i = 0; i < PACKET_SOCKETS_MAX - PACKET_SOCKETS_ROOT; i++)
                assert_int_equal(packet_pool_add(p, 3, 1 + i, 0, false, units + i), 0);
        assert_int_equal(packet_pool_add(p, 3, 1000, 0, false, &one), -EUSERS);
        for (unsigned i = PACKET_SOCKETS_MAX - PACKET_SOCKETS_ROOT; i < PACKET_SOCKETS_MAX; i++)
                assert_int_equal(packet_pool_add(p, 3, 1 + i, 0, true, units + i), 0);
        assert_int_equal(packet_pool_add(p, 3, 1000, 0, true, &one), -EUSERS);
        pool_end(p);
}

/* The last descriptors are for others, and no socket is made only to be closed again. */
static void test_descriptors(void **state) {
        PacketPool *p = pool_new();
        PacketUnit one = {};
        struct rlimit l;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
        kernel.lowest_fd = (int) l.rlim_cur - (int) FD_RESERVE;
        assert_int_equal(packet_pool_add(p, 1, 1, 6, true, &one), -EMFILE);
        kernel.lowest_fd = 0;
        kernel.fail_eventfd = ENFILE;
        assert_int_equal(packet_pool_add(p, 1, 1, 6, true, &one), -ENFILE);
        assert_int_equal(kernel.n_sockets, 0);

        kernel.fail_eventfd = 0;
        kernel.lowest_fd = (int) l.rlim_cur - (int) FD_RESERVE - 1;
        add(p, 1, 1, &one);
        pool_end(p);
}

static void test_refused_membership(void **state) {
        static const int errors[] = { ENODEV, EOVERFLOW, EINVAL, ENOBUFS, ENOMEM };
        PacketUnit u = { .ifindex = 99 }, held;
        PacketPool *p = pool_new();

        /* More often than there is room for, so that a place that is lost with each is noticed. */
        for (unsigned i = 0; i < 2 * PACKET_POOL_UNITS_MAX; i++) {
                kernel.fail_add = errors[i % ELEMENTSOF(errors)];
                assert_int_equal(packet_pool_add(p, i % 2 ? 1 : 3, 1 + i, i % 2 ? 6 : 0, true, &u),
                                 -kernel.fail_add);
                assert_int_equal(u.ifindex, 99);
        }
        kernel.fail_add = 0;
        assert_int_equal(kernel.n_sockets, 1);

        /* The kernel's own words: no such device; an address longer than the device's. */
        assert_int_equal(packet_pool_add(p, DEVICES, 1, 6, true, &u), -ENODEV);
        assert_int_equal(packet_pool_add(p, 3, 1, 6, true, &u), -EINVAL);

        add(p, 1, 1, &held);
        add(p, 3, 1, &u);
        assert_int_equal(kernel.n_sockets, 1);
        pool_end(p);
}

static void test_refused_socket(void **state) {
        static const int errors[] = { EPERM, EMFILE, ENFILE, ENOBUFS, ENOMEM };
        PacketPool *p = pool_new();
        PacketUnit u = { .ifindex = 99 };

        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                kernel.fail_socket = errors[i];
                assert_int_equal(packet_pool_add(p, 1, 1, 6, true, &u), -errors[i]);
                assert_int_equal(u.ifindex, 99);
                assert_int_equal(kernel.counter[1], 0);
        }
        kernel.fail_socket = 0;
        add(p, 1, 1, &u);
        pool_end(p);
}

/* The device took its units along, and another one came with its index. */
static void test_device_gone(void **state) {
        PacketUnit units[4], again;
        PacketPool *p = pool_new();

        add(p, 1, 1, units);
        add(p, 1, 2, units + 1);
        add(p, 3, 3, units + 2);
        add(p, 3, 4, units + 3);
        kernel_remove(1);
        kernel_remove(3);
        for (unsigned i = 0; i < 4; i++)
                packet_pool_drop(p, units + i);
        assert_int_equal(kernel.counter[1], 0);

        add(p, 1, 5, units);
        add(p, 3, 6, &again);
        assert_int_equal(kernel.n_sockets, 2);

        /* A second drop of the same unit is nothing. */
        drop(p, &again);
        packet_pool_drop(p, &again);
        add(p, 3, 7, &again);
        assert_int_equal(kernel.counter[3], 1);
        pool_end(p);
}

/* Everybody's unit stays his, in whatever order they come and go. */
static void test_random_order(void **state) {
        static PacketUnit units[600];
        unsigned expected[DEVICES] = {};
        uint64_t seed = 5, id = 1;
        PacketPool *p = pool_new();

        memset(units, 0, sizeof(units));
        for (unsigned n = 0; n < 20000; n++) {
                PacketUnit *u = units + unit_random(&seed) % ELEMENTSOF(units);

                if (u->socket) {
                        expected[u->ifindex]--;
                        drop(p, u);
                } else {
                        int ifindex = 1 + (int) (unit_random(&seed) % 6);

                        add(p, ifindex, id++, u);
                        expected[ifindex]++;
                }
                assert_memory_equal(kernel.counter, expected, sizeof(expected));
        }
        for (unsigned i = 0; i < ELEMENTSOF(units); i++)
                packet_pool_drop(p, units + i);
        for (unsigned i = 0; i < DEVICES; i++)
                assert_int_equal(kernel.counter[i], 0);
        pool_end(p);
}

/* --- with a descriptor store --- */

static unsigned n_ready;

static void on_ready(void *userdata) {
        assert_string_equal(userdata, "ready");
        n_ready++;
}

static PacketPool *storing_pool_new(sd_event **ret_event) {
        PacketPool *p;

        kernel_init();
        n_ready = 0;
        assert_return_code(sd_event_new(ret_event), 0);
        assert_int_equal(packet_pool_new(*ret_event, on_ready, (void *) "ready", &p), 0);
        return p;
}

static void run(sd_event *event) {
        int r;

        do {
                r = sd_event_run(event, 0);
                assert_true(r >= 0);
        } while (r > 0);
}

/* The manager gets to what was sent to it. */
static void confirm(sd_event *event) {
        while (store.n_barriers > 0)
                close(store.barriers[--store.n_barriers]);
        run(event);
}

static void storing_pool_end(PacketPool *p, sd_event *event) {
        pool_end(p);
        while (store.n_barriers > 0)
                close(store.barriers[--store.n_barriers]);
        sd_event_unref(event);
}

static void test_stored_first(void **state) {
        PacketUnit u = { .ifindex = 99 }, other;
        sd_event *event;
        PacketPool *p = storing_pool_new(&event);

        /* Not before the manager has it; asking again makes no second one. */
        for (unsigned i = 0; i < 5; i++) {
                assert_int_equal(packet_pool_book(p, 1, 1, 6, true, &u), -EAGAIN);
                run(event);
                assert_int_equal(n_ready, 0);
                assert_int_equal(u.ifindex, 99);
                assert_int_equal(kernel.n_sockets, 1);
                assert_int_equal(store.n_stored, 1);
        }
        confirm(event);
        assert_int_equal(n_ready, 1);

        /* From then on; and the next one is made ready. */
        add(p, 1, 1, &u);
        assert_int_equal(kernel.n_sockets, 2);
        assert_int_equal(store.n_stored, 2);
        add(p, 1, 2, &other);
        assert_int_equal(kernel.n_sockets, 2);
        confirm(event);
        assert_int_equal(n_ready, 2);
        assert_int_equal(kernel.counter[1], 2);
        assert_int_equal(kernel.sockets[0].n, 2);
        drop(p, &u);
        drop(p, &other);
        storing_pool_end(p, event);
}

static void test_prepare(void **state) {
        sd_event *event;
        PacketPool *p = storing_pool_new(&event);
        PacketUnit u;

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(packet_pool_prepare(p, true), 0);
        assert_int_equal(kernel.n_sockets, 1);
        confirm(event);
        assert_int_equal(n_ready, 1);
        add(p, 3, 1, &u);
        assert_int_equal(kernel.n_sockets, 2); /* by itself */
        assert_int_equal(packet_pool_prepare(p, true), 0);
        assert_int_equal(kernel.n_sockets, 2);
        storing_pool_end(p, event);

        p = pool_new();
        kernel.fail_socket = EPERM;
        assert_int_equal(packet_pool_prepare(p, true), -EPERM);
        pool_end(p);
}

/* Each needs a socket of its own, and each is waited for. */
static void test_storing_in_a_row(void **state) {
        sd_event *event;
        PacketPool *p = storing_pool_new(&event);
        PacketUnit units[20];
        unsigned n_waits = 0;

        for (unsigned i = 0; i < ELEMENTSOF(units); i++) {
                int r;

                while ((r = packet_pool_book(p, 3, 1 + i, 0, true, units + i)) == -EAGAIN) {
                        unsigned before = n_ready;

                        confirm(event);
                        assert_int_equal(n_ready, before + 1);
                        n_waits++;
                }
                assert_int_equal(r, 0);
                assert_int_equal(packet_unit_take(units + i), 0);
        }
        assert_int_equal(kernel.counter[3], 20);
        assert_int_equal(n_waits, 20);
        assert_int_equal(kernel.n_sockets, 21);
        storing_pool_end(p, event);
}

static void test_store_refuses(void **state) {
        static const int answers[] = { -ENOBUFS, -EPERM, 0 };
        sd_event *event;
        PacketPool *p = storing_pool_new(&event);
        PacketUnit u = { .ifindex = 99 };

        for (unsigned i = 0; i < ELEMENTSOF(answers); i++) {
                store.answer = answers[i];
                assert_int_equal(packet_pool_book(p, 1, 1, 6, true, &u), answers[i] ?: -EOPNOTSUPP);
                assert_int_equal(u.ifindex, 99);
                assert_int_equal(kernel.n_closed, i + 1);
                assert_int_equal(store.n_barriers, 0);
        }
        store.answer = 1;
        assert_int_equal(packet_pool_book(p, 1, 1, 6, true, &u), -EAGAIN);
        confirm(event);
        add(p, 1, 1, &u);
        kernel.n_closed = 0;
        packet_pool_free(p);
        assert_int_equal(kernel.n_closed + ELEMENTSOF(answers), kernel.n_sockets);
        confirm(event);
        sd_event_unref(event);
}

/* More than the manager keeps it would close, and still confirm. What was kept before counts, whatever it is. */
static void test_store_is_full(void **state) {
        sd_event *event;
        PacketPool *p = storing_pool_new(&event);
        PacketUnit u = { .ifindex = 99 }, other, former;

        setenv("FDSTORE", "3", 1);
        assert_int_equal(packet_pool_adopt(p, socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), 0);
        assert_int_equal(packet_pool_restore(p, FIRST_FD, 3, 100, 0, &former), 0);
        assert_int_equal(packet_pool_book(p, 3, 1, 0, true, &u), -EAGAIN);
        confirm(event);
        add(p, 3, 1, &u);
        confirm(event);
        add(p, 3, 2, &other);
        assert_int_equal(kernel.n_sockets, 3);
        assert_int_equal(packet_pool_prepare(p, true), -EXFULL);
        assert_int_equal(packet_pool_book(p, 3, 3, 0, true, &u), -EXFULL);
        assert_int_equal(store.n_stored, 2);
        assert_int_equal(n_ready, 2);

        /* What there is serves on. */
        add(p, 1, 4, &u);
        drop(p, &other);
        add(p, 3, 3, &other);
        assert_int_equal(kernel.counter[3], 2); /* and a former one, which this kernel knows nothing of */

        /* A limit that makes no sense is none. */
        for (unsigned i = 0; i < 4; i++) {
                setenv("FDSTORE", ((const char *[]){ "", "-1", "2x", "99999999999999999999" })[i], 1);
                assert_int_equal(fd_store_get_max(), UINT32_MAX);
        }
        unsetenv("FDSTORE");
        storing_pool_end(p, event);
}

/* One whose copy may have arrived, but is not confirmed, is not used; it counts until the next start. */
static void test_store_cannot_confirm(void **state) {
        sd_event *event;
        PacketPool *p = storing_pool_new(&event);
        PacketUnit u;

        setenv("FDSTORE", "2", 1);
        store.answer_barrier = -EAGAIN;
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(packet_pool_book(p, 1, 1, 6, true, &u), -EBUSY);
        store.answer_barrier = 1;
        assert_int_equal(packet_pool_book(p, 1, 1, 6, true, &u), -EXFULL);
        assert_int_equal(kernel.n_closed, 2);
        unsetenv("FDSTORE");
        packet_pool_free(p);
        sd_event_unref(event);
}

/* What is made ready ahead of time is not made ready for everybody. */
static void test_reserve_with_store(void **state) {
        static PacketUnit units[PACKET_SOCKETS_MAX];
        sd_event *event;
        PacketPool *p = storing_pool_new(&event);
        PacketUnit one = {};
        unsigned n = 0;
        int r = 0;

        while (n < PACKET_SOCKETS_MAX && r >= 0) {
                while ((r = packet_pool_book(p, 3, 1 + n, 0, false, units + n)) == -EAGAIN)
                        confirm(event);
                n += r >= 0;
        }
        assert_int_equal(r, -EUSERS);
        assert_int_equal(n, PACKET_SOCKETS_MAX - PACKET_SOCKETS_ROOT);
        for (; n < PACKET_SOCKETS_MAX; n++) {
                while ((r = packet_pool_book(p, 3, 1 + n, 0, true, units + n)) == -EAGAIN)
                        confirm(event);
                assert_int_equal(r, 0);
        }
        assert_int_equal(packet_pool_book(p, 3, 1000, 0, true, &one), -EUSERS);
        storing_pool_end(p, event);
}

/* --- after a former process --- */

static void test_adopt(void **state) {
        sd_event *event;
        PacketPool *p = storing_pool_new(&event);
        PacketUnit u, other, none = { .ifindex = 99 };
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_false(packet_pool_has(p, (uint64_t) fd));
        assert_int_equal(packet_pool_adopt(p, fd), 0);
        assert_true(packet_pool_has(p, (uint64_t) fd));
        assert_int_equal(store.n_stored, 0); /* it is there already */
        assert_int_equal(packet_pool_prepare(p, true), 0);
        assert_int_equal(kernel.n_sockets, 1);

        /* What it held, by whom it was taken. */
        u = (PacketUnit){};
        kernel.sockets[0].n = 2;
        kernel.sockets[0].entries[0] = (Entry){ 1, 6, { 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef } };
        kernel.sockets[0].entries[1] = (Entry){ 3, 0, {} };
        kernel.counter[1] = kernel.counter[3] = 1;
        assert_int_equal(packet_pool_restore(p, (uint64_t) fd, 1, UINT64_C(0x0123456789abcdef), 6, &u), 0);
        assert_int_equal(packet_pool_restore(p, (uint64_t) fd, 3, 7, 0, &other), 0);
        assert_true(packet_unit_get_inode(&u) == (uint64_t) fd);
        assert_int_equal(kernel.counter[1] + kernel.counter[3], 2); /* nothing moved */
        assert_int_equal(packet_pool_restore(p, (uint64_t) fd, 3, 8, 0, &none), -ENOSPC);
        assert_int_equal(packet_pool_restore(p, (uint64_t) fd + 1, 1, 8, 6, &none), -ENOENT);
        assert_int_equal(none.ifindex, 99);

        drop(p, &u);
        drop(p, &other);
        add(p, 3, 9, &other); /* and there is room again */
        assert_int_equal(kernel.sockets[0].n, 1);
        storing_pool_end(p, event);
}

static void test_adopt_full(void **state) {
        static PacketUnit units[PACKET_SOCKET_UNITS_MAX];
        sd_event *event;
        PacketPool *p = storing_pool_new(&event);
        PacketUnit none;

        assert_int_equal(packet_pool_adopt(p, socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), 0);
        for (unsigned i = 0; i < PACKET_SOCKET_UNITS_MAX; i++)
                assert_int_equal(packet_pool_restore(p, FIRST_FD, 1, 1 + i, 6, units + i), 0);
        assert_int_equal(packet_pool_restore(p, FIRST_FD, 1, 1000, 6, &none), -ENOSPC);
        assert_int_equal(packet_pool_book(p, 1, 1000, 6, true, &none), -EAGAIN); /* a new one */
        assert_int_equal(kernel.n_sockets, 2);
        storing_pool_end(p, event);
}

static void test_adopt_refused(void **state) {
        PacketPool *p = pool_new();

        kernel.n_sockets = 102;
        for (unsigned i = 0; i < kernel.n_sockets; i++)
                kernel.sockets[i].open = true;
        assert_int_equal(packet_pool_adopt(p, FD_OF_OTHER_FAMILY), -EINVAL);
        assert_int_equal(packet_pool_adopt(p, FD_OF_OTHER_PROTOCOL), -EINVAL);
        assert_int_equal(kernel.n_closed, 2);
        assert_false(kernel.sockets[100].open || kernel.sockets[101].open);
        packet_pool_free(p);
        assert_int_equal(kernel.n_closed, 2);

        p = pool_new();
        kernel.n_sockets = PACKET_SOCKETS_MAX + 1;
        for (unsigned i = 0; i < PACKET_SOCKETS_MAX + 3; i++) {
                int fd = FIRST_FD + (int) i;

                if (i <= PACKET_SOCKETS_MAX)
                        kernel.sockets[i].open = true;
                if (fd == FD_OF_OTHER_FAMILY || fd == FD_OF_OTHER_PROTOCOL || i > PACKET_SOCKETS_MAX)
                        continue;
                assert_int_equal(packet_pool_adopt(p, fd), 0);
        }
        packet_pool_free(p);
        assert_int_equal(kernel.n_closed, PACKET_SOCKETS_MAX + 1 - 2);
}

static void test_drop_entry(void **state) {
        PacketPool *p = pool_new();
        const Entry unknown = { 2, 6, { 1, 2, 3, 4, 5, 6 } };
        uint8_t long_address[32] = {};
        PacketUnit u;

        add(p, 1, 1, &u);
        kernel.sockets[0].entries[1] = unknown;
        kernel.sockets[0].n = 2;
        kernel.counter[2] = 1;
        packet_pool_drop_entry(p, FIRST_FD + 1, 2, unknown.address, 6); /* another's socket */
        packet_pool_drop_entry(p, FIRST_FD, 2, long_address, sizeof(long_address));
        assert_int_equal(kernel.counter[2], 1);
        packet_pool_drop_entry(p, FIRST_FD, 2, unknown.address, 6);
        assert_int_equal(kernel.counter[2], 0);
        assert_int_equal(kernel.counter[1], 1);
        drop(p, &u);
        pool_end(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing),           cmocka_unit_test(test_shared_sockets),
                cmocka_unit_test(test_address),           cmocka_unit_test(test_devices_without_address),
                cmocka_unit_test(test_all_sockets_taken), cmocka_unit_test(test_reserve), cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_refused_membership),
                cmocka_unit_test(test_refused_socket),    cmocka_unit_test(test_device_gone),
                cmocka_unit_test(test_random_order),      cmocka_unit_test(test_stored_first),
                cmocka_unit_test(test_prepare),           cmocka_unit_test(test_storing_in_a_row),
                cmocka_unit_test(test_store_is_full),     cmocka_unit_test(test_store_cannot_confirm),
                cmocka_unit_test(test_store_refuses),     cmocka_unit_test(test_reserve_with_store),
                cmocka_unit_test(test_adopt),             cmocka_unit_test(test_adopt_full),
                cmocka_unit_test(test_adopt_refused),     cmocka_unit_test(test_drop_entry),
        };

        return cmocka_run_group_tests_name("packet-socket", tests, NULL, NULL);
}
