/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "process.h"
#include "util.h"
#include "walk.h"

/* With processes of the test's own, and its own /proc. What needs rights or threads is in the integration tests. */

typedef struct Told {
        IdentifyRecord records[16];
        size_t n;
        int answer;
        unsigned turns; /* looks at whether it is over, until it is; 0: none */
} Told;

static bool is_over(void *userdata) {
        Told *t = userdata;

        assert_true(t->turns > 0);
        return --t->turns == 0;
}

static int on_record(const IdentifyRecord *r, void *userdata) {
        Told *t = userdata;

        assert_true(t->n < ELEMENTSOF(t->records));
        t->records[t->n++] = *r;
        return t->answer;
}

static int walk_now(const uint64_t *inodes, size_t n_inodes, const uint32_t *pids, size_t n_pids, uint64_t deadline,
                    Told *t) {
        const IdentifyRequest q = { inodes, n_inodes, pids, n_pids };
        int r, fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        r = walk(fd, &q, deadline, t->turns > 0 ? is_over : NULL, on_record, t);
        close(fd);
        return r;
}

static int find(uint64_t inode, Told *t) {
        *t = (Told){};
        return walk_now(&inode, 1, NULL, 0, UINT64_MAX, t);
}

static int describe(pid_t pid, Told *t) {
        *t = (Told){};
        return walk_now(NULL, 0, &(uint32_t){ (uint32_t) pid }, 1, UINT64_MAX, t);
}

static const IdentifyRecord *record_of(const Told *t, uint64_t inode, pid_t pid) {
        const IdentifyRecord *found = NULL;

        for (size_t i = 0; i < t->n; i++)
                if (t->records[i].inode == inode && t->records[i].pid == (uint32_t) pid) {
                        assert_null(found); /* none twice */
                        found = &t->records[i];
                }
        return found;
}

static uint64_t inode_of(int fd) {
        struct stat st;

        assert_return_code(fstat(fd, &st), errno);
        return st.st_ino;
}

static int new_socket(uint64_t *ret_inode) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        *ret_inode = inode_of(fd);
        return fd;
}

/* A child with all that we have open, that has named itself when this returns. */
static pid_t new_child(const char *name) {
        int fds[2];
        char byte;
        pid_t pid;

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        pid = fork();
        assert_return_code(pid, errno);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                prctl(PR_SET_NAME, name);
                if (write(fds[1], "x", 1) == 1)
                        for (;;)
                                pause();
                _exit(1);
        }
        assert_int_equal(read(fds[0], &byte, 1), 1);
        close(fds[0]);
        close(fds[1]);
        return pid;
}

/* It can still be waited for. */
static void kill_child(pid_t pid) {
        siginfo_t si;

        kill(pid, SIGKILL);
        assert_return_code(waitid(P_PID, (id_t) pid, &si, WEXITED | WNOWAIT), errno);
}

