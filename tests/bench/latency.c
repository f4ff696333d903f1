/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a change in the kernel to a program that waits for it, three ways in turn, each change alone:
 *
 *   listener   change → bare libmnl listener, in a network namespace that the service does not see
 *   signal     one bare sd-bus signal of the same size → subscriber, through the same bus daemon
 *   service    change → service → bus daemon → the same subscriber
 *
 * Prints one line of nanoseconds for each turn. */

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define PAUSE_NS NSEC_PER_MSEC
#define WARM_UP  40U /* turns */

typedef struct Arrival {
        _Atomic uint64_t at;
        _Atomic uint32_t value;
} Arrival;

static Arrival *arrival;
static int arrived;

static void arrive(uint64_t at, uint32_t value) {
        arrival->at = at;
        arrival->value = value;
        notify(arrived);
}

static int on_link(const struct nlmsghdr *h, void *userdata) {
        const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(h);
        static uint32_t last;
        struct nlattr *a;

        if (ifi->ifi_index != *(const int *) userdata)
                return MNL_CB_OK;
        mnl_attr_for_each(a, h, sizeof *ifi) {
                uint32_t value;

                if (mnl_attr_get_type(a) != IFLA_PROMISCUITY)
                        continue;
                value = mnl_attr_get_u32(a);
                /* The carrier comes up late, and says the same counter again. */
                if (value != last)
                        arrive(now_ns(), value);
                last = value;
        }
        return MNL_CB_OK;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        uint32_t old, new;

        bus_read_change(m, &old, &new);
        arrive(now_ns(), new);
        return 0;
}

static _Noreturn void listen_bare(int ifindex, int ready) {
        struct mnl_socket *nl = rtnl_open(RTMGRP_LINK);
        char buf[32768];

        notify(ready);
        for (;;) {
                ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof buf);

                if (n < 0 || mnl_cb_run(buf, (size_t) n, 0, 0, on_link, &ifindex) < 0)
                        err(1, "listener");
        }
}

/* A namespace with a link of the same kind, a changer and a listener of its own. */
static void listener_start(Changer *ret_changer, int ready) {
        int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        if (ns < 0 || unshare(CLONE_NEWNET) < 0)
                err(1, "network namespace");
        if (system("ip link add bench0 type veth peer name bench1 && ip link set bench0 up && "
                   "ip link set bench1 up") != 0)
                errx(1, "no veth for the listener");
        changer_open(ret_changer, parse_link("bench0"));
        if (fork_child() == 0)
                listen_bare(ret_changer->ifindex, ready);
        wait_for(ready, "listener");
        if (setns(ns, CLONE_NEWNET) < 0)
                err(1, "setns");
        close(ns);
}

static uint64_t arrival_wait(uint64_t since, uint32_t value, const char *what) {
        wait_for(arrived, what);
        if (arrival->value != value)
                errx(1, "%s: %" PRIu32 " instead of %" PRIu32, what, (uint32_t) arrival->value, value);
        return arrival->at - since;
}

int main(int argc, char *argv[]) {
        static const uint32_t values[] = { 1, 2, 1, 0 };
        Changer bare, changer;
        int ready = counter_new(), ifindex;
        unsigned turns;
        sd_bus *bus;

        if (argc != 3)
                errx(2, "usage: latency LINK TURNS");
        ifindex = parse_link(argv[1]);
        turns = parse_number(argv[2]);

        arrival = shared_memory(sizeof *arrival);
        arrived = counter_new();
        listener_start(&bare, ready);
        if (fork_child() == 0)
                bus_subscribe(ready, on_signal, NULL);
        wait_for(ready, "subscription");
        changer_open(&changer, ifindex);
        bus = bus_open();

        /* A whole number of cycles, so that the counters end where they began. */
        for (unsigned i = 0, n = (turns + WARM_UP + 3) / 4 * 4; i < n; i++) {
                uint32_t value = values[i % 4], before = values[(i + 3) % 4];
                uint64_t t, listener, signal, service;

                sleep_ns(PAUSE_NS);
                t = now_ns();
                changer_step(&bare);
                listener = arrival_wait(t, value, "netlink message");

                sleep_ns(PAUSE_NS);
                t = now_ns();
                bus_emit_change(bus, ifindex, before, value);
                signal = arrival_wait(t, value, "bare signal");

                sleep_ns(PAUSE_NS);
                t = now_ns();
                changer_step(&changer);
                service = arrival_wait(t, value, "PromiscuityChanged");

                if (i >= WARM_UP)
                        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", listener, signal, service);
        }
        return 0;
}
