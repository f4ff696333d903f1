/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "table.h"

/* What callers can make grow, counted for each user and in all. */

#define CHECKS_PER_USER_MAX 8U
#define CHECKS_MAX          64U

/* Objects that a user but root may have listed at a time, and again each second. One costs us and the bus daemon some 10 µs
 * each, so that this is a tenth to a fifth of the time: others wait less than a second even for the first of them. */
#define LISTED_MAX         24000U
#define LISTED_PER_SECOND  10000U

typedef enum Limit {
        LIMIT_NONE, /* not reached */
        LIMIT_REFERENCES_USER,
        LIMIT_REFERENCES_ALL,
        LIMIT_CHECKS_USER,
        LIMIT_CHECKS_ALL,
} Limit;

typedef struct Limits {
        unsigned references_max, references_per_user_max;
        unsigned n_references, n_checks;
        Table users; /* those that have any of either, or had objects listed a short while ago */
} Limits;

void limits_init(Limits *l, unsigned references_max, unsigned references_per_user_max);
void limits_done(Limits *l);

/* Whether that user may have one more; changes nothing. UID 0 has no limit for itself, and the last
 * PROMISC_REFERENCES_ROOT of all references are its own. */
Limit limits_check_reference(const Limits *l, uid_t uid);
Limit limits_check_check(const Limits *l, uid_t uid);

/* Counts one more, whatever the limit, and one less. Errors: -ENOMEM. */
int limits_take_reference(Limits *l, uid_t uid);
void limits_give_reference(Limits *l, uid_t uid);
int limits_take_check(Limits *l, uid_t uid);
void limits_give_check(Limits *l, uid_t uid);

/* Counts n objects listed at that time (µs of CLOCK_MONOTONIC), if the user's allowance has room for them; nothing is
 * counted otherwise. A list that is longer than any allowance is let through when all of it is there.
 * Returns true if so. Errors count as no. */
bool limits_take_listed(Limits *l, uid_t uid, uint64_t now, unsigned n);
