/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

/* A connection to promisc-identify: to the one that systemd starts, or to one that we start for it. */

typedef struct IdentifyConnection IdentifyConnection;

/* Nothing blocks but the start of a process. f is called when there is something to read. The program is started only if
 * there is nobody at the path and systemd does not run; SIGCHLD must be blocked then. Errors: -EAGAIN too many wait there already; those of connect(),
 * socketpair() and posix_spawn(). */
int identify_connection_new(sd_event *event, const char *socket_path, const char *program, sd_event_io_handler_t f,
                            void *userdata, IdentifyConnection **ret);

/* Ends the process that was started for it. */
IdentifyConnection *identify_connection_free(IdentifyConnection *c);

int identify_connection_fd(IdentifyConnection *c);
