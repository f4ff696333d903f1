/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "caller.h"
#include "limits.h"
#include "polkit.h"

/* Method calls that wait until it is known who calls and whether polkit allows it. The contract, for a handler:
 *
 *     r = call_identify(…);  if (r <= 0) return r < 0 ? r : 1;
 *     r = call_authorize(…); if (r <= 0) return r < 0 ? r : 1;
 *     … change, reply …
 *
 * Where either has to wait it returns 0, and the handler is run again from its beginning, with the same message and
 * object, when there is an answer. So what stands before them must not change anything. */

typedef struct Calls Calls;

int calls_new(sd_bus *bus, Limits *limits, Calls **ret);
Calls *calls_free(Calls *c);

/* Who sent the message: 1 and the caller, 0 wait, <0 with error set. */
int call_identify(Calls *c, sd_bus_message *m, sd_bus_message_handler_t handler, void *object, Caller **ret,
                  sd_bus_error *error);

/* Whether that caller may: 1 yes, 0 wait, <0 with error set: AccessDenied, InteractiveAuthorizationRequired,
 * LimitsExceeded. UID 0 may. An answer counts only for a question that is still the same. */
int call_authorize(Calls *c, sd_bus_message *m, sd_bus_message_handler_t handler, void *object, Caller *caller,
                   const Question *q, sd_bus_error *error);

/* The handler has to wait until a packet socket is ready; it is run again then. Returns 0, or <0 with error set. */
int call_wait_for_socket(Calls *c, sd_bus_message *m, sd_bus_message_handler_t handler, void *object, Caller *caller,
                         sd_bus_error *error);
void calls_socket_ready(Calls *c);

/* The caller of that unique name, who need not have called yet. Errors: as callers_get(). */
int calls_get_caller(Calls *c, const char *name, Caller **ret);

/* The object is going: calls that wait on it end with that error. */
void calls_object_gone(Calls *c, const void *object, const char *error_name, const char *message);

/* Called when a caller leaves the bus, for what it holds. */
void calls_set_vanished(Calls *c, void (*f)(Caller *caller, void *userdata), void *userdata);
