/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bystander.h"

#include <err.h>

#include "bench.h"
#include "promisc-names.h"

#define PAUSE_NS (NSEC_PER_MSEC / 10)

static _Noreturn void call(int ifindex, Bystander *b, int ready) {
        sd_bus *bus = bus_open();

        for (bool told = false;;) {
                sd_bus_error error = SD_BUS_ERROR_NULL;
                uint64_t t = now_ns();

                if (sd_bus_call_method(bus, PROMISC_BUS_NAME, PROMISC_PATH, PROMISC_MANAGER_INTERFACE,
                                       "GetLinkByIndex", &error, NULL, "i", ifindex) < 0)
                        errx(1, "GetLinkByIndex: %s", error.message);
                t = now_ns() - t;
                if (b->watched) {
                        b->count++;
                        if (t > b->longest)
                                b->longest = t;
                }
                if (!told)
                        notify(ready);
                told = true;
                sleep_ns(PAUSE_NS);
        }
}

Bystander *bystander_new(int ifindex) {
        Bystander *b = shared_memory(sizeof *b);
        int ready = counter_new();

        if (fork_child() == 0)
                call(ifindex, b, ready);
        wait_for(ready, "answer");
        return b;
}
