/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "identify-protocol.h"
#include "temporary.h"
#include "util.h"

/* promisc-identify itself: what it is started with, and whom it answers. Its messages go to /dev/null. */

#define SOMEBODY 1
#define NONE     -1

/* Started as by promiscd, or as by systemd if there is a listener; other may be NONE. */
static pid_t start(const char *argument, int input, int listener, int other) {
        pid_t pid = fork();
        char number[16];

        assert_return_code(pid, errno);
        if (pid > 0)
                return pid;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(input, STDIN_FILENO);
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        /* Above those that they become. */
        listener = listener == NONE ? NONE : fcntl(listener, F_DUPFD, 100);
        other = other == NONE ? NONE : fcntl(other, F_DUPFD, 100);
        if (listener != NONE) {
                dup2(listener, 3);
                if (other != NONE)
                        dup2(other, 4);
                snprintf(number, sizeof(number), "%i", getpid());
                setenv("LISTEN_PID", number, 1);
                setenv("LISTEN_FDS", other != NONE ? "2" : "1", 1);
        }
        execl(BUILT_IDENTIFY, "promisc-identify", argument, NULL);
        _exit(127);
}

static int end_of(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void stop(pid_t pid) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static int new_socket(int type) {
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        return fd;
}

static struct sockaddr_un address_of(const char *directory) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", directory);
        return a;
}

static int new_listener(const struct sockaddr_un *a, int type) {
        int fd = new_socket(type);

        assert_return_code(bind(fd, (const struct sockaddr *) a, sizeof(*a)), errno);
        assert_return_code(listen(fd, 8), errno);
        return fd;
}

static int connect_to(const struct sockaddr_un *a) {
        int fd = new_socket(SOCK_SEQPACKET);

        assert_return_code(connect(fd, (const struct sockaddr *) a, sizeof(*a)), errno);
        return fd;
}

static void ask(int fd) {
        _cleanup_(freep) void *buffer = malloc(IDENTIFY_REQUEST_SIZE);
        const IdentifyRequest q = { .pids = &(uint32_t){ (uint32_t) getpid() }, .n_pids = 1 };
        size_t n = identify_request_encode(&q, buffer);

        assert_int_equal(send(fd, buffer, n, MSG_NOSIGNAL), n);
}

static int on_record(const IdentifyRecord *r, void *userdata) {
        assert_int_equal(r->pid, getpid());
        ++*(unsigned *) userdata;
        return 0;
}

static void assert_answer(int fd) {
        uint8_t buffer[IDENTIFY_ANSWER_SIZE];
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
        unsigned told = 0;

        assert_return_code(n, errno);
        assert_int_equal(identify_answer_decode(buffer, (size_t) n, on_record, &told), IDENTIFY_COMPLETE);
        assert_int_equal(told, 1);
}

/* It has hung up, and may have left something unread. */
static void assert_no_answer(int fd) {
        char byte;
        ssize_t n = recv(fd, &byte, 1, 0);

        assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static void test_arguments(void **state) {
        int fds[2];

        assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
        assert_int_equal(end_of(start("--version", STDIN_FILENO, NONE, NONE)), EXIT_SUCCESS);
        assert_int_equal(end_of(start("--help", fds[0], NONE, NONE)), EXIT_FAILURE);
        assert_int_equal(end_of(start("", fds[0], NONE, NONE)), EXIT_FAILURE);
        close(fds[0]);
        close(fds[1]);
}

/* An input that is no connection to anybody who could ask. */
static void test_inputs(void **state) {
        struct sockaddr_un a = address_of(*state);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), listener = new_listener(&a, SOCK_SEQPACKET), fds[2];

        assert_int_equal(end_of(start(NULL, null, NONE, NONE)), EXIT_FAILURE);
        assert_int_equal(end_of(start(NULL, listener, NONE, NONE)), EXIT_FAILURE);
        assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), errno);
        assert_int_equal(end_of(start(NULL, fds[0], NONE, NONE)), EXIT_FAILURE);
        close(fds[0]);
        close(fds[1]);
        close(listener);
        close(null);
        assert_return_code(unlink(a.sun_path), errno);
}

