/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "options.h"

/* A polkit agent on the terminal, for users without one in their session. `*agent` is 0 where none is
 * needed. */
void agent_open(const Options *o, pid_t *agent);
void agent_close(pid_t *agent);
