/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identify-protocol.h"

/* Finds the processes of a request in one pass over /proc. A process that cannot be looked into, or goes meanwhile, is not
 * there. What is told: for each process and socket that it has open one record, and one for each process that was asked
 * for. Threads are looked at only where their process does not show what it has open:
 *   - its first thread has ended (then it has no descriptors, and others may);
 *   - nobody has a socket, which then may be of a thread that has left the others' descriptors (CLONE_FILES).
 *
 * proc_fd is a descriptor of /proc. Calls f until it returns non-zero. Returns IDENTIFY_COMPLETE; IDENTIFY_TRUNCATED when
 * CLOCK_MONOTONIC got to deadline_usec, is_over() (which can be NULL) said so, f was positive, or a process has more open than
 * is looked at; what f returned if it was negative. Errors: -ENOMEM; those of
 * openat(). */
int walk(int proc_fd, const IdentifyRequest *request, uint64_t deadline_usec, bool (*is_over)(void *userdata),
         int (*f)(const IdentifyRecord *record, void *userdata), void *userdata);
