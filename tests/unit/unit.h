/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* In the order that cmocka.h asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* For loops that walk a table of cases: says which one it was, then fails the test. */
#define assert_case(condition, ...)                                       \
        do {                                                              \
                if (!(condition))                                         \
                        fail_msg("not so: " #condition ": " __VA_ARGS__); \
        } while (0)

/* A sequence that is the same in each run and on each machine (xorshift64*). The state must not be 0. */
static inline uint32_t unit_random(uint64_t *state) {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return (uint32_t) (*state * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}
