/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state.h"
#include "temporary.h"
#include "util.h"

static const StateReference example = {
        .id = UINT64_C(123456789012),
        .ifindex = 7,
        .inode = 4711,
        .address_length = 6,
        .owner = ":1.42",
        .bus = "0123456789abcdef0123456789abcdef",
        .uid = 1000,
        .pid = 77,
        .acquired = UINT64_C(1700000000000000),
        .reason = "to look: =äöü= ID=1",
};

static const char example_text[] =
        "ID=123456789012\nIFINDEX=7\nINODE=4711\nADDRESS_LENGTH=6\nLIFETIME=connection\nOWNER=:1.42\n"
        "BUS=0123456789abcdef0123456789abcdef\nUID=1000\nPID=77\nACQUIRED=1700000000000000\nEXPIRES=0\nDEADLINE=0\n"
        "REASON=to look: =äöü= ID=1\n";

static void assert_same(const StateReference *a, const StateReference *b) {
        assert_true(a->id == b->id);
        assert_int_equal(a->ifindex, b->ifindex);
        assert_true(a->inode == b->inode);
        assert_int_equal(a->address_length, b->address_length);
        assert_int_equal(a->descriptor, b->descriptor);
        assert_string_equal(a->owner, b->owner);
        assert_string_equal(a->bus, b->bus);
        assert_int_equal(a->uid, b->uid);
        assert_int_equal(a->pid, b->pid);
        assert_true(a->acquired == b->acquired && a->expires == b->expires && a->deadline == b->deadline);
        assert_string_equal(a->reason, b->reason);
}

static void assert_round_trip(const StateReference *r) {
        char text[STATE_TEXT_MAX];
        StateReference again;
        size_t n = state_format(r, text);

        assert_true(n < sizeof(text) && strlen(text) == n);
        assert_int_equal(state_parse(text, n, &again), 0);
        assert_same(r, &again);
}

static void test_text(void **state) {
        char text[STATE_TEXT_MAX];

        assert_int_equal(state_format(&example, text), strlen(example_text));
        assert_string_equal(text, example_text);
        assert_round_trip(&example);
}

/* The longest of everything fits. */
static void test_extremes(void **state) {
        StateReference r = { .id = UINT64_MAX, .ifindex = INT32_MAX, .inode = UINT64_MAX, .descriptor = true,
                             .uid = UINT32_MAX, .pid = INT32_MAX, .acquired = UINT64_MAX, .expires = UINT64_MAX,
                             .deadline = UINT64_MAX };

        memset(r.owner, '1', STATE_OWNER_MAX);
        r.owner[0] = ':';
        memset(r.bus, 'f', 32);
        memset(r.reason, 'x', PROMISC_REASON_MAX);
        assert_round_trip(&r);
}

/* A copy of exactly that size, so that valgrind and ASan see a read behind it. */
static int parse(const char *text, size_t length, StateReference *ret) {
        _cleanup_(freep) char *copy = malloc(length ?: 1);

        assert_non_null(copy);
        memcpy(copy, text, length);
        return state_parse(copy, length, ret);
}

static void test_cut(void **state) {
        StateReference r = { .id = 99 };

        for (size_t n = 0; n < strlen(example_text); n++) {
                assert_case(parse(example_text, n, &r) == -EBADMSG, "%zu", n);
                assert_true(r.id == 99);
        }
        assert_int_equal(parse(example_text, strlen(example_text), &r), 0);
        assert_int_equal(parse(example_text, sizeof(example_text), &r), -EBADMSG); /* with the NUL */
}

