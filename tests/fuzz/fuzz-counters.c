/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "counters.h"
#include "log.h"

/* The file that a former process left: any bytes; if the first byte is odd, behind a good header. */

#define NETWORK_NAMESPACE UINT64_C(4026531840)
#define LEFT_MAX          1024U

int __wrap_openat(int directory_fd, const char *path, int flags, ...);
int __wrap_openat64(int directory_fd, const char *path, int flags, ...);

static int file = -1;

int __wrap_openat(int directory_fd, const char *path, int flags, ...) {
        return dup(file);
}

int __wrap_openat64(int directory_fd, const char *path, int flags, ...) {
        return dup(file);
}

typedef struct Left {
        int ifindex;
        uint32_t counter;
        CounterSlot slot;
} Left;

static Counters *open_counters(void) {
        Counters *c = NULL;

        must(counters_open(-1, NETWORK_NAMESPACE, &c) == 0);
        return c;
}

/* Returns whether it has the header that an empty file gets. */
static bool make_file(const uint8_t *data, size_t size) {
        uint8_t good[16], header[16] = {};

        file = memfd_create("counters", MFD_CLOEXEC);
        must(file >= 0);
        counters_close(open_counters());
        must(pread(file, good, sizeof(good), 0) == sizeof(good));
        if (size == 0)
                return true;

        if (!(data[0] & 1))
                must(ftruncate(file, 0) == 0);
        must(pwrite(file, data + 1, size - 1, data[0] & 1 ? 16 : 0) == (ssize_t) size - 1);
        return pread(file, header, sizeof(header), 0) == sizeof(header) &&
               memcmp(header, good, sizeof(good)) == 0;
}

/* What is left, by the order of the file: of a link that is there twice the first counts. */
static unsigned read_left(Left left[static LEFT_MAX], unsigned *ret_all) {
        unsigned n = 0;
        uint32_t slot[2] = {};

        *ret_all = 0;
        for (CounterSlot i = 2; n < LEFT_MAX && pread(file, slot, sizeof(slot), i * 8) > 0; i++) {
                bool known = false;

                for (unsigned k = 0; k < n; k++)
                        known = known || left[k].ifindex == (int) slot[1];
                if ((int) slot[1] > 0 && !known)
                        left[n++] = (Left){ (int) slot[1], slot[0], i };
                *ret_all += slot[0] || slot[1];
                memset(slot, 0, sizeof(slot)); /* the last one in the file need not be whole */
        }
        return n;
}

/* Each is given once, as it stands in the file, and nothing else is. */
static void take_all(Counters *c, const Left *left, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                uint32_t counter;
                CounterSlot slot;

                must(counters_have_former(c) && counters_get_former(c) > 0);
                must(counters_take_former(c, left[i].ifindex, &counter, &slot));
                must(counter == left[i].counter && slot == left[i].slot);
                must(!counters_forget_former(c, left[i].ifindex));
        }
        must(!counters_have_former(c) && counters_get_former(c) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static Left left[LEFT_MAX];
        CounterSlot slot = 0;
        uint32_t counter;
        Counters *c;
        unsigned n, all;

        log_set_max_level(-1);
        n = make_file(data, size < 4096 ? size : 4096) ? read_left(left, &all) : 0;
        c = open_counters();
        must(read_left(left, &all) == n && all == n); /* what made no sense is gone */
        take_all(c, left, n);

        /* One more link, in a place that is nobody's. */
        counters_set(c, &slot, INT32_MAX, 4711);
        must(slot >= 2);
        for (unsigned i = 0; i < n; i++)
                must(slot != left[i].slot);
        counters_close(c);

        c = open_counters();
        for (unsigned i = 0; i < n; i++)
                if (left[i].ifindex != INT32_MAX)
                        must(counters_take_former(c, left[i].ifindex, &counter, &slot) &&
                             counter == left[i].counter);
        must(counters_forget_former(c, INT32_MAX) && !counters_have_former(c));
        counters_close(c);
        close(file);
        return 0;
}
