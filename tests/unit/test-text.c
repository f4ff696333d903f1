/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "promisc-names.h"
#include "text.h"
#include "utf8.h"
#include "util.h"

/* PropList.txt: Bidi_Control. */
static bool is_bidi_control(uint32_t c) {
        return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
               (c >= 0x2066 && c <= 0x2069);
}

static char *put_escaped(char *out, const char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++)
                out += sprintf(out, "\\x%02x", (uint8_t) bytes[i]);
        return out;
}

/* A copy of exactly that size, so that valgrind and ASan see a read behind it. */
static char *exact_copy(const char *s, size_t n) {
        char *copy = malloc(n + 1);

        assert_non_null(copy);
        memcpy(copy, s, n);
        copy[n] = '\0';
        return copy;
}

static void test_escape_examples(void **state) {
        static const struct {
                const char *name, *escaped;
        } cases[] = {
                { "eth0", "eth0" },
                { "", "" },
                { " ~!\"$%&'()*+,-.:;<=>?@[]^_`{|}", " ~!\"$%&'()*+,-.:;<=>?@[]^_`{|}" },
                { "a\\b", "a\\x5cb" },
                { "\\x41", "\\x5cx41" },
                { "a\tb\nc", "a\\x09b\\x0ac" },
                { "\x1b[31m", "\\x1b[31m" },
                { "\x7f", "\\x7f" },
                { "\xff", "\\xff" },
                { "\xc3\xa9th0", "\xc3\xa9th0" },           /* é */
                { "\xe2\x82\xac", "\xe2\x82\xac" },         /* € */
                { "\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7" }, /* U+1F427 */
                { "\xc2\x80", "\\xc2\\x80" },               /* C1 */
                { "\xc2\x9b", "\\xc2\\x9b" },               /* CSI */
                { "\xc2\xa0", "\xc2\xa0" },                 /* NBSP is no control character */
                { "\xe2\x80\xae", "\\xe2\\x80\\xae" },      /* right-to-left override */
                { "\xc0\xaf", "\\xc0\\xaf" },               /* overlong '/' */
                { "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
                { "\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf" },
                { "\xc1\xbf", "\\xc1\\xbf" },
                { "\xe0\x9f\xbf", "\\xe0\\x9f\\xbf" },
                { "\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf" },
                { "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* surrogates, single and paired */
                { "\xed\xa0\xbd\xed\xb0\xa7", "\\xed\\xa0\\xbd\\xed\\xb0\\xa7" },
                { "\xef\xbf\xbe", "\\xef\\xbf\\xbe" }, /* noncharacters */
                { "\xef\xb7\x90", "\\xef\\xb7\\x90" },
                { "\xf4\x8f\xbf\xbf", "\\xf4\\x8f\\xbf\\xbf" },
                { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* above U+10FFFF */
                { "\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80" },
                { "\xc3", "\\xc3" }, /* cut off */
                { "\xe2\x82", "\\xe2\\x82" },
                { "\xf0\x9f\x90", "\\xf0\\x9f\\x90" },
                { "\xc3(", "\\xc3(" },
                { "\xe2\x82\xc3\xa9", "\\xe2\\x82\xc3\xa9" }, /* goes on with the next character */
                { "\xc3\xc3\xa9", "\\xc3\xc3\xa9" },
                { "\x80\xbf", "\\x80\\xbf" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(freep) char *name = exact_copy(cases[i].name, strlen(cases[i].name));
                char buf[NAME_ESCAPED_MAX];

                assert_ptr_equal(name_escape(name, buf), buf);
                assert_string_equal(buf, cases[i].escaped);
        }
}

static void test_escape_every_byte(void **state) {
        char buf[NAME_ESCAPED_MAX], expected[16], back[NAME_MAX_BYTES + 1];

        for (unsigned b = 1; b < 256; b++) {
                char name[] = { (char) b, '\0' };

                if (b < 0x20 || b >= 0x7f || b == '\\')
                        put_escaped(expected, name, 1);
                else
                        strcpy(expected, name);
                assert_string_equal(name_escape(name, buf), expected);
                assert_int_equal(name_unescape(buf, back), 0);
                assert_string_equal(back, name);
        }
}

/* A bus that has a peer and has got as far as accepting messages. */
static void start_bus(sd_bus **ret_bus, int *ret_peer) {
        int fds[2];

        assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), errno);
        assert_true(sd_bus_new(ret_bus) >= 0);
        assert_true(sd_bus_set_fd(*ret_bus, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_start(*ret_bus) >= 0);
        *ret_peer = fds[1];
}

static sd_bus_message *new_message(sd_bus *bus) {
        sd_bus_message *m;

        assert_true(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0);
        return m;
}

/* One name of that many consecutive code points, and what the contract makes of it. */
static uint32_t make_name(uint32_t first, unsigned n, char *name, char *expected) {
        char *out = expected;
        uint32_t c = first;

        for (; c < first + n; c++) {
                size_t length = utf8_encode(c, name);

                if (is_character(c) && !is_control(c) && !is_bidi_control(c) && c != '\\')
                        out = mempcpy(out, name, length);
                else
                        out = put_escaped(out, name, length);
                name += length;
        }

        *name = *out = '\0';
        return c;
}

/* Every code point there is, and those that UTF-8 could express but must not: up to 0x13ffff. */
static void test_escape_every_code_point(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(close_fdp) int peer = -1;
        sd_bus_message *m;

        start_bus(&bus, &peer);
        m = new_message(bus);

        /* Without this the rest would prove nothing. */
        assert_int_equal(sd_bus_message_append(m, "s", "\xff"), -EINVAL);
        assert_int_equal(sd_bus_message_append(m, "s", "\xef\xbf\xbe"), -EINVAL);
        assert_int_equal(sd_bus_message_append(m, "s", "\xed\xa0\x80"), -EINVAL);

        for (uint32_t c = 1, n = 0; c < 0x140000; n++) {
                char name[NAME_MAX_BYTES + 1], expected[NAME_ESCAPED_MAX], buf[NAME_ESCAPED_MAX];
                char back[NAME_MAX_BYTES + 1];
                uint32_t first = c;

                c = make_name(c, NAME_MAX_BYTES / 4, name, expected);

                name_escape(name, buf);
                assert_case(strcmp(buf, expected) == 0, "from U+%04x: \"%s\"", first, buf);
                assert_case(name_unescape(buf, back) == 0 && strcmp(back, name) == 0, "from U+%04x", first);
                assert_case(sd_bus_message_append(m, "s", buf) >= 0, "from U+%04x: \"%s\"", first, buf);

                /* The message would grow without end. */
                if (n % 1024 == 0) {
                        sd_bus_message_unref(m);
                        m = new_message(bus);
                }
        }
        sd_bus_message_unref(m);
}

/* Garbage stays garbage, but goes over the bus and comes back the same. */
static void test_escape_random_bytes(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(close_fdp) int peer = -1;
        uint64_t seed = 2;
        sd_bus_message *m;

        start_bus(&bus, &peer);
        m = new_message(bus);

        for (unsigned i = 0; i < 4000; i++) {
                size_t n = 1 + unit_random(&seed) % NAME_MAX_BYTES;
                char bytes[NAME_MAX_BYTES], buf[NAME_ESCAPED_MAX], back[NAME_MAX_BYTES + 1];
                _cleanup_(freep) char *name = NULL;

                /* Half of them lead and continuation bytes alone, the others anything but NUL. */
                for (size_t k = 0; k < n; k++)
                        bytes[k] = (char) (i % 2 ? 0x80 | (unit_random(&seed) & 0x7f)
                                                 : 1 + unit_random(&seed) % 255);
                name = exact_copy(bytes, n);

                name_escape(name, buf);
                assert_case(sd_bus_message_append(m, "s", buf) >= 0, "\"%s\"", buf);
                assert_int_equal(name_unescape(buf, back), 0);
                assert_string_equal(back, name);
        }
        sd_bus_message_unref(m);
}

static void test_escape_longest(void **state) {
        char name[NAME_MAX_BYTES + 2], buf[NAME_ESCAPED_MAX], back[NAME_MAX_BYTES + 1],
                        again[NAME_ESCAPED_MAX];

        /* All escaped: the buffer is filled to its last byte. */
        memset(name, '\xff', sizeof(name));
        name[NAME_MAX_BYTES] = '\0';
        assert_int_equal(strlen(name_escape(name, buf)), NAME_ESCAPED_MAX - 1);
        assert_int_equal(name_unescape(buf, back), 0);
        assert_string_equal(back, name);

        /* A longer name is cut, and not inside of a character. */
        memset(name, 'a', NAME_MAX_BYTES + 1);
        name[NAME_MAX_BYTES + 1] = '\0';
        assert_int_equal(strlen(name_escape(name, buf)), NAME_MAX_BYTES);
        memcpy(name + NAME_MAX_BYTES - 1, "\xc3\xa9", 2);
        assert_string_equal(name_escape(name, again) + NAME_MAX_BYTES - 1, "\\xc3");
}

static void test_unescape_refuses(void **state) {
        static const char *const bad[] = {
                "",
                "\\",
                "\\x",
                "\\x4",
                "\\xg0",
                "\\x4g",
                "\\n",
                "\\\\",
                "a\\",
                "\\X5c",
                "\\x5C",
                "\\xFF", /* upper case */
                "\\x41",
                "\\x20",
                "\\xc3\\xa9", /* needs no escaping */
                "\\x00",
                "a\\x00b",
                "\\x5c\\x00", /* no name has a NUL */
                "\xff",
                "\xc2\x80",
                "\x1b",
                "\n", /* needs it */
                "\xc3\\xa9",
                "\\xc3\xa9", /* half and half */
                "\xe2\x80\xae",
        };
        char back[NAME_MAX_BYTES + 1] = "untouched", longest[4 * NAME_MAX_BYTES + 8];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(freep) char *text = exact_copy(bad[i], strlen(bad[i]));

                assert_case(name_unescape(text, back) == -EINVAL, "\"%s\"", bad[i]);
        }

        memset(longest, 'a', NAME_MAX_BYTES + 1);
        longest[NAME_MAX_BYTES + 1] = '\0';
        assert_int_equal(name_unescape(longest, back), -EINVAL);
        for (unsigned i = 0; i <= NAME_MAX_BYTES; i++)
                memcpy(longest + 4 * i, "\\xff", 5);
        assert_int_equal(name_unescape(longest, back), -EINVAL);
        assert_string_equal(back, "untouched");

        longest[4 * NAME_MAX_BYTES] = '\0';
        assert_int_equal(name_unescape(longest, back), 0);
        assert_int_equal(strlen(back), NAME_MAX_BYTES);
}

static void test_reason_every_code_point(void **state) {
        for (uint32_t c = 1; c < 0x140000; c++) {
                char reason[8] = {};
                bool expected = is_character(c) && !is_control(c) && !is_format_or_separator(c);

                utf8_encode(c, reason);
                assert_case(reason_is_valid(reason) == expected, "U+%04x", c);
        }
}

static void test_reason_examples(void **state) {
        static const struct {
                const char *reason;
                bool valid;
        } cases[] = {
                { "capturing for a test", true },
                { " ", true },
                { "\\x41 \"'%s$(ls)", true },
                { "Fehlersuche f\xc3\xbcr eth0 \xe2\x82\xac \xf0\x9f\x90\xa7", true },
                { "", false },
                { "two\nlines", false },
                { "tab\there", false },
                { "at the end\n", false },
                { "\x1b[2J", false },
                { "good until \xff", false },
                { "cut \xe2\x82", false },
                { "cut \xf0\x9f\x90", false },
                { "overlong \xc0\xaf", false },
                { "surrogates \xed\xa0\xbd\xed\xb0\xa7", false },
                { "override \xe2\x80\xae", false },
                { "\xef\xbb\xbf"
                  "byte order mark",
                  false },
                { "zero\xe2\x80\x8bwidth", false },
                { "soft\xc2\xadhyphen", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(freep) char *reason = exact_copy(cases[i].reason, strlen(cases[i].reason));

                assert_case(reason_is_valid(reason) == cases[i].valid, "\"%s\"", cases[i].reason);
        }
}

static void test_reason_length(void **state) {
        char reason[PROMISC_REASON_MAX + 2];

        memset(reason, 'a', sizeof(reason));
        reason[PROMISC_REASON_MAX + 1] = '\0';
        assert_false(reason_is_valid(reason));
        reason[PROMISC_REASON_MAX] = '\0';
        assert_true(reason_is_valid(reason));
        reason[1] = '\0';
        assert_true(reason_is_valid(reason));

        /* Bytes are what counts: 128 characters of two. */
        for (unsigned i = 0; i < PROMISC_REASON_MAX; i += 2)
                memcpy(reason + i, "\xc3\xa9", 2);
        reason[PROMISC_REASON_MAX] = '\0';
        assert_true(reason_is_valid(reason));
        strcat(reason, "a");
        assert_false(reason_is_valid(reason));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_escape_examples),         cmocka_unit_test(test_escape_every_byte),
                cmocka_unit_test(test_escape_every_code_point), cmocka_unit_test(test_escape_random_bytes),
                cmocka_unit_test(test_escape_longest),          cmocka_unit_test(test_unescape_refuses),
                cmocka_unit_test(test_reason_every_code_point), cmocka_unit_test(test_reason_examples),
                cmocka_unit_test(test_reason_length),
        };

        return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