static void test_refused(void **state) {
        static const struct {
                const char *line, *instead;
        } cases[] = {
                { "ID=123456789012\n", "ID=0\n" },
                { "ID=123456789012\n", "ID=\n" },
                { "ID=123456789012\n", "ID=-1\n" },
                { "ID=123456789012\n", "ID=+1\n" },
                { "ID=123456789012\n", "ID= 1\n" },
                { "ID=123456789012\n", "ID=01\n" },
                { "ID=123456789012\n", "ID=1x\n" },
                { "ID=123456789012\n", "ID=18446744073709551616\n" },
                { "ID=123456789012\n", "ID=123456789012\nID=123456789012\n" },
                { "ID=123456789012\n", "id=123456789012\n" },
                { "ID=123456789012\n", "" },
                { "IFINDEX=7\n", "IFINDEX=0\n" },
                { "IFINDEX=7\n", "IFINDEX=-7\n" },
                { "IFINDEX=7\n", "IFINDEX=2147483648\n" },
                { "ADDRESS_LENGTH=6\n", "ADDRESS_LENGTH=5\n" },
                { "ADDRESS_LENGTH=6\n", "ADDRESS_LENGTH=7\n" },
                { "LIFETIME=connection\n", "LIFETIME=\n" },
                { "LIFETIME=connection\n", "LIFETIME=connections\n" },
                { "LIFETIME=connection\n", "LIFETIME=connection-or-so-and-so\n" },
                { "OWNER=:1.42\n", "OWNER=\n" },
                { "OWNER=:1.42\n", "OWNER=org.example.Name\n" },
                { "OWNER=:1.42\n", "OWNER=:1.42'\n" },
                { "BUS=0123456789abcdef0123456789abcdef\n", "BUS=0123456789abcdef0123456789abcde\n" },
                { "BUS=0123456789abcdef0123456789abcdef\n", "BUS=0123456789abcdef0123456789abcdef0\n" },
                { "BUS=0123456789abcdef0123456789abcdef\n", "BUS=0123456789ABCDEF0123456789ABCDEF\n" },
                { "UID=1000\n", "UID=4294967296\n" },
                { "PID=77\n", "PID=2147483648\n" },
                { "EXPIRES=0\n", "EXPIRES=5\n" },
                { "DEADLINE=0\n", "DEADLINE=5\n" },
                { "REASON=to look: =äöü= ID=1\n", "REASON=\n" },
                { "REASON=to look: =äöü= ID=1\n", "REASON=a\tb\n" },
                { "REASON=to look: =äöü= ID=1\n", "REASON=\xff\n" },
                { "REASON=to look: =äöü= ID=1\n", "REASON=\xe2\x80\xae\n" }, /* U+202E */
                { "REASON=to look: =äöü= ID=1\n", "REASON=a\nb\n" },
                { "UID=1000\nPID=77\n", "PID=77\nUID=1000\n" },
        };
        StateReference r = { .id = 99 };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *at = strstr(example_text, cases[i].line);
                char text[2 * STATE_TEXT_MAX];

                assert_non_null(at);
                snprintf(text, sizeof(text), "%.*s%s%s", (int) (at - example_text), example_text, cases[i].instead,
                         at + strlen(cases[i].line));
                assert_case(parse(text, strlen(text), &r) == -EBADMSG, "%s", cases[i].instead);
                assert_true(r.id == 99);
        }
}

static void test_nul_inside(void **state) {
        char text[sizeof(example_text)];
        StateReference r;

        for (size_t i = 0; i < strlen(example_text); i++) {
                memcpy(text, example_text, sizeof(text));
                text[i] = '\0';
                assert_case(parse(text, strlen(example_text), &r) == -EBADMSG, "%zu", i);
        }
}

/* Whatever is taken can be written again and is the same. */
static void test_noise(void **state) {
        char text[sizeof(example_text)];
        unsigned n_taken = 0;
        uint64_t seed = 7;
        StateReference r;

        for (unsigned i = 0; i < 50000; i++) {
                memcpy(text, example_text, sizeof(text));
                text[unit_random(&seed) % strlen(example_text)] = (char) unit_random(&seed);
                if (parse(text, strlen(example_text), &r) < 0)
                        continue;
                assert_round_trip(&r);
                n_taken++;
        }
        assert_in_range(n_taken, 1, 49999);
}

/* --- the files --- */

typedef struct Found {
        unsigned n;
        StateReference last;
} Found;

static void found(const StateReference *r, void *userdata) {
        Found *f = userdata;

        f->n++;
        f->last = *r;
}

static unsigned each(State *s, StateReference *ret_last) {
        Found f = {};

        assert_int_equal(state_each(s, found, &f), 0);
        if (ret_last)
                *ret_last = f.last;
        return f.n;
}

