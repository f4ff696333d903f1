/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A client with COUNT references is killed while another one keeps calling. Prints "gone-ns longest-ns
 * calls": when the kernel's counter was back, the longest of the other's calls, and how many they were. */

#include <err.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "bystander.h"
#include "promisc-names.h"

#define WATCH_NS (500 * NSEC_PER_MSEC) /* after the kill: the work that follows is watched too */
#define POLL_NS  (NSEC_PER_MSEC / 10)

static _Noreturn void hold(int ifindex, unsigned count, int ready) {
        char path[sizeof PROMISC_LINK_PREFIX + 12];
        sd_bus *bus = bus_open();

        (void) snprintf(path, sizeof path, PROMISC_LINK_PREFIX "/%d", ifindex);
        for (unsigned i = 0; i < count; i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;

                if (sd_bus_call_method(bus, PROMISC_BUS_NAME, path, PROMISC_LINK_INTERFACE, "Acquire",
                                       &error, NULL, "sa{sv}", "measuring", 0) < 0)
                        errx(1, "Acquire: %s", error.message);
        }
        notify(ready);
        for (;;)
                pause();
}

int main(int argc, char *argv[]) {
        struct mnl_socket *nl = rtnl_open(0);
        int ready = counter_new(), ifindex;
        uint64_t killed, gone = 0;
        uint32_t before;
        unsigned count;
        Bystander *bystander;
        pid_t holder;

        if (argc != 3)
                errx(2, "usage: vanish LINK COUNT");
        ifindex = parse_link(argv[1]);
        count = parse_number(argv[2]);

        before = rtnl_promiscuity(nl, ifindex);
        holder = fork_child();
        if (holder == 0)
                hold(ifindex, count, ready);
        wait_for(ready, "references");
        bystander = bystander_new(ifindex);
        if (rtnl_promiscuity(nl, ifindex) != before + count)
                errx(1, "%u references are %" PRIu32 " units", count,
                     rtnl_promiscuity(nl, ifindex) - before);

        bystander->watched = true;
        killed = now_ns();
        if (kill(holder, SIGKILL) < 0)
                err(1, "kill");
        while (gone == 0) {
                if (rtnl_promiscuity(nl, ifindex) == before)
                        gone = now_ns() - killed;
                else if (now_ns() - killed > 60 * NSEC_PER_SEC)
                        errx(1, "units are left after a minute");
                else
                        sleep_ns(POLL_NS);
        }
        sleep_until(killed + gone + WATCH_NS);

        printf("%" PRIu64 " %" PRIu64 " %" PRIu32 "\n", gone, (uint64_t) bystander->longest,
               (uint32_t) bystander->count);
        return 0;
}
