/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "holder-info.h"

/* Who, besides the flag set by hand, holds the counter: "two packet sockets hold it: tcpdump (pid 812, session-2.scope) and
 * dumpcap (pid 913); the bridge br0 holds it". Nothing for nobody. */
void explain_holders(FILE *f, const HolderList *holders);
