/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <regex.h>
#include <stdbool.h>

#include "process.h"

/* What /proc/PID/stat has, with a command that the process chose. */

#define TICKS_PER_SECOND 100
#define UNTOUCHED        0xa5

/* The same by a grammar: the command from the first parenthesis to the last, and 19 fields from there to the start
 * time. */
static const char grammar[] = "^[^(]*\\((.*)\\) ([^ )]* ){19}([0-9]+)[ \n][^)]*$";

typedef struct Reading {
        char command[IDENTIFY_COMMAND_MAX + 1];
        uint64_t started_usec;
} Reading;

static bool read_again(const char *text, Reading *ret) {
        static regex_t compiled;
        static bool is_compiled;
        unsigned __int128 usec = 0;
        regmatch_t m[4];
        size_t length;

        if (!is_compiled)
                must(regcomp(&compiled, grammar, REG_EXTENDED) == 0);
        is_compiled = true;
        if (regexec(&compiled, text, 4, m, 0) != 0)
                return false;

        for (const char *p = text + m[3].rm_so; p < text + m[3].rm_eo; p++) {
                usec = usec * 10 + (unsigned) (*p - '0') * UINT64_C(1000000);
                if (usec > UINT64_MAX)
                        return false;
        }

        length = (size_t) (m[1].rm_eo - m[1].rm_so);
        memset(ret, UNTOUCHED, sizeof(*ret));
        snprintf(ret->command, sizeof(ret->command), "%.*s", (int) length, text + m[1].rm_so);
        ret->started_usec = (uint64_t) usec / TICKS_PER_SECOND;
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = fuzz_string(data, size);
        Reading r, expected;
        int k;

        memset(&r, UNTOUCHED, sizeof(r));
        expected = r;
        k = process_parse_stat(text, TICKS_PER_SECOND, r.command, &r.started_usec);
        must(k == (read_again(text, &expected) ? 0 : -EBADMSG));
        must(strncmp(r.command, expected.command, sizeof(r.command)) == 0);
        must(r.started_usec == expected.started_usec);
        free(text);
        return 0;
}
