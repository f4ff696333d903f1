/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "counters.h"
#include "temporary.h"
#include "util.h"

#define NAMESPACE UINT64_C(4026531840)

static Counters *counters_in(int directory) {
        Counters *c = NULL;

        assert_int_equal(counters_open(directory, NAMESPACE, &c), 0);
        assert_non_null(c);
        return c;
}

static void assert_former(Counters *c, int ifindex, uint32_t expected, CounterSlot *ret_slot) {
        uint32_t counter;

        assert_true(counters_take_former(c, ifindex, &counter, ret_slot));
        assert_int_equal(counter, expected);
        assert_true(*ret_slot != 0);
        assert_false(counters_take_former(c, ifindex, &counter, ret_slot)); /* once */
}

static unsigned count_former(Counters *c) {
        unsigned n = 0;

        for (int ifindex; (ifindex = counters_get_former(c)); n++)
                assert_true(counters_forget_former(c, ifindex));
        return n;
}

static void test_nothing_left(void **state) {
        int directory = open_directory(*state);
        Counters *c = counters_in(directory);
        CounterSlot slot = 99;
        uint32_t counter = 99;
        struct stat st;

        assert_false(counters_have_former(c));
        assert_int_equal(counters_get_former(c), 0);
        assert_false(counters_take_former(c, 1, &counter, &slot));
        assert_int_equal(counter, 99);
        assert_int_equal(slot, 99);
        assert_false(counters_forget_former(c, 1));
        assert_int_equal(fstatat(directory, "counters", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_null(counters_close(c));
        assert_null(counters_close(NULL));
        close(directory);
}

/* Each word is there at once, also for whoever opens it while this process still has it. */
static void test_left(void **state) {
        CounterSlot one = 0, two = 0, three = 0, again;
        int directory = open_directory(*state);
        Counters *c = counters_in(directory), *next;

        counters_set(c, &one, 1, 0);
        counters_set(c, &two, INT32_MAX, UINT32_MAX);
        counters_set(c, &three, 3, 7);
        counters_set(c, &one, 1, 5);
        assert_true(one && two && three && one != two && two != three && one != three);
        counters_clear(c, &three);
        assert_int_equal(three, 0);
        counters_clear(c, &three);

        next = counters_in(directory);
        assert_true(counters_have_former(next));
        assert_former(next, 1, 5, &again);
        assert_int_equal(again, one);
        counters_set(next, &again, 1, 6);
        assert_former(next, INT32_MAX, UINT32_MAX, &again);
        assert_false(counters_have_former(next));
        counters_close(next);

        next = counters_in(directory);
        assert_former(next, 1, 6, &again);
        assert_true(counters_forget_former(next, INT32_MAX));
        assert_false(counters_forget_former(next, INT32_MAX));
        counters_close(next);
        next = counters_in(directory);
        assert_int_equal(count_former(next), 1);
        counters_close(next);

        counters_close(c);
        close(directory);
}

/* Places are used again, and more are made. */
static void test_many(void **state) {
        enum { N = 3000 };
        static CounterSlot slots[N];
        int directory = open_directory(*state);
        Counters *c = counters_in(directory);
        CounterSlot slot;
        struct stat before, after;

        memset(slots, 0, sizeof(slots));
        for (int i = 0; i < N; i++)
                counters_set(c, slots + i, i + 1, (uint32_t) i);
        assert_int_equal(fstatat(directory, "counters", &before, 0), 0);
        for (int i = 0; i < N; i += 3)
                counters_clear(c, slots + i);
        for (int i = 0; i < N; i += 3)
                counters_set(c, slots + i, i + 1, (uint32_t) i + 10);
        assert_int_equal(fstatat(directory, "counters", &after, 0), 0);
        assert_int_equal(before.st_size, after.st_size);
        counters_close(c);

        c = counters_in(directory);
        for (int i = 0; i < N; i++)
                assert_former(c, i + 1, (uint32_t) (i % 3 ? i : i + 10), &slot);
        assert_false(counters_have_former(c));
        counters_close(c);
        close(directory);
}

static void test_another_namespace(void **state) {
        int directory = open_directory(*state);
        Counters *c = counters_in(directory);
        CounterSlot slot = 0;

        counters_set(c, &slot, 1, 1);
        counters_close(c);
        assert_int_equal(counters_open(directory, NAMESPACE + 1, &c), 0);
        assert_false(counters_have_former(c));
        counters_close(c);
        c = counters_in(directory);
        assert_false(counters_have_former(c));
        counters_close(c);
        close(directory);
}

static size_t read_file(int directory, uint64_t *words, size_t size) {
        int fd = openat(directory, "counters", O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, words, size);

        assert_true(n > 0);
        close(fd);
        return (size_t) n;
}

static void write_file(int directory, const void *bytes, size_t n) {
        int fd = openat(directory, "counters", O_WRONLY | O_TRUNC | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, n), n);
        close(fd);
}

/* As it is used after that, and by the next. */
static void assert_usable(int directory, unsigned n_former) {
        CounterSlot slot = 0, again;
        Counters *c = counters_in(directory);

        assert_int_equal(count_former(c), n_former);
        counters_set(c, &slot, 77, 4);
        counters_close(c);
        c = counters_in(directory);
        assert_former(c, 77, 4, &again);
        assert_int_equal(again, slot);
        counters_clear(c, &again);
        counters_close(c);
}

static void test_damaged(void **state) {
        int directory = open_directory(*state);
        Counters *c = counters_in(directory);
        uint64_t whole[2048], words[2048], seed = 3;
        CounterSlot slot = 0;
        size_t n;

        counters_set(c, &slot, 1, 1);
        counters_close(c);
        n = read_file(directory, whole, sizeof(whole));

        for (size_t length = 0; length < 26; length++) {
                if (length > 16 && length < 24)
                        continue; /* within the one that is left */
                write_file(directory, whole, length);
                assert_usable(directory, length < 24 ? 0 : 1);
        }

        memcpy(words, whole, n);
        words[0] ^= 1;
        write_file(directory, words, n);
        assert_usable(directory, 0);

        /* Nobody's link, a negative index, and one that is there twice. */
        memcpy(words, whole, n);
        words[3] = 5;
        words[4] = UINT64_MAX;
        words[5] = words[2] + 1;
        words[6] = UINT64_C(9) << 32;
        write_file(directory, words, n);
        c = counters_in(directory);
        assert_former(c, 1, 1, &slot);
        assert_former(c, 9, 0, &slot);
        assert_false(counters_have_former(c));
        counters_close(c);
        read_file(directory, whole, sizeof(whole));
        assert_true(whole[2] != 0 && whole[6] != 0);
        assert_true(whole[3] == 0 && whole[4] == 0 && whole[5] == 0);
        write_file(directory, words, n);
        assert_usable(directory, 2);

        for (unsigned turn = 0; turn < 200; turn++) {
                memcpy(words, whole, 16);
                for (size_t i = 2; i < n / 8; i++)
                        words[i] = unit_random(&seed) % 4 ? 0 : (uint64_t) unit_random(&seed) << 32 | 1;
                write_file(directory, words, n - turn);
                c = counters_in(directory);
                assert_in_range(count_former(c), 1, n / 8);
                counters_close(c);
                assert_usable(directory, 0);
        }
        close(directory);
}

/* What is no file of ours makes way for one. */
static void test_no_file(void **state) {
        int directory = open_directory(*state);
        struct stat st;

        assert_int_equal(mkfifoat(directory, "counters", 0600), 0);
        assert_usable(directory, 0);
        assert_int_equal(unlinkat(directory, "counters", 0), 0);
        assert_int_equal(symlinkat("/dev/null", directory, "counters"), 0);
        assert_usable(directory, 0);
        assert_int_equal(unlinkat(directory, "counters", 0), 0);
        assert_int_equal(mkdirat(directory, "counters", 0700), 0);
        assert_usable(directory, 0);
        assert_int_equal(fstatat(directory, "counters", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISREG(st.st_mode));
        close(directory);
}

static void test_no_space(void **state) {
        int directory = open_directory(*state);
        CounterSlot slot = 0, last = 0;
        struct rlimit before, l;
        Counters *c;

        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        l = before;
        l.rlim_cur = 100;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
        assert_int_equal(counters_open(directory, NAMESPACE, &c), -EFBIG);

        /* A page, and then there is no place for one more; the others stay. */
        l.rlim_cur = 4096;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
        c = counters_in(directory);
        for (int i = 1; i <= 510; i++, slot = 0) {
                counters_set(c, &slot, i, 1);
                assert_true(slot != 0);
                last = slot;
        }
        counters_set(c, &slot, 1000, 1);
        assert_int_equal(slot, 0);
        counters_set(c, &slot, 1000, 2);
        assert_int_equal(slot, 0);
        counters_clear(c, &slot);
        counters_clear(c, &last);
        counters_set(c, &slot, 1000, 3);
        assert_true(slot != 0);
        counters_close(c);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

        c = counters_in(directory);
        assert_former(c, 1000, 3, &slot);
        assert_int_equal(count_former(c), 509);
        counters_close(c);
        close(directory);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_nothing_left, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_left, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_many, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_another_namespace, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_damaged, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_no_file, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_no_space, make_directory, remove_directory),
        };

        return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
