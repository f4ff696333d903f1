/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>

#include "unicast-list.h"

/* One entry of a list of the kernel's, as long as it says that it is, which is read a second time by the offsets
 * of its fields. */

#define HEADER 28U /* of netlink and of neighbours */

static uint16_t u16_at(const uint8_t *p) {
        uint16_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

/* Of attributes that are all whole: the last address, and whether a master is named. */
static bool read_attributes(const uint8_t *data, size_t size, const uint8_t **ret_address, bool *ret_mastered) {
        size_t n;

        for (size_t at = HEADER; at < size; at += (n + 3) & ~(size_t) 3) {
                unsigned type;

                if (size - at < 4)
                        return false;
                n = u16_at(data + at);
                type = u16_at(data + at + 2) & 0x3fff;
                if (n < 4 || n > size - at)
                        return false;
                if (type == 2 && n > 4) /* NDA_LLADDR */
                        *ret_address = data + at + 4;
                *ret_mastered = *ret_mastered || type == 9; /* NDA_MASTER */
        }
        return true;
}

static int read_again(const uint8_t *data, size_t size, bool *ret) {
        const uint8_t *address = NULL;
        bool mastered = false;

        if (size < HEADER || u16_at(data + 4) != 28 || !read_attributes(data, size, &address, &mastered))
                return -EBADMSG;
        /* AF_BRIDGE, NTF_SELF */
        *ret = data[16] == 7 && (data[26] & 2) && address && address[0] % 2 == 0 && !mastered;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint32_t length = (uint32_t) size;
        struct nlmsghdr *h;
        int ifindex = 0;

        if (size < sizeof(*h))
                return 0;
        h = fuzz_copy(data, size);
        memcpy(h, &length, sizeof(length));
        if (size >= 24)
                memcpy(&ifindex, data + 20, sizeof(ifindex));

        for (int before = 0; before < 2; before++) {
                bool found = before, other = before, expected = before;
                int r = read_again((const uint8_t *) h, size, &expected);

                must(unicast_list_parse(h, ifindex, &found) == r && found == expected);
                must(unicast_list_parse(h, ifindex ^ 1, &other) == r && other == (r < 0 && before));
        }
        free(h);
        return 0;
}
