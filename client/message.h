/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "cleanup.h"

/* Lines on stderr: "promiscctl: what: why". Each is one line, whatever the text has in it. */

void message(const char *format, ...) _printf_(1, 2);

/* Both return `r`, so that a caller can say `return message_error(r, …)`. */
int message_error(int r, const char *format, ...) _printf_(2, 3);
int message_bus_error(const sd_bus_error *error, int r, const char *format, ...) _printf_(3, 4);
