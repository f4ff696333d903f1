/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "caller.h"
#include "descriptor.h"
#include "link.h"
#include "packet-socket.h"

/* One unit of a link's counter, held for somebody. Made and ended by the manager alone. */

struct Reference {
        uint64_t id;
        Manager *manager;
        Link *link;
        Caller *caller; /* whose connection it lives as long as, or NULL */
        char *owner;    /* unique bus name of who acquired it */
        Descriptor *descriptor; /* that it lives as long as, or NULL */
        uid_t uid;
        pid_t pid;
        char *reason;
        uint64_t acquired_timestamp; /* µs of CLOCK_REALTIME */
        uint64_t expires_timestamp;  /* the same, 0: never */
        uint64_t deadline;           /* that in µs of CLOCK_BOOTTIME, 0: never */

        bool recorded;     /* in the state */
        bool holds;        /* the kernel has counted its unit */
        bool published;    /* the bus knows it */
        const char *cause; /* PROMISC_CAUSE_…: its caller has left, and it waits for its turn to end */
        PacketUnit unit;
        sd_event_source *timer;

        LIST_ENTRY(Reference) of_link;
        LIST_ENTRY(Reference) of_caller;
};

/* Puts itself into the link's list; holds no unit yet. owner is the unique bus name of who acquires it. Errors: -ENOMEM. */
int reference_new(uint64_t id, Link *link, const char *owner, uid_t uid, pid_t pid, const char *reason,
                  Reference **ret);

/* From now on it lives as long as that caller's connection: goes into the caller's list. */
void reference_bind_caller(Reference *r, Caller *caller);

/* Whether it is to be seen: announced, and not ended. */
static inline bool reference_is_shown(const Reference *r) {
        return r->published && !r->cause;
}

/* Leaves the caller's list, because the caller goes first. */
void reference_forget_caller(Reference *r);

/* Takes itself out of them. The unit must have been dropped. */
Reference *reference_free(Reference *r);