static void test_listeners(void **state) {
        const struct sockaddr_un a = address_of(*state), unnamed = { .sun_family = AF_UNIX };
        int listener = new_listener(&a, SOCK_SEQPACKET), client = connect_to(&a), stream, nowhere;

        assert_int_equal(end_of(start(NULL, STDIN_FILENO, client, NONE)), EXIT_FAILURE);
        assert_int_equal(end_of(start(NULL, STDIN_FILENO, listener, listener)), EXIT_FAILURE);
        assert_int_equal(end_of(start("x", STDIN_FILENO, listener, NONE)), EXIT_FAILURE);
        assert_return_code(unlink(a.sun_path), errno);

        /* Without a file, or with a name that is none, it is nobody's. */
        assert_int_equal(end_of(start(NULL, STDIN_FILENO, listener, NONE)), EXIT_FAILURE);
        nowhere = new_socket(SOCK_SEQPACKET);
        assert_return_code(bind(nowhere, (const struct sockaddr *) &unnamed, sizeof(sa_family_t)), errno);
        assert_return_code(listen(nowhere, 8), errno);
        assert_int_equal(end_of(start(NULL, STDIN_FILENO, nowhere, NONE)), EXIT_FAILURE);

        stream = new_listener(&a, SOCK_STREAM);
        assert_int_equal(end_of(start(NULL, STDIN_FILENO, stream, NONE)), EXIT_FAILURE);
        assert_return_code(unlink(a.sun_path), errno);
        close(stream);
        close(nowhere);
        close(client);
        close(listener);
}

static void test_one_connection(void **state) {
        _cleanup_(freep) char *nonsense = calloc(1, IDENTIFY_REQUEST_SIZE);
        const size_t sizes[] = { 1, 16, IDENTIFY_REQUEST_SIZE };
        int fds[2];
        pid_t pid;

        for (size_t i = 0; i <= ELEMENTSOF(sizes); i++) {
                assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
                pid = start(NULL, fds[0], NONE, NONE);
                close(fds[0]);
                for (int k = 0; k < 2; k++) {
                        ask(fds[1]);
                        assert_answer(fds[1]);
                }
                /* What is no request ends it, and so does the other side. */
                if (i < ELEMENTSOF(sizes)) {
                        assert_int_equal(send(fds[1], nonsense, sizes[i], MSG_NOSIGNAL), sizes[i]);
                        assert_no_answer(fds[1]);
                }
                close(fds[1]);
                assert_int_equal(end_of(pid), EXIT_SUCCESS);
        }
}

/* The owner of the socket is answered, one after the other, also after one with nonsense or with nothing to say. */
static void test_owner(void **state) {
        const struct sockaddr_un a = address_of(*state);
        int listener = new_listener(&a, SOCK_SEQPACKET), silent = connect_to(&a), mad = connect_to(&a),
            client = connect_to(&a);
        pid_t pid;

        assert_int_equal(send(mad, "x", 1, MSG_NOSIGNAL), 1);
        ask(client);
        pid = start(NULL, STDIN_FILENO, listener, NONE);
        assert_no_answer(silent);
        assert_no_answer(mad);
        assert_answer(client);
        stop(pid);
        close(silent);
        close(mad);
        close(client);
        close(listener);
        assert_return_code(unlink(a.sun_path), errno);
}

/* What is at the socket's place is root's, and we are not, or not then. */
static void test_strangers(void **state) {
        const struct sockaddr_un a = address_of(*state);
        int listener = new_listener(&a, SOCK_SEQPACKET), client;
        bool root = geteuid() == 0;
        pid_t pid;

        assert_return_code(chmod(*state, 0711), errno);
        assert_return_code(chmod(a.sun_path, 0666), errno);
        if (root)
                assert_return_code(seteuid(SOMEBODY), errno);
        client = connect_to(&a);
        if (root)
                assert_return_code(seteuid(0), errno);
        assert_return_code(unlink(a.sun_path), errno);
        assert_return_code(symlink("/", a.sun_path), errno);

        ask(client);
        pid = start(NULL, STDIN_FILENO, listener, NONE);
        assert_no_answer(client);
        stop(pid);
        close(client);
        close(listener);
        assert_return_code(unlink(a.sun_path), errno);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_arguments),
                cmocka_unit_test_setup_teardown(test_inputs, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_listeners, make_directory, remove_directory),
                cmocka_unit_test(test_one_connection),
                cmocka_unit_test_setup_teardown(test_owner, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(test_strangers, make_directory, remove_directory),
        };

        return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}
