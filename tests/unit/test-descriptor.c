/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "descriptor.h"
#include "temporary.h"
#include "util.h"

static int on_closed(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        ++*(unsigned *) userdata;
        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

/* Everything that is due, and no waiting. */
static void run(sd_event *event) {
        int r;

        do {
                r = sd_event_run(event, 0);
                assert_true(r >= 0);
        } while (r > 0);
}

static sd_event *new_event(void) {
        sd_event *event;

        assert_return_code(sd_event_new(&event), 0);
        return event;
}

static void assert_lifetime(int directory) {
        sd_event *event = new_event();
        unsigned n_closed = 0;
        int reader, copy;
        Descriptor *d;
        char byte;

        assert_int_equal(descriptor_new(event, directory, 5, on_closed, &n_closed, &d, &reader), 0);
        assert_int_equal(fcntl(reader, F_GETFL) & O_ACCMODE, O_RDONLY);
        assert_true(fcntl(reader, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(write(reader, "x", 1), -1);
        assert_int_equal(errno, EBADF);
        assert_int_equal(read(reader, &byte, 1), -1);
        assert_int_equal(errno, EAGAIN);

        copy = dup(reader);
        run(event);
        assert_int_equal(n_closed, 0);
        close(reader);
        run(event);
        assert_int_equal(n_closed, 0);
        close(copy);
        run(event);
        assert_int_equal(n_closed, 1);
        assert_null(descriptor_free(d));
        sd_event_unref(event);
}

static void test_pipe(void **state) {
        assert_lifetime(-1);
        assert_null(descriptor_free(NULL));
}

static void test_fifo(void **state) {
        int directory = open_directory(*state);
        struct stat st;

        assert_lifetime(directory);
        /* It has a name, for whoever comes next. */
        assert_int_equal(fstatat(directory, "5", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode, S_IFIFO | 0600);
        descriptor_remove(directory, 5);
        descriptor_remove(directory, 5);
        assert_int_equal(count_names(directory), 0);
        close(directory);
}

/* The holder sees that it ended. */
static void test_end(void **state) {
        int directory = open_directory(*state);

        for (int i = 0; i < 2; i++) {
                sd_event *event = new_event();
                unsigned n_closed = 0;
                Descriptor *d;
                int reader;
                char byte;

                assert_int_equal(descriptor_new(event, i ? directory : -1, 5, on_closed, &n_closed, &d, &reader), 0);
                descriptor_free(d);
                assert_int_equal(read(reader, &byte, 1), 0);
                close(reader);
                run(event);
                assert_int_equal(n_closed, 0);
                sd_event_unref(event);
        }
        close(directory);
}

static void test_in_flight(void **state) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS } };
        struct iovec iov = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                            .msg_controllen = sizeof(control) };
        sd_event *event = new_event();
        unsigned n_closed = 0;
        int reader, pair[2];
        Descriptor *d;

        assert_int_equal(descriptor_new(event, -1, 5, on_closed, &n_closed, &d, &reader), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        memcpy(CMSG_DATA(&control.header), &reader, sizeof(int));
        assert_int_equal(sendmsg(pair[0], &m, 0), 1);
        close(reader);
        run(event);
        assert_int_equal(n_closed, 0);
        close(pair[0]);
        close(pair[1]);
        run(event);
        assert_int_equal(n_closed, 1);
        descriptor_free(d);
        sd_event_unref(event);
}

static void test_reopen(void **state) {
        int reader, directory = open_directory(*state);
        sd_event *event = new_event();
        unsigned n_closed = 0;
        Descriptor *d;

        assert_int_equal(descriptor_new(event, directory, UINT64_MAX, on_closed, &n_closed, &d, &reader), 0);
        descriptor_free(d);
        assert_int_equal(descriptor_reopen(event, directory, UINT64_MAX, on_closed, &n_closed, &d), 0);
        run(event);
        assert_int_equal(n_closed, 0);
        close(reader);
        run(event);
        assert_int_equal(n_closed, 1);
        descriptor_free(d);

        /* Nobody is left. */
        d = (Descriptor *) "";
        assert_int_equal(descriptor_reopen(event, directory, UINT64_MAX, on_closed, &n_closed, &d), -ENXIO);
        assert_int_equal(descriptor_reopen(event, directory, 1, on_closed, &n_closed, &d), -ENOENT);
        close(openat(directory, "2", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        assert_int_equal(descriptor_reopen(event, directory, 2, on_closed, &n_closed, &d), -EBADF);
        assert_int_equal(symlinkat("18446744073709551615", directory, "3"), 0);
        assert_int_equal(descriptor_reopen(event, directory, 3, on_closed, &n_closed, &d), -ELOOP);
        assert_int_equal(mkdirat(directory, "4", 0700), 0);
        assert_int_equal(descriptor_reopen(event, directory, 4, on_closed, &n_closed, &d), -EISDIR);
        assert_string_equal((char *) d, "");
        run(event);
        assert_int_equal(n_closed, 1);
        sd_event_unref(event);
        close(directory);
}

/* What fails leaves neither a name nor a descriptor. */
static void test_failures(void **state) {
        int reader = 99, lowest, directory = open_directory(*state);
        sd_event *event = new_event();
        struct rlimit before, l;
        Descriptor *d = (Descriptor *) "";

        lowest = dup(0);
        close(lowest);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        l = before;
        /* The writer is the second of two. */
        for (rlim_t n = (rlim_t) lowest; n < (rlim_t) lowest + 2 + FD_RESERVE; n++) {
                l.rlim_cur = n;
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
                assert_case(descriptor_new(event, directory, 5, on_closed, NULL, &d, &reader) == -EMFILE, "%u",
                            (unsigned) n);
                assert_case(descriptor_new(event, -1, 5, on_closed, NULL, &d, &reader) == -EMFILE, "%u",
                            (unsigned) n);
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
                assert_int_equal(count_names(directory), 0);
        }
        assert_int_equal(reader, 99);
        assert_string_equal((char *) d, "");
        reader = dup(0);
        assert_int_equal(reader, lowest);
        close(reader);

        l.rlim_cur = (rlim_t) lowest + 2 + FD_RESERVE;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
        assert_int_equal(descriptor_new(event, directory, 5, on_closed, NULL, &d, &reader), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        descriptor_free(d);
        close(reader);
        sd_event_unref(event);
        close(directory);
}

static bool is_even(uint64_t id, void *userdata) {
        ++*(unsigned *) userdata;
        return id % 2 == 0;
}

static void test_sweep(void **state) {
        static const char *const names[] = { "2", "3", "18446744073709551614", "18446744073709551615", "04", "4x", "x",
                                             "-2", " 2", "36893488147419103232" };
        int directory = open_directory(*state);
        unsigned n_asked = 0;
        struct stat st;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(mkfifoat(directory, names[i], 0600), 0);
        assert_int_equal(descriptor_sweep(directory, is_even, &n_asked), 0);
        assert_int_equal(count_names(directory), 2);
        assert_int_equal(fstatat(directory, "2", &st, 0), 0);
        assert_int_equal(fstatat(directory, "18446744073709551614", &st, 0), 0);
        assert_int_equal(n_asked, 4);
        close(directory);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pipe),
                cmocka_unit_test(test_in_flight),
                cmocka_unit_test_setup_teardown(test_fifo, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_end, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_reopen, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_failures, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_sweep, make_directory, remove_directory),
        };

        return cmocka_run_group_tests_name("descriptor", tests, NULL, NULL);
}
