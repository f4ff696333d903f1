/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdlib.h>

#define _cleanup_(f)      __attribute__((cleanup(f)))
#define _cleanup_free_    _cleanup_(freep)
#define _cleanup_strv_    _cleanup_(strv_freep)
#define _printf_(fmt, at) __attribute__((format(printf, fmt, at)))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define TAKE_PTR(p)                          \
        ({                                   \
                __typeof__(p) _taken_ = (p); \
                (p) = NULL;                  \
                _taken_;                     \
        })

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline char **strv_free(char **l) {
        for (char **i = l; l && *i; i++)
                free(*i);
        free(l);
        return NULL;
}

static inline void strv_freep(char ***l) {
        strv_free(*l);
}
