/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "call.h"
#include "identify.h"
#include "manager.h"

/* The service on D-Bus: the connection, the three kinds of objects, and the manager's observer. */

typedef struct Listing Listing;

typedef struct Bus {
        Manager *manager;
        sd_bus *bus;
        Calls *calls;
        sd_event_source *writable; /* enabled while the manager is paused */
        int writable_fd;
        unsigned n_sent;
        Identify *identify;  /* which processes hold sockets */
        LIST_HEAD(, Listing) listings; /* of holders, that wait for it */
        bool identify_failed; /* the last time that it was asked */
} Bus;

/* Connects to the system bus and publishes what the manager will know. Signals can be sent from then on; calls have to wait
 * for bus_serve(). Errors: those of sd-bus, after a message; the same for those that follow. */
int bus_new(Manager *m, Bus **ret);

/* Errors: -EEXIST the name is taken. */
int bus_take_name(Bus *b);

/* Takes over the references that a former process held for callers on this bus. */
int bus_restore(Bus *b);

/* Begins to answer calls, in the manager's event loop. */
int bus_serve(Bus *b);

/* Sends what is still queued. */
Bus *bus_free(Bus *b);

/* Whether the connection still stands. */
bool bus_is_open(const Bus *b);

/* The number at the end of an object path with that prefix: decimal, without sign or leading zero.
 * Returns 1, or 0 if it is none. */
int bus_path_number(const char *path, const char *prefix, uint64_t *ret);

/* Enough for each path that is published here. */
#define BUS_PATH_MAX 64U

/* For a node enumerator: the paths below child_prefix, if they are asked for. path() writes that of an item and returns true,
 * or returns false for one that is not to be seen. Returns as the enumerator must. */
int bus_enumerate(const char *prefix, const char *child_prefix, const Table *items,
                  bool (*path)(const void *item, char buf[static BUS_PATH_MAX]), char ***ret);

/* The bus that a manager is published on: sd-bus hands a method only its object. */
static inline Bus *bus_of_manager(const Manager *m) {
        return m->observer_userdata;
}

/* A getter "get_NAME" of an object of that type, called "o" in the expression. */
#define BUS_GETTER(object_type, name, type, expression)                                                         \
        static int get_##name(sd_bus *bus, const char *path, const char *interface, const char *property,       \
                              sd_bus_message *reply, void *userdata, sd_bus_error *error) {                     \
                const object_type *o = userdata;                                                                \
                                                                                                                \
                return sd_bus_message_append(reply, type, expression);                                          \
        }

/* What a user is told whose meter of listings is empty. Returns as sd_bus_error_setf(). */
int bus_refuse_listing(uid_t uid, sd_bus_error *error);

/* Logs what could not be sent: the bus is gone or out of memory, and no caller could do more. */
void bus_check_emitted(int r, const char *what);
