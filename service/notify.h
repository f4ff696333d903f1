/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

/* Messages to the manager that started this ($NOTIFY_SOCKET). sd_notify() waits while that has not read what it has; these
 * do not. */

/* Sends it, with a copy of fd unless that is -1. Returns 1, or 0 where there is nobody to tell.
 * Errors: -EAGAIN what was sent before has not been read; -EINVAL, and those of socket() and sendmsg(). */
int notify_send(const char *text, int fd);

/* Shows the manager that the loop runs, three times in the time that it allows for ($WATCHDOG_USEC). Errors: those of sd-event. */
int notify_start_watchdog(sd_event *event, sd_event_source **ret);
