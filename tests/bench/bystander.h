/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A process that keeps calling, and knows how long it waited meanwhile. */
typedef struct Bystander {
        _Atomic bool watched; /* calls count that end while this is set */
        _Atomic uint64_t longest;
        _Atomic uint32_t count;
} Bystander;

/* Forks it; returns when it has had its first answer. */
Bystander *bystander_new(int ifindex);
