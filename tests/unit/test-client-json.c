/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "utf8.h"

typedef struct Output {
        Json json;
        char *text;
        size_t size;
} Output;

static Json *begin(Output *o, bool pretty) {
        FILE *f = open_memstream(&o->text, &o->size);

        assert_non_null(f);
        json_init(&o->json, f, pretty);
        return &o->json;
}

static void expect(Output *o, const char *text) {
        fclose(o->json.file);
        assert_string_equal(o->text, text);
        free(o->text);
}

static void test_strings(void **state) {
        static const struct {
                const char *text, *json;
        } cases[] = {
                { "", "\"\"" },
                { "eth0", "\"eth0\"" },
                { "a\"b", "\"a\\\"b\"" },
                { "a\\b", "\"a\\\\b\"" },
                { "eth0\\xff", "\"eth0\\\\xff\"" },
                { "a/b", "\"a/b\"" },
                { "a\tb\nc", "\"a\\tb\\nc\"" },
                { "\x01\x1b[31m\x7f", "\"\\u0001\\u001b[31m\\u007f\"" },
                { "\xc2\x9b", "\"\\u009b\"" },
                { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7\"" },
                { "\xe2\x80\xae", "\"\\u202e\"" },            /* right-to-left override */
                { "\xe2\x80\xa8", "\"\\u2028\"" },            /* ends a line in JavaScript */
                { "\xf3\xa0\x80\x81", "\"\\udb40\\udc01\"" }, /* U+E0001, as a pair */
                { "\xff", "\"\\ufffd\"" },
                { "a\xc3", "\"a\\ufffd\"" },
                { "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
                { "\xc0\xaf", "\"\\ufffd\\ufffd\"" },
                { "\xe2\x82"
                  "a",
                  "\"\\ufffd\\ufffda\"" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = strdup(cases[i].text);
                Output o;

                json_string(begin(&o, false), NULL, text);
                expect(&o, cases[i].json);
        }
}

/* What a reader makes of a \u escape, which it must be. */
static uint32_t read_escape(const char **s) {
        uint32_t c = 0;
        int n = 0;

        assert_int_equal(sscanf(*s, "\\u%4" SCNx32 "%n", &c, &n), 1);
        assert_int_equal(n, 6);
        *s += n;
        return c;
}

/* Every character comes out as itself or as escapes that mean it, and none that could harm comes out as
 * itself. */
static void test_every_character(void **state) {
        for (uint32_t c = 1; c < 0x110000; c = next_code_point(c)) {
                char text[8] = {}, quoted[16];
                const char *s;
                uint32_t read;
                Output o;

                if (!is_character(c) || c == '"' || c == '\\' || c == '\n' || c == '\t')
                        continue; /* see above */
                utf8_encode(c, text);
                snprintf(quoted, sizeof(quoted), "\"%s\"", text);
                json_string(begin(&o, false), NULL, text);
                fclose(o.json.file);

                if (strcmp(o.text, quoted) == 0) {
                        assert_case(!is_control(c) && !is_format_or_separator(c), "U+%04x", c);
                        free(o.text);
                        continue;
                }

                s = o.text + 1;
                read = read_escape(&s);
                if (c >= 0x10000)
                        read = 0x10000 + ((read - 0xd800) << 10) + (read_escape(&s) - 0xdc00);
                assert_case(read == c && strcmp(s, "\"") == 0, "U+%04x: %s", c, o.text);
                free(o.text);
        }
}

static void put_all(Json *j) {
        json_object(j, NULL);
        json_string(j, "na\"me", "eth0");
        json_unsigned(j, "count", UINT64_MAX);
        json_bool(j, "yes", true);
        json_bool(j, "no", false);
        json_null(j, "nothing");
        json_array(j, "empty");
        json_end(j);
        json_object(j, "hollow");
        json_end(j);
        json_array(j, "list");
        json_unsigned(j, NULL, 0);
        json_object(j, NULL);
        json_null(j, "a");
        json_end(j);
        json_array(j, NULL);
        json_string(j, NULL, "b");
        json_end(j);
        json_end(j);
        json_end(j);
}

static void test_short(void **state) {
        Output o;

        put_all(begin(&o, false));
        expect(&o, "{\"na\\\"me\":\"eth0\",\"count\":18446744073709551615,\"yes\":true,\"no\":false,"
                   "\"nothing\":null,\"empty\":[],\"hollow\":{},\"list\":[0,{\"a\":null},[\"b\"]]}\n");
}

static void test_pretty(void **state) {
        Output o;

        put_all(begin(&o, true));
        expect(&o, "{\n"
                   "\t\"na\\\"me\" : \"eth0\",\n"
                   "\t\"count\" : 18446744073709551615,\n"
                   "\t\"yes\" : true,\n"
                   "\t\"no\" : false,\n"
                   "\t\"nothing\" : null,\n"
                   "\t\"empty\" : [],\n"
                   "\t\"hollow\" : {},\n"
                   "\t\"list\" : [\n"
                   "\t\t0,\n"
                   "\t\t{\n"
                   "\t\t\t\"a\" : null\n"
                   "\t\t},\n"
                   "\t\t[\n"
                   "\t\t\t\"b\"\n"
                   "\t\t]\n"
                   "\t]\n"
                   "}\n");
}

/* One document after the other, as "monitor" writes them. */
static void test_documents(void **state) {
        Output o;
        Json *j = begin(&o, false);

        for (unsigned i = 0; i < 2; i++) {
                json_object(j, NULL);
                json_unsigned(j, "n", i);
                json_end(j);
        }
        json_array(j, NULL);
        json_end(j);
        expect(&o, "{\"n\":0}\n{\"n\":1}\n[]\n");
}

static void test_deepest(void **state) {
        char expected[2 * JSON_DEPTH_MAX + 2] = {};
        Output o;
        Json *j = begin(&o, false);

        for (unsigned i = 0; i < JSON_DEPTH_MAX; i++) {
                if (i % 3)
                        json_array(j, NULL);
                else
                        json_object(j, NULL);
                expected[i] = i % 3 ? '[' : '{';
                expected[2 * JSON_DEPTH_MAX - 1 - i] = i % 3 ? ']' : '}';
        }
        for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
                json_end(j);
        expected[2 * JSON_DEPTH_MAX] = '\n';
        expect(&o, expected);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_strings),   cmocka_unit_test(test_every_character),
                cmocka_unit_test(test_short),     cmocka_unit_test(test_pretty),
                cmocka_unit_test(test_documents), cmocka_unit_test(test_deepest),
        };

        return cmocka_run_group_tests_name("client-json", tests, NULL, NULL);
}
