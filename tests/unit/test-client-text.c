/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "text.h"
#include "utf8.h"

static void test_decode_every_code_point(void **state) {
        for (uint32_t c = 1; c < 0x140000; c = next_code_point(c)) {
                char text[8] = {};
                int length = (int) utf8_encode(c, text);
                uint32_t decoded = 0;

                if (!is_character(c)) {
                        assert_case(text_decode(text, &decoded) == -EILSEQ, "U+%04x", c);
                        assert_case(!text_is_utf8(text), "U+%04x", c);
                        continue;
                }

                assert_case(text_decode(text, &decoded) == length && decoded == c, "U+%04x", c);
                assert_case(text_is_utf8(text), "U+%04x", c);
                /* Without its last byte: stops at the NUL. */
                if (length > 1) {
                        text[length - 1] = '\0';
                        assert_case(text_decode(text, &decoded) == -EILSEQ, "U+%04x", c);
                }
        }
}

static void test_decode_overlong(void **state) {
        static const char *const bad[] = {
                "\xc0\x80",
                "\xc0\xaf",
                "\xc1\xbf",
                "\xe0\x80\x80",
                "\xe0\x9f\xbf",
                "\xf0\x80\x80\x80",
                "\xf0\x8f\xbf\xbf",
                "\x80",
                "\xbf",
                "\xfe",
                "\xff",
                "\xf8\x88\x80\x80\x80",
                "\xc3\xc3",
                "\xe2\x82(",
        };
        uint32_t c;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_case(text_decode(bad[i], &c) == -EILSEQ, "case %zu", i);
}

/* What comes out is safe for a terminal, and names that the service has escaped stay as they are. */
static void test_escape_examples(void **state) {
        static const struct {
                const char *text, *escaped;
        } cases[] = {
                { "", "" },
                { "eth0", "eth0" },
                { "eth0\\xff", "eth0\\xff" },
                { "\xc3\xa9 \xe2\x82\xac", "\xc3\xa9 \xe2\x82\xac" },
                { "a\nb\tc\r", "a\\x0ab\\x09c\\x0d" },
                { "\x1b]0;title\x07", "\\x1b]0;title\\x07" },
                { "\xc2\x9b"
                  "31m",
                  "\\xc2\\x9b31m" },
                { "\x7f", "\\x7f" },
                { "\xe2\x80\xae"
                  "gnp",
                  "\\xe2\\x80\\xaegnp" },
                { "\xff\xc3", "\\xff\\xc3" },
                { "\xe2\x82", "\\xe2\\x82" },
                { "\xe2\x82\xc3\xa9", "\\xe2\\x82\xc3\xa9" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = strdup(cases[i].text), *escaped = NULL;

                assert_int_equal(text_escape(text, &escaped), 0);
                assert_string_equal(escaped, cases[i].escaped);
        }
}

static void test_escape_every_code_point(void **state) {
        for (uint32_t c = 1; c < 0x140000; c = next_code_point(c)) {
                _cleanup_free_ char *escaped = NULL;
                char text[8] = {}, bytes[32] = {};
                size_t length = utf8_encode(c, text);
                bool harmful = !is_character(c) || is_control(c) || is_format_or_separator(c);

                for (size_t i = 0; i < length; i++)
                        sprintf(bytes + 4 * i, "\\x%02x", (uint8_t) text[i]);
                assert_int_equal(text_escape(text, &escaped), 0);
                if (harmful)
                        assert_case(strcmp(escaped, bytes) == 0, "U+%04x: %s", c, escaped);
                else /* unassigned ones may be shown either way */
                        assert_case(strcmp(escaped, text) == 0 || strcmp(escaped, bytes) == 0, "U+%04x: %s",
                                    c, escaped);
        }
}

static void test_escape_random_bytes(void **state) {
        uint64_t seed = 7;

        for (unsigned i = 0; i < 2000; i++) {
                _cleanup_free_ char *text = malloc(200), *escaped = NULL, *again = NULL;
                size_t n = unit_random(&seed) % 199;

                for (size_t k = 0; k < n; k++)
                        text[k] = (char) (1 + unit_random(&seed) % 255);
                text[n] = '\0';
                assert_int_equal(text_escape(text, &escaped), 0);
                assert_true(text_is_utf8(escaped));
                for (const char *s = escaped; *s;) {
                        uint32_t c = 0;

                        s += text_decode(s, &c);
                        assert_case(!is_control(c) && !is_format_or_separator(c), "U+%04x", c);
                }
                /* What is safe stays as it is. */
                assert_int_equal(text_escape(escaped, &again), 0);
                assert_string_equal(again, escaped);
        }
}

static void test_width(void **state) {
        assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
        assert_int_equal(text_width(""), 0);
        assert_int_equal(text_width("eth0"), 4);
        assert_int_equal(text_width("\xc3\xa9th0"), 4);
        assert_int_equal(text_width("e\xcc\x81th0"), 4);             /* combining */
        assert_int_equal(text_width("\xe7\xb6\xb2\xe8\xb7\xaf"), 4); /* wide */
        assert_int_equal(text_width("\x01"), 1);                     /* unknown to the locale */
        assert_int_equal(text_width("\xff"
                                    "a"),
                         2);
}

static void test_wrap(void **state) {
        static const struct {
                const char *text;
                size_t width, indent;
                const char *wrapped;
        } cases[] = {
                { "", 10, 0, "" },
                { "one two", 7, 0, "one two" },
                { "one two", 6, 0, "one\ntwo" },
                { "one two three", 9, 2, "one two\n  three" },
                { "one two three", 8, 2, "one\n  two\n  three" },
                { "one\ntwo three", 20, 2, "one\n  two three" },
                { "longer than that", 4, 0, "longer\nthan\nthat" },
                { "one two", 3, 10, "one\n          two" }, /* no room at all */
                { "\xe7\xb6\xb2\xe8\xb7\xaf a", 6, 0,
                  "\xe7\xb6\xb2\xe8\xb7\xaf a" }, /* four columns, not six bytes */
                { "\xe7\xb6\xb2\xe8\xb7\xaf a", 5, 0, "\xe7\xb6\xb2\xe8\xb7\xaf\na" },
        };

        assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = strdup(cases[i].text), *wrapped = NULL;

                assert_int_equal(text_wrap(text, cases[i].width, cases[i].indent, &wrapped), 0);
                assert_string_equal(wrapped, cases[i].wrapped);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_decode_every_code_point),
                cmocka_unit_test(test_decode_overlong),
                cmocka_unit_test(test_escape_examples),
                cmocka_unit_test(test_escape_every_code_point),
                cmocka_unit_test(test_escape_random_bytes),
                cmocka_unit_test(test_width),
                cmocka_unit_test(test_wrap),
        };

        return cmocka_run_group_tests_name("client-text", tests, NULL, NULL);
}
