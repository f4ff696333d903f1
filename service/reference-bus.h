/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* org.example.Promisc.Reference on /org/example/Promisc/reference/<id> */

#define REFERENCE_PATH_MAX (sizeof(PROMISC_REFERENCE_PREFIX) + 22)

int reference_bus_register(Bus *b);

/* Returns buf. */
char *reference_bus_path(uint64_t id, char buf[static REFERENCE_PATH_MAX]);

void reference_bus_added(Bus *b, const Reference *r);
void reference_bus_ended(Bus *b, const Reference *r, const char *cause);

/* One that ended while there was no object for it. */
void reference_bus_lost(Bus *b, uint64_t id, const char *cause);

/* Its properties, and its path and interface name, as one a{sv}. */
int reference_bus_append(sd_bus_message *reply, const Reference *r);

/* Release() of this reference, whichever object it was called on: authorizes, ends it and replies; see call.h for what
 * handler and object are, and for the result. */
int reference_bus_release(Bus *b, sd_bus_message *m, sd_bus_message_handler_t handler, void *object, Reference *r,
                          sd_bus_error *error);
