/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "capture.h"
#include "config.h"
#include "options.h"
#include "util.h"

typedef struct Result {
        int r;
        Options options;
        Capture out, err;
} Result;

#define UNTOUCHED ((Options){ 11, 12, 13 })

/* Up to three arguments. */
static Result parse(const char *a, const char *b, const char *c) {
        char program[] = "promiscd", copies[3][256];
        const char *const given[] = { a, b, c };
        char *argv[5] = { program };
        int argc = 1;
        Result result = { .options = UNTOUCHED };

        for (; argc <= 3 && given[argc - 1]; argc++)
                argv[argc] = strcpy(copies[argc - 1], given[argc - 1]);

        result.out = capture_begin(stdout);
        result.err = capture_begin(stderr);
        result.r = options_parse(argc, argv, &result.options);
        capture_end(&result.err);
        capture_end(&result.out);
        return result;
}

static void test_defaults(void **state) {
        Result r = parse(NULL, NULL, NULL);

        assert_int_equal(r.r, 1);
        assert_int_equal(r.options.references_max, 4096);
        assert_int_equal(r.options.references_per_user_max, 256);
        assert_int_equal(r.options.resync_usec, 5000000);
        assert_string_equal(r.out.text, "");
        assert_string_equal(r.err.text, "");
}

static void test_all_together(void **state) {
        Result r = parse("--references-max=100", "--references-per-user-max=7", "--resync-sec=0.25");

        assert_int_equal(r.r, 1);
        assert_int_equal(r.options.references_max, 100);
        assert_int_equal(r.options.references_per_user_max, 7);
        assert_int_equal(r.options.resync_usec, 250000);

        /* As two words, and the last one counts. */
        r = parse("--references-max", "5", "--references-max=6");
        assert_int_equal(r.r, 1);
        assert_int_equal(r.options.references_max, 6);
        assert_int_equal(r.options.references_per_user_max, 256);
}

/* Nothing is left from the run before. */
static void test_twice(void **state) {
        assert_int_equal(parse("--references-max=9", NULL, NULL).options.references_max, 9);
        assert_int_equal(parse("--resync-sec=1", NULL, NULL).options.references_max, 4096);
}

