/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <locale.h>

#include "text.h"
#include "utf8-check.h"

static bool nothing(uint32_t c) {
        return false;
}

static void check_decode(const char *s) {
        uint32_t c = 0, expected = 0;
        size_t n = utf8_check(s, &expected);

        must(text_decode(s, &c) == (n > 0 ? (int) n : -EILSEQ));
        must(c == expected);
        if (n > 0 && is_control_or_format(c))
                must(!text_is_printable(c));
}

/* Nothing that a terminal acts on is left, the rest is as it was, and doing it twice changes nothing more.
 */
static void check_escape(const char *s) {
        char *escaped, *twice;

        must(text_escape(s, &escaped) == 0);
        must(utf8_check_all(escaped, is_control_or_format));
        must(text_escape(escaped, &twice) == 0 && strcmp(twice, escaped) == 0);

        for (const char *p = s, *e = escaped; *p || *e; p++, e++) {
                unsigned byte;

                if (*p == *e)
                        continue;
                must(strlen(e) >= 4 && sscanf(e, "\\x%2x", &byte) == 1 && byte == (unsigned char) *p);
                e += 3;
        }

        free(twice);
        free(escaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char *locale;
        char *s = fuzz_string(data, size);

        if (!locale)
                must(locale = setlocale(LC_CTYPE, "C.UTF-8"));

        for (const char *p = s; *p; p++)
                check_decode(p);
        must(text_is_utf8(s) == utf8_check_all(s, nothing));
        check_escape(s);
        must(text_width(s) <= 2 * strlen(s));
        free(s);
        return 0;
}
