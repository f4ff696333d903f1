/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

#include "held-by.h"
#include "json.h"

/* Who holds the units of a link's counter, in full, as ListHolders tells it to those who may know; or the kinds alone. */

typedef struct ProcessInfo {
        uint32_t pid;
        char *command; /* escaped; "" where it is not known */
        char *unit;    /* "" for none */
} ProcessInfo;

typedef struct ProcessList {
        ProcessInfo *items;
        size_t n;
} ProcessList;

/* What its kind does not have is 0 or NULL. */
typedef struct HolderInfo {
        char *kind;
        uint32_t count; /* units */
        uint64_t inode;
        uint32_t uid;
        char *reference; /* path */
        char *reason;
        char *upper;
        ProcessList processes;
        int incomplete; /* there are none because not all were looked at */
} HolderInfo;

typedef struct HolderList {
        HolderInfo *items;
        size_t n;
        bool anonymous; /* each entry is a whole kind, of which it is not known who that is */
} HolderList;

void holder_list_done(HolderList *l);

/* The call that has nobody asked for a password: this only looks. */
int holder_list_call_new(sd_bus *bus, const char *path, sd_bus_message **ret);

/* Its reply. */
int holder_list_read(sd_bus_message *reply, HolderList *ret);

/* Whether the caller may not know. */
bool holder_list_is_refusal(const sd_bus_error *error);

/* Says that the service has told kinds alone, and why. */
void holder_list_tell_refusal(const char *why);

int holder_list_from_held_by(const HeldBy *h, HolderList *ret);

uint64_t holder_list_sum(const HolderList *l);

/* Says one change for each holder whose units became more or less, all gains first: f(holder, units, userdata). Where one
 * list is anonymous, a change is one of the whole kind, unless it has none of that kind. */
typedef void (*holder_change_t)(const HolderInfo *holder, int64_t units, void *userdata);
void holder_list_compare(const HolderList *before, const HolderList *after, holder_change_t f,
                         void *userdata);

/* "tcpdump (pid 812, session-2.scope)" */
void process_info_put(FILE *f, const ProcessInfo *p);

/* "packet-socket ×2: tcpdump (pid 812, session-2.scope)". Not escaped. */
void holder_info_put(FILE *f, const HolderInfo *h, uint64_t units);

int holder_info_to_string(const HolderInfo *h, char **ret);

/* Keys that its kind does not have are left out. */
void holder_info_put_json(const HolderInfo *h, Json *j, const char *key);
