/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"
#include "temporary.h"
#include "util.h"

/* The manager's end, which reads when it likes. */
static int listen_at(const char *path) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        socklen_t length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(path));
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0 && strlen(path) < sizeof(a.sun_path));
        strcpy(a.sun_path, path);
        if (path[0] == '@')
                a.sun_path[0] = '\0';
        assert_int_equal(bind(fd, (struct sockaddr *) &a, length), 0);
        setenv("NOTIFY_SOCKET", path, 1);
        return fd;
}

static int listen_in(const char *directory) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/notify", directory);
        return listen_at(path);
}

/* Returns the descriptor that came with it, or -1. */
static int hear(int listener, const char *text) {
        char buffer[256] = {}, control[CMSG_SPACE(sizeof(int) * 2)];
        struct iovec iov = { buffer, sizeof(buffer) - 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
        struct cmsghdr *c;
        int fd = -1;

        assert_true(recvmsg(listener, &m, MSG_CMSG_CLOEXEC) > 0);
        assert_string_equal(buffer, text);
        c = CMSG_FIRSTHDR(&m);
        if (c) {
                assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(int)));
                memcpy(&fd, CMSG_DATA(c), sizeof(fd));
        }
        return fd;
}

static void test_text(void **state) {
        _cleanup_(close_fdp) int listener = listen_in(*state);

        assert_int_equal(notify_send("READY=1", -1), 1);
        assert_int_equal(notify_send("STOPPING=1", -1), 1);
        assert_int_equal(hear(listener, "READY=1"), -1);
        assert_int_equal(hear(listener, "STOPPING=1"), -1);
}

static void test_descriptor(void **state) {
        _cleanup_(close_fdp) int listener = listen_in(*state), sent = open("/dev/null", O_RDONLY | O_CLOEXEC), heard = -1;
        struct stat a, b;

        assert_int_equal(notify_send("FDSTORE=1", sent), 1);
        heard = hear(listener, "FDSTORE=1");
        assert_true(heard >= 0 && heard != sent);
        assert_int_equal(fstat(sent, &a) | fstat(heard, &b), 0);
        assert_true(a.st_rdev == b.st_rdev && a.st_ino == b.st_ino);
}

static void test_abstract(void **state) {
        _cleanup_(close_fdp) int listener = -1;
        char name[64];

        snprintf(name, sizeof(name), "@promiscd-unit-%i", (int) getpid());
        listener = listen_at(name);
        assert_int_equal(notify_send("READY=1", -1), 1);
        assert_int_equal(hear(listener, "READY=1"), -1);
}

static void test_nobody(void **state) {
        char longest[200];

        unsetenv("NOTIFY_SOCKET");
        assert_int_equal(notify_send("READY=1", -1), 0);

        setenv("NOTIFY_SOCKET", "relative", 1);
        assert_int_equal(notify_send("READY=1", -1), -EINVAL);
        memset(longest, 'x', sizeof(longest) - 1);
        longest[0] = '/';
        longest[sizeof(longest) - 1] = '\0';
        setenv("NOTIFY_SOCKET", longest, 1);
        assert_int_equal(notify_send("READY=1", -1), -EINVAL);
        setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
        assert_int_equal(notify_send("READY=1", -1), -ENOENT);
}

/* sd_notify() would wait here for ever. */
static void test_manager_that_does_not_read(void **state) {
        _cleanup_(close_fdp) int listener = listen_in(*state);
        unsigned n = 0;
        int r;

        while ((r = notify_send("WATCHDOG=1", -1)) > 0)
                assert_true(++n < 1000000);
        assert_int_equal(r, -EAGAIN);
        assert_true(n > 0);

        assert_int_equal(hear(listener, "WATCHDOG=1"), -1);
        assert_int_equal(notify_send("READY=1", -1), 1);
}

static void test_watchdog(void **state) {
        _cleanup_(close_fdp) int listener = listen_in(*state);
        sd_event_source *s = NULL;
        sd_event *event = NULL;

        assert_int_equal(sd_event_new(&event), 0);
        unsetenv("WATCHDOG_USEC");
        assert_int_equal(notify_start_watchdog(event, &s), 0);
        assert_null(s);

        setenv("WATCHDOG_USEC", "30000", 1);
        unsetenv("WATCHDOG_PID");
        assert_int_equal(notify_start_watchdog(event, &s), 0);
        assert_non_null(s);
        for (unsigned i = 0; i < 3; i++) {
                assert_true(sd_event_run(event, UINT64_MAX) > 0);
                assert_int_equal(hear(listener, "WATCHDOG=1"), -1);
        }

        sd_event_source_disable_unref(s);
        sd_event_unref(event);
        unsetenv("WATCHDOG_USEC");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_text, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_descriptor, make_directory, remove_directory),
                cmocka_unit_test(test_abstract),
                cmocka_unit_test(test_nobody),
                cmocka_unit_test_setup_teardown(test_manager_that_does_not_read, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_watchdog, make_directory, remove_directory),
        };

        return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
