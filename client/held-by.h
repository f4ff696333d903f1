/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "json.h"

/* Who holds the units of a link's counter, in short: units by kind, as the property Holders has them. Kinds that are not
 * known here are shown as they are called. */
typedef struct HeldByKind {
        char *kind;
        uint32_t count;
} HeldByKind;

typedef struct HeldBy {
        HeldByKind *items;
        size_t n;
} HeldBy;

void held_by_done(HeldBy *h);

/* Reads an a{su} into *held_by, a HeldBy, and frees what was there. */
int held_by_read(sd_bus_message *m, void *held_by);

uint64_t held_by_sum(const HeldBy *h);

/* "user, packet-socket ×2"; "-" for nobody. */
int held_by_to_string(const HeldBy *h, char **ret);

void held_by_put_json(const HeldBy *h, Json *j, const char *key);
