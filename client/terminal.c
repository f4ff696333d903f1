/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bus.h"

size_t terminal_columns(void) {
        const char *columns = getenv("COLUMNS");
        struct winsize size;
        uint64_t n;

        if (columns && parse_unsigned(columns, &n) >= 0 && n > 0 && n <= USHRT_MAX)
                return (size_t) n;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0)
                return size.ws_col;
        return 80;
}
