/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identify-protocol.h"

/* A little less than promiscd waits, so that it has what was found until then. */
#define SERVE_WALK_USEC  (1500 * UINT64_C(1000))
/* Whoever does not read its answers gets no more of them. */
#define SERVE_SEND_USEC  (1000 * UINT64_C(1000))

/* Answers requests on the connection, one after the other, until the other side closes it, sends what is no request, does
 * not read, or fails in another way. None of these is told to it. proc_fd is a descriptor of /proc. */
void serve(int fd, int proc_fd);
