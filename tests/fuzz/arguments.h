/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fuzz.h"

/* An argument vector: the name of a program, and what stands between the NULs of the input. Each argument
 * and the vector have no byte more than they need. */
typedef struct Arguments {
        int argc;
        char **argv; /* options_parse() may change the order */
        char **in_order;
} Arguments;

static inline void arguments_add(Arguments *a, char *argument) {
        size_t n = (size_t) a->argc + 2;

        must(a->argv = realloc(a->argv, n * sizeof(char *)));
        must(a->in_order = realloc(a->in_order, n * sizeof(char *)));
        a->argv[a->argc] = a->in_order[a->argc] = argument;
        a->argc++;
        a->argv[a->argc] = a->in_order[a->argc] = NULL;
}

static inline Arguments arguments_new(const uint8_t *data, size_t size) {
        Arguments a = {};

        arguments_add(&a, fuzz_string("program", 7));
        while (size > 0) {
                size_t n = strnlen((const char *) data, size);

                arguments_add(&a, fuzz_string(data, n));
                n += n < size;
                data += n;
                size -= n;
        }
        return a;
}

static inline void arguments_free(Arguments *a) {
        for (int i = 0; i < a->argc; i++)
                free(a->in_order[i]);
        free(a->in_order);
        free(a->argv);
}

/* What is printed meanwhile. Only the streams are exchanged: the fuzzer goes on writing to the descriptors.
 */
typedef struct Printed {
        FILE *streams[2], *saved[2];
        char *text[2]; /* stdout's and stderr's */
        size_t length[2];
} Printed;

static inline void printed_begin(Printed *p) {
        *p = (Printed){ .saved = { stdout, stderr } };
        for (int i = 0; i < 2; i++)
                must(p->streams[i] = open_memstream(&p->text[i], &p->length[i]));
        stdout = p->streams[0];
        stderr = p->streams[1];
}

static inline void printed_end(Printed *p) {
        stdout = p->saved[0];
        stderr = p->saved[1];
        for (int i = 0; i < 2; i++)
                must(fclose(p->streams[i]) == 0);
}

static inline void printed_free(Printed *p) {
        free(p->text[0]);
        free(p->text[1]);
}
