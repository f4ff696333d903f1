/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arguments.h"

#include <errno.h>
#include <stdbool.h>

#include "options.h"
#include "packet-socket.h"
#include "promisc-names.h"

#define DIGITS "0123456789"
#define DAY    (86400 * UINT64_C(1000000))

/* What a number is, told another way. */
static bool is_unsigned(const char *s, unsigned *ret) {
        size_t n = strspn(s, DIGITS);
        unsigned long long v = strtoull(s, NULL, 10);

        *ret = (unsigned) v;
        return n >= 1 && n <= 10 && s[n] == '\0' && v <= PACKET_POOL_UNITS_MAX;
}

static bool is_seconds(const char *s, uint64_t *ret) {
        size_t whole = strspn(s, DIGITS), decimals = s[whole] == '.' ? strspn(s + whole + 1, DIGITS) : 0;
        char micro[] = "000000";
        unsigned long long seconds;

        if (whole == 0 || decimals > 6 || s[whole + (s[whole] == '.') + decimals] != '\0' ||
            (s[whole] == '.' && decimals == 0))
                return false;

        memcpy(micro, s + whole + 1, decimals);
        seconds = strtoull(s, NULL, 10); /* ULLONG_MAX if it is more */
        if (seconds > 86400)
                return false;
        *ret = seconds * 1000000 + strtoul(micro, NULL, 10);
        return *ret <= DAY;
}

/* One option with one value: the model says what must come of it. */
static void check_value(const char *argument, int r, const Options *o) {
        unsigned number;
        uint64_t usec;

        if (strncmp(argument, "--references-max=", 17) == 0)
                must(is_unsigned(argument + 17, &number) ? r == 1 && o->references_max == number
                                                         : r == -EINVAL);
        else if (strncmp(argument, "--references-per-user-max=", 26) == 0)
                must(is_unsigned(argument + 26, &number) ? r == 1 && o->references_per_user_max == number
                                                         : r == -EINVAL);
        else if (strncmp(argument, "--resync-sec=", 13) == 0)
                must(is_seconds(argument + 13, &usec) ? r == 1 && o->resync_usec == usec : r == -EINVAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const Options untouched = { 11, 12, 13 };
        Arguments a = arguments_new(data, size);
        Options o = untouched;
        Printed printed;
        int r;

        printed_begin(&printed);
        r = options_parse(a.argc, a.argv, &o);
        printed_end(&printed);

        must(r == 1 || r == 0 || r == -EINVAL);
        must((printed.length[0] > 0) == (r == 0));
        must((printed.length[1] > 0) == (r < 0 || (r == 1 && o.references_max <= PROMISC_REFERENCES_ROOT)));
        if (r == 1)
                must(o.references_max <= PACKET_POOL_UNITS_MAX &&
                     o.references_per_user_max <= PACKET_POOL_UNITS_MAX && o.resync_usec <= DAY);
        else
                must(memcmp(&o, &untouched, sizeof(o)) == 0);
        if (a.argc == 2)
                check_value(a.in_order[1], r, &o);

        printed_free(&printed);
        arguments_free(&a);
        return 0;
}
