/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Round trips to the service, in turn: Peer.Ping, Acquire, Release, with HELD references already held.
 * Prints one line of nanoseconds for each turn. */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"
#include "promisc-names.h"

#define PAUSE_NS (NSEC_PER_MSEC / 2)
#define WARM_UP  20U /* turns */

static sd_bus *bus;
static char path[sizeof PROMISC_LINK_PREFIX + 12];

static sd_bus_message *call_new(const char *interface, const char *member) {
        sd_bus_message *m;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, PROMISC_BUS_NAME, path, interface, member);
        if (r < 0) {
                errno = -r;
                err(1, "%s", member);
        }
        return m;
}

/* Takes m; returns the time that the call took. */
static uint64_t call(sd_bus_message *m, uint64_t *ret_id) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply;
        uint64_t t = now_ns();

        if (sd_bus_call(bus, m, 0, &error, &reply) < 0)
                errx(1, "%s: %s", sd_bus_message_get_member(m), error.message);
        t = now_ns() - t;
        if (ret_id && sd_bus_message_read(reply, "t", ret_id) < 0)
                errx(1, "%s: unexpected reply", sd_bus_message_get_member(m));
        sd_bus_message_unref(reply);
        sd_bus_message_unref(m);
        return t;
}

static uint64_t ping(void) {
        return call(call_new("org.freedesktop.DBus.Peer", "Ping"), NULL);
}

static uint64_t acquire(uint64_t *ret_id) {
        sd_bus_message *m = call_new(PROMISC_LINK_INTERFACE, "Acquire");

        if (sd_bus_message_append(m, "sa{sv}", "measuring", 0) < 0)
                errx(1, "Acquire: no memory");
        return call(m, ret_id);
}

static uint64_t release(uint64_t id) {
        sd_bus_message *m = call_new(PROMISC_LINK_INTERFACE, "Release");

        if (sd_bus_message_append(m, "t", id) < 0)
                errx(1, "Release: no memory");
        return call(m, NULL);
}

int main(int argc, char *argv[]) {
        unsigned turns, held;
        uint64_t id;

        if (argc != 4)
                errx(2, "usage: calls LINK TURNS HELD");
        (void) snprintf(path, sizeof path, PROMISC_LINK_PREFIX "/%d", parse_link(argv[1]));
        turns = parse_number(argv[2]);
        held = parse_number(argv[3]);

        bus = bus_open();
        for (unsigned i = 0; i < held; i++)
                acquire(&id);

        for (unsigned i = 0; i < turns + WARM_UP; i++) {
                uint64_t pinged, acquired, released;

                sleep_ns(PAUSE_NS);
                pinged = ping();
                sleep_ns(PAUSE_NS);
                acquired = acquire(&id);
                sleep_ns(PAUSE_NS);
                released = release(id);
                if (i >= WARM_UP)
                        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", pinged, acquired, released);
        }
        sd_bus_flush_close_unref(bus);
        return 0;
}
