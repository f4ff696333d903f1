/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints each change of an interface's promiscuity counter.
 * cc -o watch watch.c $(pkg-config --cflags --libs libsystemd) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *path = sd_bus_message_get_path(m), *source;
        uint32_t old, new;
        char *name = NULL;

        /* The time is CLOCK_MONOTONIC, in µs; not needed here. */
        if (sd_bus_message_read(m, "uuts", &old, &new, NULL, &source) < 0)
                return 0;

        /* The path holds the ifindex. A link that has gone by now has no name any more. */
        (void) sd_bus_get_property_string(sd_bus_message_get_bus(m), "org.example.Promisc", path,
                                          "org.example.Promisc", "Name", NULL, &name);

        printf("%s %u -> %u (%s)\n", name ? name : path, old, new, source);
        fflush(stdout);
        free(name);
        return 0;
}

int main(void) {
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.example.Promisc", NULL /* every link */,
                                        "org.example.Promisc", "PromiscuityChanged", on_changed, NULL);
        if (r >= 0)
                fprintf(stderr, "Watching; end with Ctrl+C.\n");

        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }

        fprintf(stderr, "The bus failed: %s\n", strerror(-r));
        sd_bus_unref(bus);
        return EXIT_FAILURE;
}
