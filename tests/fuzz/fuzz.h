/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be so for every input; if it is not, the run ends and keeps the input. */
#define must(condition)                                                                                \
        do {                                                                                           \
                if (!(condition)) {                                                                    \
                        dprintf(STDERR_FILENO, "%s:%i: not so: %s\n", __FILE__, __LINE__, #condition); \
                        abort();                                                                       \
                }                                                                                      \
        } while (0)

/* A copy that ends where the input does, so that a byte read behind it is noticed. */
static inline void *fuzz_copy(const void *data, size_t size) {
        void *copy = malloc(size ? size : 1);

        must(copy);
        return size ? memcpy(copy, data, size) : copy;
}

/* The same as a string. What is behind a NUL is not seen. */
static inline char *fuzz_string(const void *data, size_t size) {
        size_t n = size ? strnlen(data, size) : 0;
        char *s = malloc(n + 1);

        must(s);
        if (n > 0)
                memcpy(s, data, n);
        s[n] = '\0';
        return s;
}