static void test_holders(void **state) {
        uint64_t before = now_usec(CLOCK_BOOTTIME), inode;
        int fd = new_socket(&inode), copy = dup(fd);
        const IdentifyRecord *r;
        pid_t child;
        Told t;

        assert_int_equal(find(inode, &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, 1);
        assert_non_null(record_of(&t, inode, getpid()));

        /* Anything is a name. */
        child = new_child(") 1 (\n\xff");
        assert_int_equal(find(inode, &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, 2);
        assert_non_null(record_of(&t, inode, getpid()));
        r = record_of(&t, inode, child);
        assert_non_null(r);
        assert_string_equal(r->command, ") 1 (\n\xff");
        /* The kernel counts in hundredths of a second. */
        assert_in_range(r->started_usec, before - USEC_PER_SEC / 100, now_usec(CLOCK_BOOTTIME));

        close(fd);
        close(copy);
        assert_int_equal(find(inode, &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, 1);
        assert_non_null(record_of(&t, inode, child));

        kill_child(child);
        assert_int_equal(find(inode, &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
}

static int compare_inode(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static void test_many_sockets(void **state) {
        enum { N = 8 };
        uint64_t inodes[N], sorted[N];
        Told t = {};
        pid_t child;
        int fds[N];

        for (size_t i = 0; i < N; i++)
                fds[i] = new_socket(&inodes[i]);
        memcpy(sorted, inodes, sizeof(sorted));
        qsort(sorted, N, sizeof(*sorted), compare_inode);
        child = new_child("child");
        /* Each second one is the child's alone. */
        for (size_t i = 0; i < N; i += 2)
                close(fds[i]);

        assert_int_equal(walk_now(sorted, N, NULL, 0, UINT64_MAX, &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, N + N / 2);
        for (size_t i = 0; i < N; i++) {
                assert_non_null(record_of(&t, inodes[i], child));
                assert_true((record_of(&t, inodes[i], getpid()) != NULL) == (i % 2 == 1));
        }

        for (size_t i = 1; i < N; i += 2)
                close(fds[i]);
        kill_child(child);
        waitpid(child, NULL, 0);
}

/* Other things than sockets have inodes, too. */
static void test_what_is_no_socket(void **state) {
        int fds[2];
        Told t;

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        assert_int_equal(find(inode_of(fds[0]), &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, 0);
        assert_int_equal(find(UINT64_MAX, &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, 0);
        close(fds[0]);
        close(fds[1]);
}

static void test_processes(void **state) {
        pid_t child = new_child("child");
        Told t;

        assert_int_equal(describe(child, &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, 1);
        assert_non_null(record_of(&t, 0, child));
        assert_string_equal(t.records[0].command, "child");

        /* It still has its pid. */
        kill_child(child);
        assert_int_equal(describe(child, &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, 1);

        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(describe(child, &t), IDENTIFY_COMPLETE);
        assert_int_equal(t.n, 0);
}

/* A descriptor of its directory is bound to the process, not to its number. */
static void test_a_process_that_went(void **state) {
        pid_t child = new_child("child");
        IdentifyRecord r = { .pid = 4711 };
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "/proc/%i", child);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(process_describe(fd, (uint32_t) getpid(), &r), 0);
        assert_string_equal(r.command, "child");
        kill_child(child);
        waitpid(child, NULL, 0);
        /* The number would be somebody's. */
        strcpy(r.command, "untouched");
        assert_int_equal(process_describe(fd, (uint32_t) getpid(), &r), -ESRCH);
        assert_string_equal(r.command, "untouched");
        assert_int_equal(r.pid, 4711);
        close(fd);
}

static void test_ends(void **state) {
        uint32_t pid = (uint32_t) getpid();
        Told t = {};
        uint64_t inode;
        int fd = new_socket(&inode);

        assert_int_equal(walk_now(&inode, 1, NULL, 0, now_usec(CLOCK_MONOTONIC), &t), IDENTIFY_TRUNCATED);
        assert_int_equal(walk_now(NULL, 0, &pid, 1, now_usec(CLOCK_MONOTONIC), &t), IDENTIFY_TRUNCATED);
        assert_int_equal(t.n, 0);

        t.answer = 1;
        assert_int_equal(walk_now(&inode, 1, &pid, 1, UINT64_MAX, &t), IDENTIFY_TRUNCATED);
        assert_int_equal(t.n, 1);
        t = (Told){ .answer = -EPIPE };
        assert_int_equal(walk_now(&inode, 1, NULL, 0, UINT64_MAX, &t), -EPIPE);
        assert_int_equal(t.n, 1);
        close(fd);
}

static void test_stat(void **state) {
        /* Fields 3 to 21, and what follows the 22nd. */
        static const char *const good[][2] = {
                { "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ", "systemd" },
                { "7 (a) b) (c) R 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ", "a) b) (c" },
                { "7 () S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ", "" },
                { "7 (kworker/u16:3-events_unbound) I 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ", "kworker/u16:3-e" },
        };
        static const char *const bad[] = {
                "", "1", "1 systemd S", "1 (systemd", "1 systemd) S", ") (", "1 (systemd)", "1 (systemd) ", "1 (systemd)S",
                "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0",
                "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ",
                "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 x 1",
                "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 -5 1",
                "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5",
                "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 18446744073709551615 1",
                "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 18446744073709551616 1",
        };
        char command[IDENTIFY_COMMAND_MAX + 1] = "untouched", text[256];
        uint64_t started = 99;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_case(process_parse_stat(bad[i], 100, command, &started) == -EBADMSG, "%s", bad[i]);
        assert_string_equal(command, "untouched");
        assert_true(started == 99);

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                snprintf(text, sizeof(text), "%s%s", good[i][0], "12345 170 3\n");
                assert_int_equal(process_parse_stat(text, 100, command, &started), 0);
                assert_string_equal(command, good[i][1]);
                assert_true(started == 123450000);
        }
}

/* Nobody waits any more. */
static void test_over(void **state) {
        uint64_t inode;
        int fd = new_socket(&inode);
        Told t = { .turns = 1 };

        assert_int_equal(walk_now(&inode, 1, NULL, 0, UINT64_MAX, &t), IDENTIFY_TRUNCATED);
        assert_int_equal(t.n, 0);
        assert_int_equal(t.turns, 0);
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_over),
                cmocka_unit_test(test_holders),           cmocka_unit_test(test_many_sockets),
                cmocka_unit_test(test_what_is_no_socket), cmocka_unit_test(test_processes),
                cmocka_unit_test(test_a_process_that_went), cmocka_unit_test(test_ends),
                cmocka_unit_test(test_stat),
        };

        return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
