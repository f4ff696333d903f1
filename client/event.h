/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "holder-info.h"
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

/* One line of "monitor". What a kind does not need stays empty. The time of all is when it was heard of: the
 * service's clocks may be another machine's, and not all signals tell one. */
typedef struct Event {
        EventKind kind;
        uint64_t timestamp; /* CLOCK_REALTIME, µs */
        int ifindex;
        const char *link;

        uint32_t old, new;
        const char *source;
        uint64_t timestamp_monotonic; /* of the service */

        /* Who held it; both NULL where that is not known. A change that was not read by itself is continued by
         * the link's next one, which has both. */
        const HolderList *before, *after;
        bool continued;

        const char *old_name;

        uint64_t reference;
        uint32_t uid, pid;
        const char *reason;

        const char *cause;
        uint32_t corrected;
} Event;

/* With strings of its own; before and after are not copied. Errors: -ENOMEM. */
int event_copy(const Event *e, Event *ret);
void event_done(Event *copy);

void event_print_header(const Options *o);
void event_print(const Options *o, const Event *e);
