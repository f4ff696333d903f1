/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"
#include "util.h"

int reference_new(uint64_t id, Link *link, Caller *caller, const char *reason, Reference **ret) {
        Reference *r = calloc(1, sizeof(Reference));

        if (!r)
                return -ENOMEM;
        r->reason = strdup(reason);
        if (!r->reason) {
                free(r);
                return -ENOMEM;
        }

        r->id = id;
        r->manager = link->manager;
        r->link = link;
        r->caller = caller;
        r->uid = caller->uid;
        r->pid = caller->pid;
        r->acquired_timestamp = now_usec(CLOCK_REALTIME);

        r->link_next = link->references;
        if (r->link_next)
                r->link_next->link_previous = r;
        link->references = r;
        link->n_references++;

        r->caller_next = caller->references;
        if (r->caller_next)
                r->caller_next->caller_previous = r;
        caller->references = r;

        *ret = r;
        return 0;
}

void reference_forget_caller(Reference *r) {
        if (!r->caller)
                return;

        if (r->caller_previous)
                r->caller_previous->caller_next = r->caller_next;
        else
                r->caller->references = r->caller_next;
        if (r->caller_next)
                r->caller_next->caller_previous = r->caller_previous;
        r->caller = NULL;
        r->caller_previous = r->caller_next = NULL;
}

Reference *reference_free(Reference *r) {
        if (!r)
                return NULL;

        if (r->link_previous)
                r->link_previous->link_next = r->link_next;
        else
                r->link->references = r->link_next;
        if (r->link_next)
                r->link_next->link_previous = r->link_previous;
        r->link->n_references--;

        reference_forget_caller(r);
        sd_event_source_disable_unref(r->timer);
        free(r->reason);
        free(r);
        return NULL;
}
