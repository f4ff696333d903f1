/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* How wide a line on stdout may be: COLUMNS, the terminal's own width, or 80. */
size_t terminal_columns(void);
