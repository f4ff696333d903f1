/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "promisc-names.h"
#include "util.h"

#define LINK PROMISC_LINK_PREFIX

/* One object, one path: what is no number in its shortest form names nothing. */
static void test_numbers(void **state) {
        static const struct {
                const char *path;
                uint64_t number; /* 0: none */
        } cases[] = {
                { LINK "/1", 1 },
                { LINK "/10", 10 },
                { LINK "/2147483647", INT32_MAX },
                { LINK "/2147483648", UINT64_C(2147483648) },
                { LINK "/4294967297", UINT64_C(4294967297) },
                { LINK "/18446744073709551615", UINT64_MAX },
                { LINK "/18446744073709551616", 0 },
                { LINK "/18446744073709551617", 0 },
                { LINK "/18446744073709551625", 0 },
                { LINK "/28446744073709551615", 0 },
                { LINK "/99999999999999999999999", 0 },
                { LINK "/0", 0 },
                { LINK "/01", 0 },
                { LINK "/007", 0 },
                { LINK "/-1", 0 },
                { LINK "/+1", 0 },
                { LINK "/ 1", 0 },
                { LINK "/1 ", 0 },
                { LINK "/1x", 0 },
                { LINK "/1_", 0 },
                { LINK "/x1", 0 },
                { LINK "/0x1", 0 },
                { LINK "/1/", 0 },
                { LINK "/1/2", 0 },
                { LINK "//1", 0 },
                { LINK "/", 0 },
                { LINK "", 0 },
                { LINK "1", 0 },
                { LINK "s/1", 0 },
                { LINK "s1", 0 },
                { PROMISC_REFERENCE_PREFIX "/1", 0 },
                { PROMISC_PATH "/1", 0 },
                { "/1", 0 },
                { "/", 0 },
                { "", 0 },
                { LINK "/\xd9\xa1", 0 }, /* ARABIC-INDIC DIGIT ONE */
                { "x" LINK "/1", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(freep) char *path = strdup(cases[i].path);
                uint64_t number = 77;
                int r = bus_path_number(path, LINK, &number);

                assert_case(r == (cases[i].number > 0), "%s", cases[i].path);
                assert_case(number == (cases[i].number > 0 ? cases[i].number : 77), "%s", cases[i].path);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),
        };

        return cmocka_run_group_tests_name("bus-path", tests, NULL, NULL);
}
