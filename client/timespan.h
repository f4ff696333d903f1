/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#define TIMESPAN_INFINITY UINT64_MAX

/* Reads a time span as systemd.time(7) writes them: "30s", "5min", "1h 30min", "1.5h", plain seconds,
 * "infinity"; months and years, which have no one length, are not taken. Returns the microseconds; -EINVAL for what is none, -ERANGE for one that is too long. */
int timespan_parse(const char *s, uint64_t *ret_usec);
