/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* A string that is written like a file. */
typedef struct TextStream {
        FILE *file;
        char *text;
        size_t size;
} TextStream;

int text_stream_open(TextStream *s);

/* Gives what was written, and is done then; -ENOMEM if some of it is missing. */
int text_stream_close(TextStream *s, char **ret);

/* Also of one that was closed or never opened. */
void text_stream_done(TextStream *s);
