/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "identify.h"

int identify_ask(Identify *i, const uint64_t *inodes, size_t n_inodes, const pid_t *pids, size_t n_pids,
                 identify_handler_t f, void *userdata) {
        return -EOPNOTSUPP;
}
