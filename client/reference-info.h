/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* One reference as the service tells it. */
typedef struct ReferenceInfo {
        uint64_t id;
        int ifindex;
        char *link_name; /* only from ListReferences */
        char *owner;
        uint32_t uid;
        uint32_t pid;
        char *reason;
        uint64_t acquired;
        uint64_t expires;
} ReferenceInfo;

void reference_info_done(ReferenceInfo *r);

/* Reads an a{sv} of properties into *reference. */
int reference_info_read(sd_bus_message *m, ReferenceInfo *reference);

typedef struct ReferenceList {
        ReferenceInfo *items; /* by id */
        size_t n;
} ReferenceList;

void reference_list_done(ReferenceList *l);

/* All that the service holds. Says what went wrong. */
int reference_list_get(sd_bus *bus, ReferenceList *ret);

/* Leaves those of one link. */
void reference_list_filter(ReferenceList *l, int ifindex);
