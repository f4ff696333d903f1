/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Counts what a process has taken of the heap and not given back: preloaded (LD_PRELOAD), this stands before the functions
 * that do so. The counts are in a file that the test has mapped too ($HEAP), of one process, the last that became what it is
 * there. malloc() itself would only tell how large the pieces are that it cuts, which differs from time to time. */

/* tests/integration/test_soak.py reads the same. */
typedef struct Heap {
        uint64_t blocks, bytes;
} Heap;

/* Before each block: how many bytes were asked for. */
typedef union Header {
        size_t n;
        max_align_t aligned;
} Header;

static Heap unseen, *heap = &unseen;

__attribute__((constructor)) static void open_heap(void) {
        const char *path = getenv("HEAP");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        Heap *h = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(Heap), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (fd >= 0)
                close(fd);
        if (h == MAP_FAILED)
                return;
        *h = unseen;
        heap = h;
}

/* glibc has these under another name, too. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static void *counted(Header *h, size_t n) {
        if (!h)
                return NULL;
        h->n = n;
        heap->blocks++;
        heap->bytes += n;
        return h + 1;
}

static Header *forgotten(void *p) {
        Header *h = (Header *) p - 1;

        heap->blocks--;
        heap->bytes -= h->n;
        return h;
}

void *malloc(size_t n) {
        return counted(n > SIZE_MAX - sizeof(Header) ? NULL : __libc_malloc(n + sizeof(Header)), n);
}

void *calloc(size_t n, size_t size) {
        size_t total;

        if (__builtin_mul_overflow(n, size, &total) || total > SIZE_MAX - sizeof(Header)) {
                errno = ENOMEM;
                return NULL;
        }
        return counted(__libc_calloc(1, total + sizeof(Header)), total);
}

void free(void *p) {
        if (p)
                __libc_free(forgotten(p));
}

void *realloc(void *p, size_t n) {
        Header *h;
        size_t old;

        if (!p)
                return malloc(n);
        if (n == 0) {
                free(p);
                return NULL;
        }
        old = ((Header *) p - 1)->n;
        h = n > SIZE_MAX - sizeof(Header) ? NULL : __libc_realloc((Header *) p - 1, n + sizeof(Header));
        if (!h)
                return NULL;
        heap->blocks--;
        heap->bytes -= old;
        return counted(h, n);
}

void *reallocarray(void *p, size_t n, size_t size) {
        size_t total;

        if (__builtin_mul_overflow(n, size, &total)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(p, total);
}

size_t malloc_usable_size(void *p) {
        return p ? ((Header *) p - 1)->n : 0;
}

/* Nobody here uses these. One that does must not free what this has not counted. */

void *aligned_alloc(size_t alignment, size_t n) {
        abort();
}

void *memalign(size_t alignment, size_t n) {
        abort();
}

int posix_memalign(void **ret, size_t alignment, size_t n) {
        abort();
}
