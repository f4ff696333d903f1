/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* Times of the bus, in µs, as text in local time. */

#define TIMESTAMP_SIZE 96U

/* "Mon 2024-05-06 12:34:56 CEST", and "-" for 0 (never). Returns `buffer`. */
const char *timestamp_format(uint64_t realtime, char buffer[static TIMESTAMP_SIZE]);

/* The same without the day and the zone, with µs. */
const char *timestamp_format_fine(uint64_t realtime, char buffer[static TIMESTAMP_SIZE]);

/* "5min ago", two units at most. */
const char *timestamp_format_ago(uint64_t realtime, uint64_t now, char buffer[static TIMESTAMP_SIZE]);

uint64_t timestamp_now(void);
