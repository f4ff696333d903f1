/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <inttypes.h>

#include "bus.h"
#include "promisc-names.h"

/* The first byte says what stands before the number: an odd one that the input has it. */

/* A path is taken if writing its number gives the same path again. */
static void check(const char *path, const char *prefix) {
        const char *slash = strrchr(path, '/');
        uint64_t v = 4711, number = slash ? strtoull(slash + 1, NULL, 10) : 0;
        char *written;
        int taken = bus_path_number(path, prefix, &v);

        must(asprintf(&written, "%s/%" PRIu64, prefix, number) >= 0);
        must(taken == (number > 0 && strcmp(written, path) == 0));
        must(v == (taken ? number : 4711));
        free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *s, *path;

        if (size == 0)
                return 0;

        s = fuzz_string(data + 1, size - 1);
        if (data[0] & 1)
                path = fuzz_string(s, strlen(s));
        else
                must(asprintf(&path, "%s/%s", PROMISC_LINK_PREFIX, s) >= 0);

        check(path, PROMISC_LINK_PREFIX);
        check(path, PROMISC_REFERENCE_PREFIX);
        free(path);
        free(s);
        return 0;
}
