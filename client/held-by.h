/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "link-info.h"

/* What is known of those who hold the units of a link's counter. */
typedef struct HeldBy {
        unsigned references; /* the service's own */
        bool user;           /* the flag set by hand */
        uint32_t others;     /* the rest of the counter */
        bool corrupt;        /* the kernel let the counter underflow: its rest means nothing */
} HeldBy;

HeldBy held_by(const LinkInfo *l, unsigned n_references);

/* "1 reference, user, 2 other"; "-" for nobody. */
int held_by_to_string(const HeldBy *h, char **ret);

void held_by_put_json(const HeldBy *h, Json *j, const char *key);
