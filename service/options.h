/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

typedef struct Options {
        unsigned references_max;
        unsigned references_per_user_max;
        uint64_t resync_usec; /* 0: off */
} Options;

/* Parses the command line. --help and --version print to stdout.
 * A limit that leaves nothing to anybody but root is said on stderr. Returns 1 to go on, 0 when there is nothing left to do; -EINVAL after one line on stderr. */
int options_parse(int argc, char **argv, Options *ret);
