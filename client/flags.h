/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* The names of IFF_*, as ip-link(8) spells them. Bits without a name are shown by nobody. */

/* The name of the lowest bit of *flags that has one, which is then cleared; NULL when there is no more. */
const char *flags_next(uint32_t *flags);

/* All names, with spaces between. */
int flags_to_string(uint32_t flags, char **ret);
