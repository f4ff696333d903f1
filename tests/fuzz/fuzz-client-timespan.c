/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>

#include "timespan.h"

#define DIGITS "0123456789"

__extension__ typedef unsigned __int128 Wide;

/* The longest that fits, as systemd.time(7) reads "1minute"; 0 if there is none. */
static uint64_t unit_usec(const char *s, size_t n) {
        static const struct {
                const char *names;
                uint64_t usec;
        } units[] = {
                { " us usec \302\265s \316\274s ", 1 },
                { " ms msec ", 1000 },
                { " s sec second seconds ", 1000000 },
                { " m min minute minutes ", UINT64_C(60000000) },
                { " h hr hour hours ", UINT64_C(3600000000) },
                { " d day days ", UINT64_C(86400000000) },
                { " w week weeks ", UINT64_C(604800000000) },
        };
        char word[16];

        if (n == 0)
                return 1000000;
        if (n > 10)
                return 0;
        snprintf(word, sizeof(word), " %.*s ", (int) n, s);
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                if (strstr(units[i].names, word))
                        return units[i].usec;
        return 0;
}

static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("\302\265\316\274", c));
}

/* Reads one "number unit" with wide arithmetic. Returns what is behind it, NULL if it is none. */
static const char *component(const char *s, Wide *ret) {
        size_t whole = strspn(s, DIGITS), decimals = 0, letters = 0;
        char micro[] = "000000";
        Wide v = 0, unit;

        for (size_t i = 0; i < whole; i++)
                if (v <= UINT64_MAX)
                        v = v * 10 + (Wide) (s[i] - '0');
        s += whole;
        if (*s == '.') {
                decimals = strspn(++s, DIGITS);
                if (decimals == 0)
                        return NULL;
                memcpy(micro, s, decimals < 6 ? decimals : 6);
                s += decimals;
        }
        if (whole + decimals == 0)
                return NULL;

        s += strspn(s, " ");
        while (is_letter(s[letters]))
                letters++;
        unit = unit_usec(s, letters);
        if (unit == 0 || (letters == 0 && *s == '.'))
                return NULL;

        *ret = v * unit + strtoul(micro, NULL, 10) * unit / 1000000;
        return s + letters;
}

/* 0 and the value, or -1. */
static int model(const char *s, uint64_t *ret) {
        Wide sum = 0, v;

        s += strspn(s, " ");
        if (strcmp(s, "infinity") == 0) {
                *ret = UINT64_MAX;
                return 0;
        }
        do {
                s = component(s, &v);
                if (!s)
                        return -1;
                sum += v;
                if (sum >= UINT64_MAX)
                        return -1;
                s += strspn(s, " ");
        } while (*s);

        *ret = (uint64_t) sum;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *s = fuzz_string(data, size);
        uint64_t usec = 4711, expected = 4711;
        int r = timespan_parse(s, &usec);

        must(r == 0 || r == -EINVAL || r == -ERANGE);
        must((r == 0) == (model(s, &expected) == 0));
        must(usec == expected);
        free(s);
        return 0;
}
