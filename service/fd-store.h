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

/* Sends a copy of the descriptor, and calls f once the manager has taken it in: until then a crash would lose it.
 * The event source is the caller's, and the call is off when it is freed.
 * Errors: those of sd_notify(3) and pipe2(). */
int fd_store_add(sd_event *event, int fd, sd_event_io_handler_t f, void *userdata, sd_event_source **ret);

/* Takes all out again, and waits for that for at most a second, so that this process pays for closing them. */
void fd_store_empty(void);
