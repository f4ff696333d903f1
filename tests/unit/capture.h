/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

/* What is written to a descriptor meanwhile. */
typedef struct Capture {
        FILE *stream;
        int fd, saved, file;
        char text[4096];
} Capture;

static inline Capture capture_begin(FILE *stream) {
        Capture c = { .stream = stream, .fd = fileno(stream) };

        fflush(stream);
        c.file = memfd_create("capture", MFD_CLOEXEC);
        c.saved = dup(c.fd);
        assert_true(c.file >= 0 && c.saved >= 0);
        assert_return_code(dup2(c.file, c.fd), errno);
        return c;
}

/* The text is in c->text. */
static inline const char *capture_end(Capture *c) {
        ssize_t n;

        fflush(c->stream);
        assert_return_code(dup2(c->saved, c->fd), errno);
        n = pread(c->file, c->text, sizeof(c->text) - 1, 0);
        assert_in_range(n, 0, sizeof(c->text) - 1);
        c->text[n] = '\0';
        close(c->saved);
        close(c->file);
        return c->text;
}
