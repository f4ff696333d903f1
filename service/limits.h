/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "table.h"

/* What callers can make grow, counted for each user and in all. */

#define AUTHORIZATIONS_PER_USER_MAX 8U
#define AUTHORIZATIONS_MAX          64U

/* Objects that a user but root may have listed at a time, and again each second. One costs us some 8 µs and the bus daemon
 * as much: others wait at most half a second, and then have nine tenths of the time. */
#define LISTED_MAX         24000U
#define LISTED_PER_SECOND  10000U

typedef enum Limit {
        LIMIT_NONE, /* not reached */
        LIMIT_REFERENCES_USER,
        LIMIT_REFERENCES_ALL,
        LIMIT_AUTHORIZATIONS_USER,
        LIMIT_AUTHORIZATIONS_ALL,
} Limit;

typedef struct Limits {
        unsigned references_max, references_per_user_max;
        unsigned n_references, n_authorizations;
        Table users; /* those that have any of either, or had objects listed a short while ago */
} Limits;

void limits_init(Limits *l, unsigned references_max, unsigned references_per_user_max);
void limits_done(Limits *l);

/* Whether that user may have one more; changes nothing. UID 0 has no limit for itself, and the last
 * PROMISC_REFERENCES_ROOT of all references are its own. */
Limit limits_check_reference(const Limits *l, uid_t uid);
Limit limits_check_authorization(const Limits *l, uid_t uid);

/* Counts one more, whatever the limit, and one less. Errors: -ENOMEM. */
int limits_take_reference(Limits *l, uid_t uid);
void limits_give_reference(Limits *l, uid_t uid);
int limits_take_authorization(Limits *l, uid_t uid);
void limits_give_authorization(Limits *l, uid_t uid);

/* Counts n objects listed at that time (µs of CLOCK_MONOTONIC), if the user's allowance has room for them; nothing is
 * counted otherwise. A list that is longer than any allowance is let through when all of it is there.
 * Returns true if so. Errors count as no. */
bool limits_charge_listing(Limits *l, uid_t uid, uint64_t now, unsigned n);
