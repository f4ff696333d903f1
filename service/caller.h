/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "table.h"

/* The peers that called a method for which it matters who they are. A unique name is never given twice, and its
 * credentials never change, so that they are asked of the bus once; the entry goes with the peer, and there are at most
 * as many as the bus allows connections. */

typedef struct Reference Reference;
typedef struct Caller Caller;
typedef struct Callers Callers;

struct Caller {
        char *name; /* unique bus name */
        uid_t uid;  /* as the bus vouches for it */
        pid_t pid;  /* 0 where the bus does not know */
        bool known; /* the two above are */
        unsigned n_waiting; /* calls that wait for that */

        LIST_HEAD(, Reference) references;

        Callers *callers;
        sd_bus_slot *slot;            /* the question about it */
        TAILQ_ENTRY(Caller) unasked;  /* until there is one … */
        bool queued;                  /* … it is in that list */
};

typedef struct CallersHandler {
        /* The credentials are there. */
        void (*known)(Caller *c, void *userdata);
        /* The bus does not say who it is: its calls cannot be answered. What vanished() is for comes next. */
        void (*failed)(Caller *c, void *userdata);
        /* The peer has left the bus; the caller is freed after this. */
        void (*vanished)(Caller *c, void *userdata);
} CallersHandler;

/* Watches for peers that leave, by one match for all. Errors: those of sd_bus_add_match(). */
int callers_new(sd_bus *bus, const CallersHandler *handler, void *userdata, Callers **ret);
Callers *callers_free(Callers *c);

/* The caller of that unique name, made and asked about if it is new. Errors: -ENOMEM; those of sd_bus_call_async(). */
int callers_get(Callers *c, const char *name, Caller **ret);
