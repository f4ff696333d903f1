/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The counter that was announced last for each link, in a file that is mapped: a store into memory for each change, and it
 * is still there after SIGKILL. What comes after a restart goes on from it, so that "old" is always the "new" before. */

typedef struct Counters Counters;

/* A link's place in the file; 0: none. */
typedef uint32_t CounterSlot;

/* Opens the file in that directory, and reads what a former process left there for this network namespace (its inode).
 * What it left for another one, or what makes no sense, is forgotten. Errors: those of open(), mmap() and -ENOSPC. */
int counters_open(int directory_fd, uint64_t network_namespace, Counters **ret);
Counters *counters_close(Counters *c);

/* Whether a former process left any. */
bool counters_have_former(const Counters *c);

/* What it left for this link: takes the place over and returns true, once. */
bool counters_take_former(Counters *c, int ifindex, uint32_t *ret_counter, CounterSlot *ret_slot);

/* That link is gone: nothing is left for it. Returns whether there was something. */
bool counters_forget_former(Counters *c, int ifindex);

/* Some link for which something is left, or 0. */
int counters_get_former(const Counters *c);

/* Notes the counter, in a new place if *slot is 0. Where there is no space for one *slot stays 0, and nothing is noted. */
void counters_set(Counters *c, CounterSlot *slot, int ifindex, uint32_t counter);

/* Gives the place back. */
void counters_clear(Counters *c, CounterSlot *slot);
