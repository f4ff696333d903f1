/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identify-protocol.h"

/* Command, start time and unit of the process behind a descriptor of its directory in /proc; pid and inode are left.
 * Errors: -ESRCH and -ENOENT, it is gone; those of open() and read(); -EBADMSG. */
int process_describe(int process_fd, uint32_t pid, IdentifyRecord *ret);

/* Reads /proc/PID/stat; the text must end with a NUL. Pure. Errors: -EBADMSG. */
int process_parse_stat(const char *text, uint64_t ticks_per_second, char ret_command[static IDENTIFY_COMMAND_MAX + 1],
                       uint64_t *ret_started_usec);