static void test_numbers(void **state) {
        static const struct {
                const char *text;
                int expected; /* -1: refused */
        } cases[] = {
                { "0", 0 },
                { "1", 1 },
                { "4096", 4096 },
                { "16384", 16384 },
                { "007", 7 },
                { "16385", -1 },
                { "", -1 },
                { "-1", -1 },
                { "+1", -1 },
                { " 1", -1 },
                { "1 ", -1 },
                { "1x", -1 },
                { "0x10", -1 },
                { "1.5", -1 },
                { "1e3", -1 },
                { "many", -1 },
                { "4294967295", -1 },
                { "4294967297", -1 },
                { "18446744073709551617", -1 },
                { "18446744073709551616", -1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char all[64] = "--references-max=", user[64] = "--references-per-user-max=", message[128];
                Result a = parse(strcat(all, cases[i].text), NULL, NULL);
                Result u = parse(strcat(user, cases[i].text), NULL, NULL);

                if (cases[i].expected >= 0) {
                        assert_case(a.r == 1 && u.r == 1, "\"%s\"", cases[i].text);
                        assert_int_equal(a.options.references_max, cases[i].expected);
                        assert_int_equal(u.options.references_per_user_max, cases[i].expected);
                        continue;
                }

                assert_case(a.r == -EINVAL && u.r == -EINVAL, "\"%s\"", cases[i].text);
                snprintf(message, sizeof(message), "promiscd: invalid value for --references-max: \"%s\" (0 to 16384)\n",
                         cases[i].text);
                assert_string_equal(a.err.text, message);
                snprintf(message, sizeof(message),
                         "promiscd: invalid value for --references-per-user-max: \"%s\" (0 to 16384)\n", cases[i].text);
                assert_string_equal(u.err.text, message);
        }
}

static void test_seconds(void **state) {
        static const struct {
                const char *text;
                int64_t expected; /* µs, -1: refused */
        } cases[] = {
                { "0", 0 },
                { "0.0", 0 },
                { "5", 5000000 },
                { "0.1", 100000 },
                { "1.000001", 1000001 },
                { "0.000001", 1 },
                { "2.50", 2500000 },
                { "86400", 86400000000 },
                { "86400.000000", 86400000000 },
                { "86400.000001", -1 },
                { "86401", -1 },
                { "0.0000001", -1 },
                { "18446744073709551616", -1 },
                { "18446744073709.551616", -1 },
                { "99999999999999999999999999999999999999999", -1 },
                { "", -1 },
                { ".", -1 },
                { ".5", -1 },
                { "5.", -1 },
                { "1.2.3", -1 },
                { "-1", -1 },
                { "+1", -1 },
                { " 1", -1 },
                { "1 ", -1 },
                { "1s", -1 },
                { "1,5", -1 },
                { "1e3", -1 },
                { "inf", -1 },
                { "nan", -1 },
                { "0x1", -1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char argument[128] = "--resync-sec=", message[128];
                Result r = parse(strcat(argument, cases[i].text), NULL, NULL);

                if (cases[i].expected >= 0) {
                        assert_case(r.r == 1, "\"%s\"", cases[i].text);
                        assert_int_equal(r.options.resync_usec, cases[i].expected);
                        continue;
                }

                assert_case(r.r == -EINVAL, "\"%s\"", cases[i].text);
                snprintf(message, sizeof(message), "promiscd: invalid value for --resync-sec: \"%s\" (seconds up to a day)\n",
                         cases[i].text);
                assert_string_equal(r.err.text, message);
        }
}

static void test_nonsense(void **state) {
        static const struct {
                const char *a, *b, *said;
        } cases[] = {
                { "--no-such-option", NULL, "'--no-such-option'" },
                { "-x", NULL, "'x'" },
                { "--references-max", NULL, "'--references-max'" }, /* no value */
                { "--help=yes", NULL, "'--help'" },
                { "--re", NULL, "ambiguous" },
                { "word", NULL, "\"word\"" },
                { "", NULL, "\"\"" },
                { "--", "word", "\"word\"" },
                { "--references-max=5", "6", "\"6\"" },
                { "--references-max=x", "--references-max=5", "\"x\"" }, /* the first error counts */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Result r = parse(cases[i].a, cases[i].b, NULL);

                assert_case(r.r == -EINVAL, "%s", cases[i].a);
                assert_case(strstr(r.err.text, cases[i].said), "%s: %s", cases[i].a, r.err.text);
                /* One line, which begins with who says it. */
                assert_case(strncmp(r.err.text, "promiscd: ", 10) == 0, "%s", r.err.text);
                assert_case(strchr(r.err.text, '\n') == r.err.text + strlen(r.err.text) - 1, "%s",
                            r.err.text);
                assert_string_equal(r.out.text, "");
                assert_int_equal(r.options.references_max, 11);
                assert_int_equal(r.options.references_per_user_max, 12);
                assert_int_equal(r.options.resync_usec, 13);
        }
}

static void test_help_and_version(void **state) {
        static const char *const options[] = { "--help", "--version", "--references-max=N",
                                               "--references-per-user-max=N", "--resync-sec=SECONDS" };
        Result r = parse("--version", NULL, NULL);

        assert_int_equal(r.r, 0);
        assert_string_equal(r.out.text, "promiscd " PROMISCD_VERSION "\n");
        assert_string_equal(r.err.text, "");

        for (unsigned i = 0; i < 2; i++) {
                r = parse(i ? "-h" : "--help", "word", NULL);
                assert_int_equal(r.r, 0);
                for (size_t k = 0; k < ELEMENTSOF(options); k++)
                        assert_case(strstr(r.out.text, options[k]), "%s", options[k]);
                assert_string_equal(r.err.text, "");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_all_together),
                cmocka_unit_test(test_twice),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_seconds),
                cmocka_unit_test(test_nonsense),
                cmocka_unit_test(test_help_and_version),
        };

        return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
