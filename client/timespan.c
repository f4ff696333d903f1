/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timespan.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "cleanup.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define LETTERS \
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\302\265\316\274" /* with both forms of µ */

static const struct {
        const char *name;
        uint64_t usec;
} units[] = {
        { "", USEC_PER_SEC },
        { "us", 1 },
        { "usec", 1 },
        { "\302\265s", 1 }, /* U+00B5 and U+03BC */
        { "\316\274s", 1 },
        { "ms", 1000 },
        { "msec", 1000 },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "seconds", USEC_PER_SEC },
        { "m", 60 * USEC_PER_SEC },
        { "min", 60 * USEC_PER_SEC },
        { "minute", 60 * USEC_PER_SEC },
        { "minutes", 60 * USEC_PER_SEC },
        { "h", 3600 * USEC_PER_SEC },
        { "hr", 3600 * USEC_PER_SEC },
        { "hour", 3600 * USEC_PER_SEC },
        { "hours", 3600 * USEC_PER_SEC },
        { "d", 86400 * USEC_PER_SEC },
        { "day", 86400 * USEC_PER_SEC },
        { "days", 86400 * USEC_PER_SEC },
        { "w", 7 * 86400 * USEC_PER_SEC },
        { "week", 7 * 86400 * USEC_PER_SEC },
        { "weeks", 7 * 86400 * USEC_PER_SEC },
};

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static int find_unit(const char *s, size_t length, uint64_t *ret) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == length && strncmp(units[i].name, s, length) == 0) {
                        *ret = units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

/* Digits before the point: 0 to as many as fit. Returns how many there were. */
static int read_number(const char **s, uint64_t *ret) {
        uint64_t n = 0;
        int digits = 0;

        for (; is_digit(**s); (*s)++, digits++)
                if (__builtin_mul_overflow(n, 10, &n) ||
                    __builtin_add_overflow(n, (uint64_t) (**s - '0'), &n))
                        return -ERANGE;
        *ret = n;
        return digits;
}

/* Digits behind the point, as millionths. */
static int read_fraction(const char **s, uint64_t *ret) {
        uint64_t n = 0, worth = 100000;
        int digits = 0;

        for (; is_digit(**s); (*s)++, digits++, worth /= 10)
                n += (uint64_t) (**s - '0') * worth;
        *ret = n;
        return digits;
}

/* One "number unit"; moves on behind it. */
static int read_component(const char **s, uint64_t *ret) {
        uint64_t whole, millionths = 0, unit, usec;
        size_t length;
        int digits, r;

        digits = read_number(s, &whole);
        if (digits < 0)
                return digits;
        if (**s == '.') {
                (*s)++;
                r = read_fraction(s, &millionths);
                if (r == 0)
                        return -EINVAL;
                digits += r;
        }
        if (digits == 0)
                return -EINVAL;

        *s += strspn(*s, " ");
        length = strspn(*s, LETTERS);
        if (length == 0 && **s == '.') /* "1.2.3" is not 1.2 and .3 */
                return -EINVAL;
        r = find_unit(*s, length, &unit);
        if (r < 0)
                return r;
        *s += length;

        if (__builtin_mul_overflow(whole, unit, &usec) ||
            __builtin_add_overflow(usec, millionths * unit / USEC_PER_SEC, &usec))
                return -ERANGE;
        *ret = usec;
        return 0;
}

int timespan_parse(const char *s, uint64_t *ret_usec) {
        uint64_t sum = 0;

        s += strspn(s, " ");
        if (strcmp(s, "infinity") == 0) {
                *ret_usec = TIMESPAN_INFINITY;
                return 0;
        }

        do {
                uint64_t usec;
                int r = read_component(&s, &usec);

                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, usec, &sum) || sum == TIMESPAN_INFINITY)
                        return -ERANGE;
                s += strspn(s, " ");
        } while (*s);

        *ret_usec = sum;
        return 0;
}
