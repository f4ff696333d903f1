/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../unit/utf8.h"

/* UTF-8 once more, read from Unicode's table 3-7 line by line and not by computing as the service and the
 * client do. Returns the bytes of the character at s, which is not empty, and 0 if there is none that D-Bus
 * takes. */
static inline size_t utf8_check(const char *s, uint32_t *ret) {
        static const struct {
                uint8_t first[2], second[2];
                size_t length;
        } table[] = {
                { { 0x01, 0x7f }, { 0x00, 0xff }, 1 }, { { 0xc2, 0xdf }, { 0x80, 0xbf }, 2 },
                { { 0xe0, 0xe0 }, { 0xa0, 0xbf }, 3 }, { { 0xe1, 0xec }, { 0x80, 0xbf }, 3 },
                { { 0xed, 0xed }, { 0x80, 0x9f }, 3 }, { { 0xee, 0xef }, { 0x80, 0xbf }, 3 },
                { { 0xf0, 0xf0 }, { 0x90, 0xbf }, 4 }, { { 0xf1, 0xf3 }, { 0x80, 0xbf }, 4 },
                { { 0xf4, 0xf4 }, { 0x80, 0x8f }, 4 },
        };
        const uint8_t *p = (const uint8_t *) s;

        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                size_t n = table[i].length;
                uint32_t c = p[0] & (n == 1 ? 0x7f : 0x7f >> n);

                if (p[0] < table[i].first[0] || p[0] > table[i].first[1])
                        continue;
                if (p[1] < table[i].second[0] || p[1] > table[i].second[1])
                        return 0;
                for (size_t k = 1; k < n; k++) {
                        if (p[k] < 0x80 || p[k] > 0xbf)
                                return 0;
                        c = c << 6 | (p[k] & 0x3f);
                }
                if (!is_character(c))
                        return 0;
                *ret = c;
                return n;
        }

        return 0;
}

/* Is it all UTF-8, and none of its characters of the forbidden kind? */
static inline bool utf8_check_all(const char *s, bool (*forbidden)(uint32_t c)) {
        uint32_t c;

        for (size_t n; *s; s += n) {
                n = utf8_check(s, &c);
                if (n == 0 || forbidden(c))
                        return false;
        }
        return true;
}

static inline bool is_control_or_format(uint32_t c) {
        return is_control(c) || is_format_or_separator(c);
}
