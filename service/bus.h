/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "call.h"
#include "manager.h"

/* The service on D-Bus: the connection, the three kinds of objects, and the manager's observer. */

typedef struct Bus {
        Manager *manager;
        sd_bus *bus;
        Calls *calls;
        sd_event_source *writable; /* enabled while the manager is paused */
        int writable_fd;
        unsigned n_sent;
} Bus;

/* Connects to the system bus, publishes what the manager knows, and only then takes the name.
 * Errors: those of sd-bus, after a message; -EEXIST: the name is taken. */
int bus_new(Manager *m, Bus **ret);

/* Sends what is still queued. */
Bus *bus_free(Bus *b);

/* Whether the connection still stands. */
bool bus_is_open(const Bus *b);

/* The number at the end of an object path with that prefix: decimal, without sign or leading zero.
 * Returns 1, or 0 if it is none. */
int bus_path_number(const char *path, const char *prefix, uint64_t *ret);

/* Logs a signal that could not be sent: the bus is gone or out of memory, and no caller could do more. */
void bus_check_emitted(int r, const char *what);
