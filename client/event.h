/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "options.h"

typedef enum EventKind {
        EVENT_PROMISCUITY,
        EVENT_LINK_ADDED,
        EVENT_LINK_REMOVED,
        EVENT_LINK_RENAMED,
        EVENT_REFERENCE_TAKEN,
        EVENT_REFERENCE_ENDED,
        EVENT_RESYNCHRONIZED,
} EventKind;

/* One line of "monitor". What a kind does not need stays empty. */
typedef struct Event {
        EventKind kind;
        uint64_t timestamp; /* CLOCK_REALTIME */
        int ifindex;
        const char *link;

        uint32_t old, new;
        const char *source;

        const char *old_name;

        uint64_t reference;
        uint32_t uid, pid;
        const char *reason;

        const char *cause;
        uint32_t corrected;
} Event;

void event_print_header(const Options *o);
void event_print(const Options *o, const Event *e);
