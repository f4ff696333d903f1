/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "timespan.h"

#define SEC  UINT64_C(1000000)
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)

static void test_good(void **state) {
        static const struct {
                const char *text;
                uint64_t usec;
        } cases[] = {
                { "0", 0 },
                { "5", 5 * SEC },
                { "30s", 30 * SEC },
                { "30 s", 30 * SEC },
                { "  30s  ", 30 * SEC },
                { "1us", 1 },
                { "1usec", 1 },
                { "1\302\265s", 1 },
                { "1\316\274s", 1 },
                { "250ms", 250000 },
                { "250msec", 250000 },
                { "2sec", 2 * SEC },
                { "1second", SEC },
                { "2seconds", 2 * SEC },
                { "3m", 3 * MIN },
                { "5min", 5 * MIN },
                { "1minute", MIN },
                { "2minutes", 2 * MIN },
                { "1h", HOUR },
                { "1hr", HOUR },
                { "1hour", HOUR },
                { "2hours", 2 * HOUR },
                { "2d", 2 * DAY },
                { "1day", DAY },
                { "2days", 2 * DAY },
                { "1w", 7 * DAY },
                { "1week", 7 * DAY },
                { "2weeks", 14 * DAY },
                { "1h 30min", HOUR + 30 * MIN },
                { "1h30min", HOUR + 30 * MIN },
                { "1h30", HOUR + 30 * SEC },
                { "30min 1h", HOUR + 30 * MIN },
                { "1 h 30 min 5", HOUR + 30 * MIN + 5 * SEC },
                { "1.5h", HOUR + 30 * MIN },
                { "0.5", SEC / 2 },
                { ".5s", SEC / 2 },
                { "1.000001s", SEC + 1 },
                { "1.0000019s", SEC + 1 }, /* rounds down */
                { "0.25ms", 250 },
                { "18446744073709551614us", UINT64_MAX - 1 },
                { "18446744073709s", UINT64_C(18446744073709000000) },
                { "infinity", TIMESPAN_INFINITY },
                { " infinity", TIMESPAN_INFINITY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = strdup(cases[i].text);
                uint64_t usec = 77;

                assert_case(timespan_parse(text, &usec) == 0, "\"%s\"", cases[i].text);
                assert_case(usec == cases[i].usec, "\"%s\": %lu", cases[i].text, usec);
        }
}

static void test_bad(void **state) {
        static const struct {
                const char *text;
                int error;
        } cases[] = {
                { "", -EINVAL },
                { " ", -EINVAL },
                { ".", -EINVAL },
                { "s", -EINVAL },
                { "1.", -EINVAL },
                { "1.s", -EINVAL },
                { "-1", -EINVAL },
                { "+1", -EINVAL },
                { "1 -1", -EINVAL },
                { "1x", -EINVAL },
                { "1 parsec", -EINVAL },
                { "1S", -EINVAL },
                { "1s,", -EINVAL },
                { "1\ts", -EINVAL },
                { "1\n", -EINVAL },
                { "0x10", -EINVAL },
                { "1e3", -EINVAL },
                { "infinity 1s", -EINVAL },
                { "Infinity", -EINVAL },
                { "1s infinity", -EINVAL },
                { "1\303\251", -EINVAL },
                { "1\316", -EINVAL },
                { "18446744073709551615us", -ERANGE }, /* would be infinity */
                { "18446744073709551616us", -ERANGE },
                { "99999999999999999999999s", -ERANGE },
                { "18446744073710s", -ERANGE },
                { "18446744073709551614us 1us", -ERANGE },
                { "18446744073709551614us 2us", -ERANGE },
                { "30500569w", -ERANGE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = strdup(cases[i].text);
                uint64_t usec = 77;

                assert_case(timespan_parse(text, &usec) == cases[i].error, "\"%s\"", cases[i].text);
                assert_case(usec == 77, "\"%s\"", cases[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_bad),
        };

        return cmocka_run_group_tests_name("client-timespan", tests, NULL, NULL);
}
