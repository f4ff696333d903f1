/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "capture.h"
#include "cleanup.h"
#include "options.h"

#define ARGUMENTS 8

typedef struct Line {
        char *argv[ARGUMENTS + 1];
        int argc, r;
        Options options;
        Capture err;
} Line;

/* In place: the result points into it. */
static void parse(Line *l, const char *const *arguments) {
        *l = (Line){ .argv = { (char *) "promiscctl" }, .argc = 1 };
        for (; *arguments; arguments++)
                l->argv[l->argc++] = (char *) *arguments;
        assert_true(l->argc <= ARGUMENTS);

        optind = 0; /* a process does it once, a test many times */
        l->err = capture_begin(stderr);
        l->r = options_parse(l->argc, l->argv, &l->options);
        capture_end(&l->err);
}

#define PARSE(l, ...) parse(l, (const char *const[]){ __VA_ARGS__, NULL })

static void assert_words(char **words, int n, const char *const *expected) {
        for (int i = 0; expected[i]; i++, n--) {
                assert_true(n > 0);
                assert_string_equal(words[i], expected[i]);
        }
        assert_int_equal(n, 0);
}

#define assert_arguments(l, ...) \
        assert_words((l)->options.args, (l)->options.n_args, (const char *const[]){ __VA_ARGS__, NULL })

static void test_defaults(void **state) {
        Line l;

        parse(&l, (const char *const[]){ NULL });
        assert_int_equal(l.r, 0);
        assert_int_equal(l.options.json, JSON_OFF);
        assert_true(l.options.legend);
        assert_true(l.options.ask_password);
        assert_false(l.options.help);
        assert_false(l.options.version);
        assert_null(l.options.host);
        assert_null(l.options.machine);
        assert_null(l.options.reason);
        assert_null(l.options.timeout_text);
        assert_null(l.options.command);
        assert_int_equal(l.options.timeout, 0);
        assert_int_equal(l.options.n_args, 0);
        assert_string_equal(l.err.text, "");
}

static void test_each(void **state) {
        Line l;

        PARSE(&l, "list", "--json=short", "--no-legend", "--no-ask-password");
        assert_int_equal(l.r, 0);
        assert_int_equal(l.options.json, JSON_SHORT);
        assert_false(l.options.legend);
        assert_false(l.options.ask_password);
        assert_arguments(&l, "list");

        PARSE(&l, "--json=pretty", "-h", "--version", "-H", "admin@host");
        assert_int_equal(l.options.json, JSON_PRETTY);
        assert_true(l.options.help);
        assert_true(l.options.version);
        assert_string_equal(l.options.host, "admin@host");

        PARSE(&l, "-Mcontainer", "--json=off");
        assert_int_equal(l.options.json, JSON_OFF);
        assert_string_equal(l.options.machine, "container");

        PARSE(&l, "hold", "eth0", "--reason=a test", "--timeout=1h 30min");
        assert_string_equal(l.options.reason, "a test");
        assert_string_equal(l.options.timeout_text, "1h 30min");
        assert_int_equal(l.options.timeout, UINT64_C(5400000000));
        assert_arguments(&l, "hold", "eth0");

        /* For ever is no timeout. */
        PARSE(&l, "--timeout=infinity");
        assert_int_equal(l.r, 0);
        assert_int_equal(l.options.timeout, 0);
}

/* What is behind "--" is the command's, options and all. */
static void test_command(void **state) {
        Line l;

        PARSE(&l, "hold", "eth0", "--", "tcpdump", "--help", "-H", "--");
        assert_int_equal(l.r, 0);
        assert_false(l.options.help);
        assert_null(l.options.host);
        assert_arguments(&l, "hold", "eth0");
        assert_non_null(l.options.command);
        assert_words(l.options.command, 4, (const char *const[]){ "tcpdump", "--help", "-H", "--", NULL });
        assert_null(l.options.command[4]);

        PARSE(&l, "hold", "--");
        assert_arguments(&l, "hold");
        assert_non_null(l.options.command);
        assert_null(l.options.command[0]);
}

static void test_join_command(void **state) {
        Line l;

        PARSE(&l, "list", "--json=short", "--", "--odd-name", "-h");
        options_join_command(&l.options);
        assert_arguments(&l, "list", "--odd-name", "-h");
        assert_null(l.options.command);

        PARSE(&l, "list", "eth0");
        options_join_command(&l.options);
        assert_arguments(&l, "list", "eth0");
}

static void test_bad(void **state) {
        static const struct {
                const char *a, *b, *said;
        } cases[] = {
                { "--json=xml", NULL, "xml" },
                { "--json=", NULL, "--json=" },
                { "--json", NULL, "--json" },
                { "--timeout=soon", NULL, "soon" },
                { "--timeout=", NULL, "--timeout=" },
                { "--timeout=-1", NULL, "-1" },
                { "--timeout=99999999999999999999", NULL, "too long" },
                { "--no-such-option", NULL, "no-such-option" },
                { "-x", NULL, "x" },
                { "-H", NULL, "H" },
                { "--host=a", "--machine=b", "exclude" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Line l;

                parse(&l, (const char *const[]){ cases[i].a, cases[i].b, NULL });
                assert_case(l.r == -EINVAL, "%s", cases[i].a);
                assert_case(strstr(l.err.text, cases[i].said), "%s: %s", cases[i].a, l.err.text);
                assert_case(strncmp(l.err.text, "promiscctl: ", 12) == 0, "%s", l.err.text);
                assert_case(strchr(l.err.text, '\n') == l.err.text + strlen(l.err.text) - 1, "%s",
                            l.err.text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults), cmocka_unit_test(test_each),
                cmocka_unit_test(test_command),  cmocka_unit_test(test_join_command),
                cmocka_unit_test(test_bad),
        };

        return cmocka_run_group_tests_name("client-options", tests, NULL, NULL);
}
