/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"
#include "util.h"

int reference_new(uint64_t id, Link *link, const char *owner, uid_t uid, pid_t pid, const char *reason,
                  Reference **ret) {
        Reference *r = calloc(1, sizeof(Reference));

        if (!r)
                return -ENOMEM;
        r->owner = strdup(owner);
        r->reason = strdup(reason);
        if (!r->owner || !r->reason) {
                free(r->owner);
                free(r->reason);
                free(r);
                return -ENOMEM;
        }

        r->id = id;
        r->manager = link->manager;
        r->link = link;
        r->uid = uid;
        r->pid = pid;
        r->acquired_timestamp = now_usec(CLOCK_REALTIME);

        LIST_INSERT_HEAD(&link->references, r, of_link);
        link->n_references++;

        *ret = r;
        return 0;
}

void reference_bind_caller(Reference *r, Caller *caller) {
        r->caller = caller;
        LIST_INSERT_HEAD(&caller->references, r, of_caller);
}

void reference_forget_caller(Reference *r) {
        if (!r->caller)
                return;

        LIST_REMOVE(r, of_caller);
        r->caller = NULL;
}

Reference *reference_free(Reference *r) {
        if (!r)
                return NULL;

        LIST_REMOVE(r, of_link);
        r->link->n_references--;

        reference_forget_caller(r);
        sd_event_source_disable_unref(r->timer);
        descriptor_free(r->descriptor);
        free(r->owner);
        free(r->reason);
        free(r);
        return NULL;
}