static State *open_in(const char *directory) {
        State *s = NULL;

        assert_int_equal(setenv("RUNTIME_DIRECTORY", directory, 1), 0);
        assert_int_equal(state_open(&s), 0);
        assert_non_null(s);
        return s;
}

static void test_no_place(void **state) {
        State *s = (State *) "";

        assert_int_equal(unsetenv("RUNTIME_DIRECTORY"), 0);
        assert_int_equal(state_open(&s), 0);
        assert_null(s);
        assert_null(state_close(NULL));

        s = (State *) "";
        setenv("RUNTIME_DIRECTORY", "/nonexistent", 1);
        assert_int_equal(state_open(&s), -ENOENT);
        setenv("RUNTIME_DIRECTORY", "/dev/null", 1);
        assert_int_equal(state_open(&s), -ENOTDIR);
        assert_string_equal((char *) s, "");
}

static void test_files(void **state) {
        StateReference r = example, last;
        struct stat st;
        State *s = open_in(*state);

        assert_int_equal(each(s, NULL), 0);
        assert_int_equal(state_write(s, &r), 0);
        r.id++;
        r.descriptor = true;
        assert_int_equal(state_write(s, &r), 0);
        assert_int_equal(each(s, NULL), 2);
        assert_int_equal(fstatat(state_get_fd(s), "references/123456789013", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_int_equal(fstatat(state_get_fd(s), "references", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        state_remove(s, example.id);
        state_remove(s, example.id);
        assert_null(state_close(s));

        /* Another process finds it. */
        s = open_in(*state);
        assert_int_equal(each(s, &last), 1);
        assert_same(&r, &last);

        /* The last word counts. */
        r.uid = 5;
        assert_int_equal(state_write(s, &r), 0);
        assert_int_equal(each(s, &last), 1);
        assert_int_equal(last.uid, 5);
        state_close(s);
}

static void put(int directory, const char *name, const char *text) {
        int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

/* What is not a whole record under its own name goes, and nothing else does. */
static void test_what_else_is_there(void **state) {
        char long_text[5000];
        StateReference last;
        State *s = open_in(*state);
        struct stat st;
        int fd;

        assert_int_equal(state_write(s, &example), 0);
        fd = openat(state_get_fd(s), "references", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        memset(long_text, 'x', sizeof(long_text));
        long_text[sizeof(long_text) - 1] = '\0';
        put(fd, ".new", example_text);
        put(fd, "1", example_text);
        put(fd, "0123456789012", example_text);
        put(fd, "123456789012x", example_text);
        put(fd, "2", "");
        put(fd, "3", long_text);
        put(fd, "a\nb", "");
        assert_int_equal(mkfifoat(fd, "4", 0600), 0);
        assert_int_equal(symlinkat("123456789012", fd, "5"), 0);
        assert_int_equal(symlinkat("/nonexistent", fd, "6"), 0);
        assert_int_equal(mkdirat(fd, "7", 0700), 0); /* stays, and harms nobody */

        assert_int_equal(each(s, &last), 1);
        assert_same(&example, &last);
        assert_int_equal(unlinkat(fd, "7", AT_REMOVEDIR), 0);
        assert_int_equal(count_names(fd), 1);
        assert_int_equal(fstatat(fd, "123456789012", &st, AT_SYMLINK_NOFOLLOW), 0);
        close(fd);
        state_close(s);
}

/* Half a record is none. */
static void test_no_space(void **state) {
        struct rlimit before, l;
        State *s = open_in(*state);
        int fd;

        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        for (rlim_t n = 0; n < strlen(example_text); n += 50) {
                l = before;
                l.rlim_cur = n;
                assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
                assert_case(state_write(s, &example) == (n == 0 ? -EFBIG : -ENOSPC), "%u", (unsigned) n);
                assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
                fd = openat(state_get_fd(s), "references", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_int_equal(count_names(fd), 0);
                close(fd);
        }
        assert_int_equal(state_write(s, &example), 0);
        assert_int_equal(each(s, NULL), 1);
        state_close(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_extremes),
                cmocka_unit_test(test_cut),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_nul_inside),
                cmocka_unit_test(test_noise),
                cmocka_unit_test(test_no_place),
                cmocka_unit_test_setup_teardown(test_files, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_what_else_is_there, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_no_space, make_directory, remove_directory),
        };

        return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
