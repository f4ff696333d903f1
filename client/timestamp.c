/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timestamp.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "cleanup.h"

#define USEC_PER_SEC UINT64_C(1000000)

uint64_t timestamp_now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail */
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

static const char *format(uint64_t realtime, bool zone, char buffer[static TIMESTAMP_SIZE]) {
        time_t seconds = (time_t) (realtime / USEC_PER_SEC);
        struct tm tm;

        if (realtime == 0 || !localtime_r(&seconds, &tm) ||
            strftime(buffer, TIMESTAMP_SIZE, zone ? "%a %Y-%m-%d %H:%M:%S %Z" : "%Y-%m-%d %H:%M:%S", &tm) ==
                            0)
                snprintf(buffer, TIMESTAMP_SIZE, "-");
        return buffer;
}

const char *timestamp_format(uint64_t realtime, char buffer[static TIMESTAMP_SIZE]) {
        return format(realtime, true, buffer);
}

const char *timestamp_format_fine(uint64_t realtime, char buffer[static TIMESTAMP_SIZE]) {
        char seconds[TIMESTAMP_SIZE];

        snprintf(buffer, TIMESTAMP_SIZE, "%.80s.%06" PRIu64, format(realtime, false, seconds),
                 realtime % USEC_PER_SEC);
        return buffer;
}

const char *timestamp_format_ago(uint64_t realtime, uint64_t now, char buffer[static TIMESTAMP_SIZE]) {
        static const struct {
                uint64_t seconds;
                const char *name;
        } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
        uint64_t age = now > realtime ? (now - realtime) / USEC_PER_SEC : 0;

        for (size_t i = 0; i + 1 < ELEMENTSOF(units); i++) {
                uint64_t rest = age % units[i].seconds / units[i + 1].seconds;

                if (age < units[i].seconds)
                        continue;
                if (rest > 0)
                        snprintf(buffer, TIMESTAMP_SIZE, "%" PRIu64 "%s %" PRIu64 "%s ago",
                                 age / units[i].seconds, units[i].name, rest, units[i + 1].name);
                else
                        snprintf(buffer, TIMESTAMP_SIZE, "%" PRIu64 "%s ago", age / units[i].seconds,
                                 units[i].name);
                return buffer;
        }

        if (age == 0)
                snprintf(buffer, TIMESTAMP_SIZE, "just now");
        else
                snprintf(buffer, TIMESTAMP_SIZE, "%" PRIu64 "s ago", age);
        return buffer;
}
