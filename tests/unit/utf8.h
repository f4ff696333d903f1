/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Encodes like RFC 3629, but lets pass what that forbids: surrogates, and anything up to 0x1fffff. Returns
 * the length. */
static inline size_t utf8_encode(uint32_t c, char *ret) {
        if (c < 0x80) {
                ret[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                ret[0] = (char) (0xc0 | c >> 6);
                ret[1] = (char) (0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                ret[0] = (char) (0xe0 | c >> 12);
                ret[1] = (char) (0x80 | (c >> 6 & 0x3f));
                ret[2] = (char) (0x80 | (c & 0x3f));
                return 3;
        }
        ret[0] = (char) (0xf0 | c >> 18);
        ret[1] = (char) (0x80 | (c >> 12 & 0x3f));
        ret[2] = (char) (0x80 | (c >> 6 & 0x3f));
        ret[3] = (char) (0x80 | (c & 0x3f));
        return 4;
}

/* What may be sent over D-Bus at all. */
static inline bool is_character(uint32_t c) {
        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return false;
        return !(c >= 0xfdd0 && c <= 0xfdef) && (c & 0xffff) != 0xfffe && (c & 0xffff) != 0xffff;
}

static inline bool is_control(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* Unicode 15.0, DerivedGeneralCategory.txt: Cf, Zl and Zp. */
static inline bool is_format_or_separator(uint32_t c) {
        static const uint32_t ranges[][2] = {
                { 0x00ad, 0x00ad },   { 0x0600, 0x0605 },   { 0x061c, 0x061c },   { 0x06dd, 0x06dd },
                { 0x070f, 0x070f },   { 0x0890, 0x0891 },   { 0x08e2, 0x08e2 },   { 0x180e, 0x180e },
                { 0x200b, 0x200f },   { 0x2028, 0x2029 },   { 0x202a, 0x202e },   { 0x2060, 0x2064 },
                { 0x2066, 0x206f },   { 0xfeff, 0xfeff },   { 0xfff9, 0xfffb },   { 0x110bd, 0x110bd },
                { 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
                { 0xe0001, 0xe0001 }, { 0xe0020, 0xe007f },
        };

        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
                if (c >= ranges[i][0] && c <= ranges[i][1])
                        return true;
        return false;
}

/* For sweeps whose steps are not cheap: all code points, but few of planes 2 to 13, which have ideographs
 * and holes. Those at the ends of planes are among them. */
static inline uint32_t next_code_point(uint32_t c) {
        return c >= 0x20000 && c < 0xdfffe && (c & 0xffff) < 0xfff0 ? c + 16 : c + 1;
}
