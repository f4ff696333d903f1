/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "promisc-names.h"

uint64_t now_ns(void) {
        struct timespec ts;

        if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
                err(1, "clock_gettime");
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

void sleep_until(uint64_t ns) {
        struct timespec ts = { .tv_sec = (time_t) (ns / NSEC_PER_SEC),
                               .tv_nsec = (long) (ns % NSEC_PER_SEC) };

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
                ;
}

void sleep_ns(uint64_t ns) {
        sleep_until(now_ns() + ns);
}

uint64_t process_cpu_ns(pid_t pid) {
        struct timespec ts;
        clockid_t clock;
        int r;

        r = clock_getcpuclockid(pid, &clock);
        if (r != 0)
                errx(1, "process %d has no CPU clock (error %d)", pid, r);
        if (clock_gettime(clock, &ts) < 0)
                err(1, "CPU clock of process %d", pid);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

unsigned parse_number(const char *s) {
        char *end;
        unsigned long n;

        errno = 0;
        n = strtoul(s, &end, 10);
        if (errno != 0 || *s == '\0' || *end != '\0' || n > INT32_MAX)
                errx(2, "not a number: %s", s);
        return (unsigned) n;
}

int parse_link(const char *name) {
        unsigned ifindex = if_nametoindex(name);

        if (ifindex == 0)
                err(1, "link %s", name);
        return (int) ifindex;
}

void *shared_memory(size_t size) {
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                err(1, "mmap");
        return p;
}

pid_t fork_child(void) {
        pid_t parent = getpid(), pid = fork();

        if (pid < 0)
                err(1, "fork");
        if (pid == 0) {
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                        err(1, "prctl");
                if (getppid() != parent)
                        _exit(1);
        }
        return pid;
}

int counter_new(void) {
        int fd = eventfd(0, EFD_SEMAPHORE);

        if (fd < 0)
                err(1, "eventfd");
        return fd;
}

void notify(int fd) {
        if (eventfd_write(fd, 1) < 0)
                err(1, "eventfd_write");
}

void wait_for(int fd, const char *what) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        eventfd_t value;
        int n;

        n = poll(&p, 1, 10 * 1000);
        if (n < 0)
                err(1, "poll");
        if (n == 0)
                errx(1, "no %s within 10 s", what);
        if (eventfd_read(fd, &value) < 0)
                err(1, "eventfd_read");
}

void changer_open(Changer *c, int ifindex) {
        *c = (Changer){ .ifindex = ifindex };
        for (int i = 0; i < 2; i++) {
                c->fds[i] = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
                if (c->fds[i] < 0)
                        err(1, "packet socket");
        }
}

void changer_step(Changer *c) {
        static const struct {
                int fd;
                int option;
        } steps[] = {
                { 0, PACKET_ADD_MEMBERSHIP },
                { 1, PACKET_ADD_MEMBERSHIP },
                { 1, PACKET_DROP_MEMBERSHIP },
                { 0, PACKET_DROP_MEMBERSHIP },
        };
        struct packet_mreq mreq = { .mr_ifindex = c->ifindex, .mr_type = PACKET_MR_PROMISC };
        unsigned i = c->step++ % 4;

        if (setsockopt(c->fds[steps[i].fd], SOL_PACKET, steps[i].option, &mreq, sizeof mreq) < 0)
                err(1, "membership");
}

struct mnl_socket *rtnl_open(unsigned groups) {
        struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

        if (!nl || mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) < 0)
                err(1, "netlink socket");
        return nl;
}

uint32_t rtnl_promiscuity(struct mnl_socket *nl, int ifindex) {
        static unsigned seq;
        char buf[8192] = {};
        struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
        struct ifinfomsg *ifi;
        struct nlattr *a;
        ssize_t n;

        h->nlmsg_type = RTM_GETLINK;
        h->nlmsg_flags = NLM_F_REQUEST;
        h->nlmsg_seq = ++seq;
        ifi = mnl_nlmsg_put_extra_header(h, sizeof *ifi);
        ifi->ifi_index = ifindex;
        mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
                err(1, "RTM_GETLINK");

        n = mnl_socket_recvfrom(nl, buf, sizeof buf);
        if (n < 0)
                err(1, "RTM_GETLINK reply");
        if (!mnl_nlmsg_ok(h, (int) n) || h->nlmsg_type != RTM_NEWLINK || h->nlmsg_seq != seq)
                errx(1, "link %d: unexpected reply", ifindex);
        mnl_attr_for_each(a, h, sizeof *ifi) if (mnl_attr_get_type(a) ==
                                                 IFLA_PROMISCUITY) return mnl_attr_get_u32(a);
        errx(1, "link %d: no counter in the reply", ifindex);
}

sd_bus *bus_open(void) {
        const char *name;
        sd_bus *bus;
        int r;

        r = sd_bus_open_system(&bus);
        /* Waits for the greeting: before it, whatever is sent is only queued. */
        if (r >= 0)
                r = sd_bus_get_unique_name(bus, &name);
        if (r < 0) {
                errno = -r;
                err(1, "system bus");
        }
        return bus;
}

void bus_emit_change(sd_bus *bus, int ifindex, uint32_t old, uint32_t new) {
        char path[sizeof PROMISC_LINK_PREFIX + 12];
        int r;

        (void) snprintf(path, sizeof path, PROMISC_LINK_PREFIX "/%d", ifindex);
        r = sd_bus_emit_signal(bus, path, PROMISC_LINK_INTERFACE, "PromiscuityChanged", "uuts", old, new,
                               now_ns() / 1000, PROMISC_SOURCE_EVENT);
        if (r < 0) {
                errno = -r;
                err(1, "emit");
        }
}

void bus_subscribe(int ready, sd_bus_message_handler_t handler, void *userdata) {
        sd_bus *bus = bus_open();
        int r;

        r = sd_bus_add_match(bus, NULL,
                             "type='signal',interface='" PROMISC_LINK_INTERFACE "',"
                             "member='PromiscuityChanged'",
                             handler, userdata);
        if (r < 0) {
                errno = -r;
                err(1, "match");
        }
        notify(ready);

        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0) {
                        errno = -r;
                        err(1, "subscriber");
                }
        }
}

void bus_read_change(sd_bus_message *m, uint32_t *ret_old, uint32_t *ret_new) {
        const char *source;
        uint64_t timestamp;
        int r;

        r = sd_bus_message_read(m, "uuts", ret_old, ret_new, &timestamp, &source);
        if (r < 0) {
                errno = -r;
                err(1, "PromiscuityChanged");
        }
}
