/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writes the time (CLOCK_MONOTONIC, ns) into FILE and becomes COMMAND: what comes before is not counted. */

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

int main(int argc, char *argv[]) {
        int fd;

        if (argc < 3)
                errx(2, "usage: stamp FILE COMMAND…");
        fd = open(argv[1], O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (fd < 0 || dprintf(fd, "%" PRIu64 "\n", now_ns()) < 0)
                err(1, "%s", argv[1]);
        execv(argv[2], argv + 2);
        err(1, "%s", argv[2]);
}
