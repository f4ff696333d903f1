/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "promisc-names.h"
#include "text.h"
#include "util.h"

typedef struct Range {
        uint32_t first, last;
} Range;

static const Range control[] = {
        { 0x0000, 0x001f }, { 0x007f, 0x009f },
};

static const Range bidi_control[] = {
        { 0x061c, 0x061c }, { 0x200e, 0x200f }, { 0x202a, 0x202e }, { 0x2066, 0x2069 },
};

static const Range format_or_separator[] = {
        { 0x00ad, 0x00ad },   { 0x0600, 0x0605 },   { 0x061c, 0x061c },   { 0x06dd, 0x06dd },
        { 0x070f, 0x070f },   { 0x0890, 0x0891 },   { 0x08e2, 0x08e2 },   { 0x180e, 0x180e },
        { 0x200b, 0x200f },   { 0x2028, 0x202e },   { 0x2060, 0x2064 },   { 0x2066, 0x206f },
        { 0xfeff, 0xfeff },   { 0xfff9, 0xfffb },   { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
        { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0001, 0xe0001 },
        { 0xe0020, 0xe007f },
};

static bool in_ranges(uint32_t c, const Range *ranges, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (c >= ranges[i].first && c <= ranges[i].last)
                        return true;
        return false;
}

/* Bytes of the well-formed character at s (Unicode 15.0, table 3-7; no noncharacters), or 0. Stops at the NUL. */
static size_t utf8_decode(const char *s, uint32_t *ret) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint8_t b = (uint8_t) s[0];
        uint32_t c;
        size_t n;

        if (b < 0x80) {
                *ret = b;
                return b != 0;
        }

        n = (b & 0xe0) == 0xc0 ? 2 : (b & 0xf0) == 0xe0 ? 3 : (b & 0xf8) == 0xf0 ? 4 : 0;
        if (n == 0)
                return 0;

        c = b & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                b = (uint8_t) s[i];
                if ((b & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (b & 0x3f);
        }

        if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        if ((c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe)
                return 0;

        *ret = c;
        return n;
}

static bool shown_as_is(uint32_t c) {
        return c != '\\' && !in_ranges(c, control, ELEMENTSOF(control)) &&
                !in_ranges(c, bidi_control, ELEMENTSOF(bidi_control));
}

char *name_escape(const char *name, char buf[static NAME_ESCAPED_MAX]) {
        static const char digits[] = "0123456789abcdef";
        size_t left = strnlen(name, NAME_MAX_BYTES);
        char *out = buf;

        while (left > 0) {
                uint32_t c;
                size_t n = utf8_decode(name, &c);

                if (n > 0 && n <= left && shown_as_is(c)) {
                        out = mempcpy(out, name, n);
                        name += n;
                        left -= n;
                        continue;
                }

                /* The bytes that follow in an unsafe character are stray by themselves: one at a time will do. */
                *out++ = '\\';
                *out++ = 'x';
                *out++ = digits[(uint8_t) *name >> 4];
                *out++ = digits[(uint8_t) *name & 0xf];
                name++;
                left--;
        }

        *out = '\0';
        return buf;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -EINVAL;
}

int name_unescape(const char *escaped, char ret_name[static NAME_MAX_BYTES + 1]) {
        char name[NAME_MAX_BYTES + 1], again[NAME_ESCAPED_MAX];
        size_t n = 0;

        for (const char *p = escaped; *p;) {
                if (n == NAME_MAX_BYTES)
                        return -EINVAL;

                if (*p != '\\') {
                        name[n++] = *p++;
                        continue;
                }

                if (p[1] != 'x' || hex_digit(p[2]) < 0 || hex_digit(p[3]) < 0)
                        return -EINVAL;
                name[n++] = (char) (hex_digit(p[2]) << 4 | hex_digit(p[3]));
                p += 4;
        }
        name[n] = '\0';

        /* One name, one form. This also refuses an escaped NUL. */
        if (n == 0 || strcmp(name_escape(name, again), escaped) != 0)
                return -EINVAL;

        memcpy(ret_name, name, n + 1);
        return 0;
}

bool reason_is_valid(const char *reason) {
        size_t left = strnlen(reason, PROMISC_REASON_MAX + 1);

        if (left == 0 || left > PROMISC_REASON_MAX)
                return false;

        while (*reason) {
                uint32_t c;
                size_t n = utf8_decode(reason, &c);

                if (n == 0 || in_ranges(c, control, ELEMENTSOF(control)) ||
                    in_ranges(c, format_or_separator, ELEMENTSOF(format_or_separator)))
                        return false;
                reason += n;
        }

        return true;
}
