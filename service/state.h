/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "promisc-names.h"

/* What lives past a restart, in $RUNTIME_DIRECTORY on a tmpfs: a file for each reference, the FIFOs of those that live as
 * long as a descriptor (descriptor.h), and a file of the counters that were announced last (counters.h). A file is written whole before the unit is taken, and removed after it was dropped, so that
 * there is never a unit without its record; what the kernel really holds is asked of it at the start. */

#define STATE_OWNER_MAX 255U /* the longest bus name */

typedef struct StateReference {
        uint64_t id;
        int ifindex;
        uint64_t inode;         /* of the packet socket that holds the unit */
        uint8_t address_length; /* 6 or 0 */
        bool descriptor;        /* its lifetime: a descriptor, not the owner's connection */
        char owner[STATE_OWNER_MAX + 1];
        char bus[33];           /* id of the bus that the owner is on: 32 hexadecimal digits */
        uid_t uid;
        pid_t pid;
        uint64_t acquired;      /* µs of CLOCK_REALTIME */
        uint64_t expires;       /* the same, 0: never */
        uint64_t deadline;      /* that in µs of CLOCK_BOOTTIME, 0: never */
        char reason[PROMISC_REASON_MAX + 1];
} StateReference;

/* Enough for any. */
#define STATE_TEXT_MAX 1024U

/* The text of a record. Returns its length. */
size_t state_format(const StateReference *r, char buf[static STATE_TEXT_MAX]);

/* Reads one, which nobody need have written. Pure. Errors: -EBADMSG. */
int state_parse(const char *text, size_t length, StateReference *ret);

typedef struct State State;

/* Opens the place, and makes what it lacks. *ret is NULL without $RUNTIME_DIRECTORY: then nothing lives on.
 * Errors: those of open() and mkdir(). */
int state_open(State **ret);
State *state_close(State *s);

/* The directory itself, and the one for descriptors' FIFOs, for others. */
int state_get_fd(const State *s);
int state_get_descriptors_fd(const State *s);

/* Whole or not at all. Errors: those of open(), write() and rename(), -ENOSPC and -EROFS among them. */
int state_write(State *s, const StateReference *r);

/* Takes it out; one that is not there will do. */
void state_remove(State *s, uint64_t id);

/* Calls f for each record. Those that cannot be read are named in the log, and removed. */
int state_each(State *s, void (*f)(const StateReference *r, void *userdata), void *userdata);
