/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least that sits on the bus and owns a name: what the service's memory is compared with. */

#include <err.h>
#include <errno.h>
#include <stdio.h>

#include "bench.h"
#include "promisc-names.h"

int main(void) {
        sd_bus *bus = bus_open();
        int r;

        r = sd_bus_request_name(bus, PROMISC_BUS_NAME, 0);
        if (r >= 0) {
                puts("ready");
                fflush(stdout);
        }
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        errno = -r;
        err(1, "bus");
}
