/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

/* Declared beside each owned type: "static inline void xp(X **p)". */
#define _cleanup_(f)  __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))

#define TAKE_PTR(p)                       \
        ({                                \
                typeof(p) *take_p = &(p); \
                typeof(p) take_v = *take_p; \
                *take_p = NULL;           \
                take_v;                   \
        })

#define TAKE_FD(fd)               \
        ({                        \
                int *take_p = &(fd); \
                int take_v = *take_p; \
                *take_p = -1;     \
                take_v;           \
        })

static inline void freep(void *p) {
        free(*(void **) p);
}

/* Returns -1, so that it reads "fd = close_fd(fd)". */
static inline int close_fd(int fd) {
        if (fd >= 0)
                close(fd);
        return -1;
}

static inline void close_fdp(int *fd) {
        close_fd(*fd);
}

/* Descriptors that references must leave: those that reading a link's views takes, and some for libraries. */
#define FD_RESERVE 16U

/* Whether the descriptor, being the lowest that was free, is one of the last. */
static inline bool fd_is_reserved(int fd) {
        struct rlimit l;

        return getrlimit(RLIMIT_NOFILE, &l) >= 0 && (rlim_t) fd + FD_RESERVE >= l.rlim_cur;
}

/* µs of the given clock; no clock that is used here can fail. */
static inline uint64_t now_usec(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}
