/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

/* The service manager's file descriptor store: a second copy of each packet socket, which lives on when this process does
 * not. sd_notify(3), FileDescriptorStoreMax= in systemd.service(5). */

/* The name that the sockets have there, and come back with. */
#define FD_STORE_NAME "packet"

/* Whether this process was started by systemd as a service that may store descriptors. */
bool fd_store_is_there(void);

/* How many descriptors the manager keeps for this service; more it closes, and says so to nobody but its log. It is told of
 * from systemd 254 on ($FDSTORE); before that there is no end here, as the unit's setting is more than we have sockets. */
unsigned fd_store_get_max(void);

/* Sends a copy of the descriptor. Errors: -EBUSY the manager has not read what was sent before; those of notify_send(). */
int fd_store_add(int fd);

/* Calls f once the manager has taken in what was sent before: until then a crash would lose it. The event source is the
 * caller's, and the call is off when it is freed. Errors: as fd_store_add(), and those of pipe2() and sd-event. */
int fd_store_confirm(sd_event *event, sd_event_io_handler_t f, void *userdata, sd_event_source **ret);

/* Takes all out again, and waits for that for at most a second, so that this process pays for closing them. */
void fd_store_empty(void);
