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
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "identify.h"
#include "temporary.h"
#include "util.h"

/* The test is the other side, or the real program is. */

int __wrap_sd_booted(void);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t f, void *userdata);
int __real_sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t f, void *userdata);

static int booted;
static bool at_once; /* timeouts are */

int __wrap_sd_booted(void) {
        return booted;
}

int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t f, void *userdata) {
        assert_true(usec == IDENTIFY_WAIT_USEC);
        return __real_sd_event_add_time_relative(e, ret, clock, at_once ? 1 : usec, 1, f, userdata);
}

int __wrap_sd_event_source_set_time_relative(sd_event_source *s, uint64_t usec);
int __real_sd_event_source_set_time_relative(sd_event_source *s, uint64_t usec);

int __wrap_sd_event_source_set_time_relative(sd_event_source *s, uint64_t usec) {
        assert_true(usec == IDENTIFY_TIMEOUT_USEC);
        return __real_sd_event_source_set_time_relative(s, at_once ? 1 : usec);
}

typedef struct World {
        sd_event *event;
        Identify *identify;
        char path[108];
        int listener, connection;
} World;

typedef struct Asked {
        IdentifyQuestion *question;
        IdentifyProcess list[8];
        size_t n;
        int error;
        unsigned n_answers;
        IdentifyQuestion **cancel; /* from within the handler */
} Asked;

static void on_answer(int error, const IdentifyProcess *list, size_t n, void *userdata) {
        Asked *a = userdata;

        a->n_answers++;
        a->error = error;
        a->n = n;
        a->question = NULL;
        assert_true(error >= 0 || (n == 0 && !list));
        if (n > 0 && n <= ELEMENTSOF(a->list))
                memcpy(a->list, list, n * sizeof(*list));
        if (a->cancel)
                *a->cancel = identify_question_cancel(*a->cancel);
}

static World *new_world(const char *directory, const char *program) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        World *w = calloc(1, sizeof(World));

        assert_non_null(w);
        assert_true(snprintf(w->path, sizeof(w->path), "%s/socket", directory) < (int) sizeof(w->path));
        strcpy(a.sun_path, w->path);
        w->connection = -1;
        w->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_return_code(bind(w->listener, (struct sockaddr *) &a, sizeof(a)), errno);
        assert_return_code(listen(w->listener, 8), errno);
        assert_return_code(sd_event_new(&w->event), 0);
        assert_int_equal(identify_new(w->event, w->path, program, &w->identify), 0);
        booted = 1;
        at_once = false;
        return w;
}

static void world_end(World *w) {
        assert_null(identify_free(w->identify));
        close_fd(w->connection);
        close_fd(w->listener);
        unlink(w->path);
        sd_event_unref(w->event);
        free(w);
}

/* Everything that is due, and no waiting. */
static void run(World *w) {
        int r;

        do {
                r = sd_event_run(w->event, 0);
                assert_true(r >= 0);
        } while (r > 0);
}

static void await(World *w, Asked *a) {
        while (a->n_answers == 0)
                assert_true(sd_event_run(w->event, 20 * USEC_PER_SEC) > 0);
}

static void ask(World *w, Asked *a, uint64_t inode, pid_t pid) {
        assert_int_equal(identify_ask(w->identify, &inode, inode > 0, &pid, pid > 0, on_answer, a, &a->question), 0);
        assert_int_equal(a->n_answers, 0);
}

/* The next request, on the next connection. */
static IdentifyRequest accept_request(World *w) {
        static uint64_t buffer[IDENTIFY_REQUEST_SIZE / sizeof(uint64_t)];
        IdentifyRequest q;
        ssize_t n;

        run(w);
        close_fd(w->connection);
        w->connection = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_return_code(w->connection, errno);
        n = recv(w->connection, buffer, sizeof(buffer), 0);
        assert_true(n > 0);
        assert_int_equal(identify_request_decode(buffer, (size_t) n, &q), 0);
        return q;
}

static void assert_not_asked(World *w) {
        run(w);
        assert_int_equal(accept4(w->listener, NULL, NULL, SOCK_CLOEXEC), -1);
        assert_int_equal(errno, EAGAIN);
}

static void assert_hung_up(World *w) {
        char byte;

        run(w);
        assert_int_equal(recv(w->connection, &byte, 1, 0), 0);
}

static void send_answer(World *w, IdentifyAnswer *a) {
        assert_int_equal(send(w->connection, a->data, a->size, MSG_NOSIGNAL), a->size);
        identify_answer_begin(a);
}

/* As many records as there are up to one without a pid, in one answer that is the last. */
static void answer(World *w, const IdentifyRecord *records, bool truncated) {
        IdentifyAnswer a;

        identify_answer_begin(&a);
        for (; records->pid > 0; records++)
                assert_true(identify_answer_add(&a, records));
        identify_answer_end(&a, truncated);
        send_answer(w, &a);
}

static void test_question(void **state) {
        const uint64_t inodes[] = { 9, 5, 9 };
        const pid_t pids[] = { 7, 3, 7, 1 };
        World *w = new_world(*state, NULL);
        IdentifyRequest q;
        Asked a = {};

        assert_int_equal(identify_ask(w->identify, inodes, 3, pids, 4, on_answer, &a, &a.question), 0);
        q = accept_request(w);
        assert_int_equal(q.n_inodes, 2);
        assert_true(q.inodes[0] == 5 && q.inodes[1] == 9);
        assert_int_equal(q.n_pids, 3);
        assert_true(q.pids[0] == 1 && q.pids[1] == 3 && q.pids[2] == 7);

        answer(w, (IdentifyRecord[]){ { 5, 12, 77, "a\xff\\b", "x.scope" }, { 0, 3, 78, "c", "" }, {} }, false);
        run(w);
        assert_int_equal(a.n_answers, 1);
        assert_int_equal(a.error, 0);
        assert_int_equal(a.n, 2);
        assert_true(a.list[0].inode == 0 && a.list[0].pid == 3);
        assert_true(a.list[1].inode == 5 && a.list[1].pid == 12 && a.list[1].started_usec == 77);
        assert_string_equal(a.list[1].command, "a\\xff\\x5cb");
        assert_string_equal(a.list[1].unit, "x.scope");
        assert_hung_up(w);
        world_end(w);
}

static void test_bad_questions(void **state) {
        static uint64_t inodes[IDENTIFY_INODES_MAX + 1];
        static pid_t pids[IDENTIFY_PIDS_MAX + 1];
        IdentifyQuestion *const untouched = (IdentifyQuestion *) "", *q = untouched;
        IdentifyQuestion *questions[IDENTIFY_QUESTIONS_MAX];
        World *w = new_world(*state, NULL);
        Asked a = {};

        for (unsigned i = 0; i < ELEMENTSOF(inodes); i++)
                inodes[i] = i;
        for (unsigned i = 0; i < ELEMENTSOF(pids); i++)
                pids[i] = (pid_t) i - 1;
        assert_int_equal(identify_ask(w->identify, NULL, 0, NULL, 0, on_answer, &a, &q), -EINVAL);
        assert_int_equal(identify_ask(w->identify, inodes, 2, NULL, 0, on_answer, &a, &q), -EINVAL);
        assert_int_equal(identify_ask(w->identify, NULL, 0, pids, 1, on_answer, &a, &q), -EINVAL);
        assert_int_equal(identify_ask(w->identify, NULL, 0, pids + 1, 1, on_answer, &a, &q), -EINVAL);
        assert_int_equal(identify_ask(w->identify, inodes, ELEMENTSOF(inodes), NULL, 0, on_answer, &a, &q), -E2BIG);
        assert_int_equal(identify_ask(w->identify, NULL, 0, pids, ELEMENTSOF(pids), on_answer, &a, &q), -E2BIG);
        assert_not_asked(w);

        for (unsigned i = 0; i < IDENTIFY_QUESTIONS_MAX; i++)
                assert_int_equal(identify_ask(w->identify, inodes + 1, 1, NULL, 0, on_answer, &a, &questions[i]), 0);
        assert_int_equal(identify_ask(w->identify, inodes + 1, 1, NULL, 0, on_answer, &a, &q), -EBUSY);
        identify_question_cancel(questions[0]);
        assert_int_equal(identify_ask(w->identify, inodes + 1, 1, NULL, 0, on_answer, &a, &questions[0]), 0);
        assert_ptr_equal(q, untouched);
        assert_null(identify_question_cancel(NULL));
        world_end(w);
        assert_int_equal(a.n_answers, 0);
}

/* All that wait are asked in one, and each gets what it asked for. */
static void test_merged(void **state) {
        const IdentifyRecord records[] = { { 5, 12, 1, "a", "" }, { 6, 13, 2, "b", "" }, { 6, 12, 1, "a", "" },
                                           { 0, 12, 1, "a", "" }, {} };
        World *w = new_world(*state, NULL);
        Asked a = {}, b = {}, c = {};
        IdentifyRequest q;

        ask(w, &a, 5, 0);
        assert_int_equal(accept_request(w).n_inodes, 1);
        ask(w, &b, 6, 0);
        ask(w, &c, 5, 12);
        assert_not_asked(w);
        answer(w, (IdentifyRecord[]){ records[0], {} }, false);
        run(w);
        assert_int_equal(a.n_answers, 1);
        assert_int_equal(a.n, 1);
        assert_int_equal(b.n_answers + c.n_answers, 0);

        q = accept_request(w);
        assert_int_equal(q.n_inodes, 2);
        assert_int_equal(q.n_pids, 1);
        assert_not_asked(w);
        answer(w, records, true);
        run(w);
        assert_int_equal(b.n_answers, 1);
        assert_int_equal(b.error, 1);
        assert_int_equal(b.n, 2);
        assert_true(b.list[0].inode == 6 && b.list[0].pid == 12 && b.list[1].inode == 6 && b.list[1].pid == 13);
        assert_int_equal(c.n_answers, 1);
        assert_int_equal(c.error, 1);
        assert_int_equal(c.n, 2);
        assert_true(c.list[0].inode == 0 && c.list[1].inode == 5);
        world_end(w);
}

/* What does not fit into one request waits for the next. */
static void test_large_questions(void **state) {
        static uint64_t inodes[IDENTIFY_INODES_MAX];
        World *w = new_world(*state, NULL);
        Asked a = {}, b = {}, c = {};

        for (unsigned i = 0; i < ELEMENTSOF(inodes); i++)
                inodes[i] = i + 1;
        assert_int_equal(identify_ask(w->identify, inodes, IDENTIFY_INODES_MAX, NULL, 0, on_answer, &a, &a.question), 0);
        ask(w, &b, 5, 0);
        ask(w, &c, 6, 0);
        assert_int_equal(accept_request(w).n_inodes, IDENTIFY_INODES_MAX);
        answer(w, (IdentifyRecord[]){ {} }, false);
        assert_int_equal(accept_request(w).n_inodes, 2);
        answer(w, (IdentifyRecord[]){ {} }, false);
        run(w);
        assert_int_equal(a.n_answers + b.n_answers + c.n_answers, 3);
        world_end(w);
}

static void test_long_answer(void **state) {
        World *w = new_world(*state, NULL);
        IdentifyAnswer buffer;
        IdentifyRecord r = { .inode = 5, .unit = "u" };
        Asked a = {};

        ask(w, &a, 5, 0);
        accept_request(w);
        identify_answer_begin(&buffer);
        for (r.pid = 1; r.pid <= IDENTIFY_RECORDS_MAX; r.pid++)
                if (!identify_answer_add(&buffer, &r)) {
                        send_answer(w, &buffer);
                        assert_true(identify_answer_add(&buffer, &r));
                        run(w);
                        assert_int_equal(a.n_answers, 0);
                }
        identify_answer_end(&buffer, false);
        send_answer(w, &buffer);
        run(w);
        assert_int_equal(a.error, 0);
        assert_int_equal(a.n, IDENTIFY_RECORDS_MAX);
        world_end(w);
}

/* Nonsense costs this answer, and the next question is asked anew. */
static void test_nonsense(void **state) {
        World *w = new_world(*state, NULL);
        IdentifyAnswer a;

        for (int i = 0; i < 6; i++) {
                IdentifyRecord r = { .inode = i == 1 ? 6 : i == 2 ? 0 : 5, .pid = 7 };
                Asked asked = {};

                ask(w, &asked, 5, 8);
                accept_request(w);
                memset(&a, 0, sizeof(a));
                identify_answer_begin(&a);
                identify_answer_add(&a, &r);
                identify_answer_end(&a, false);
                if (i == 3)
                        a.data[0] ^= 1;
                else if (i == 4)
                        a.size--;
                else if (i == 5)
                        a.size = sizeof(a.data); /* what is behind is no record */
                send_answer(w, &a);
                run(w);
                assert_case(asked.n_answers == 1, "%i", i);
                assert_case(asked.error == (i == 0 ? 0 : -EBADMSG), "%i", i);
        }

        /* More than it may. */
        {
                IdentifyRecord r = { .inode = 5, .pid = 7, .unit = "u" };
                Asked asked = {};

                ask(w, &asked, 5, 0);
                accept_request(w);
                identify_answer_begin(&a);
                for (unsigned i = 0; i <= IDENTIFY_RECORDS_MAX; i++)
                        if (!identify_answer_add(&a, &r)) {
                                send_answer(w, &a);
                                identify_answer_add(&a, &r);
                                run(w);
                        }
                assert_int_equal(asked.n_answers, 0);
                send_answer(w, &a);
                run(w);
                assert_int_equal(asked.error, -EBADMSG);
        }
        world_end(w);
}

static void test_it_leaves(void **state) {
        World *w = new_world(*state, NULL);
        Asked a = {}, b = {};

        ask(w, &a, 5, 0);
        accept_request(w);
        ask(w, &b, 5, 0);
        w->connection = close_fd(w->connection);
        run(w);
        assert_int_equal(a.error, -ECONNRESET);
        accept_request(w);
        answer(w, (IdentifyRecord[]){ {} }, false);
        run(w);
        assert_int_equal(b.n_answers, 1);
        assert_int_equal(b.error, 0);
        world_end(w);
}

static void test_no_answer(void **state) {
        World *w = new_world(*state, NULL);
        Asked a = {}, b = {}, c = {};

        ask(w, &a, 5, 0);
        ask(w, &b, 6, 0);
        accept_request(w);
        at_once = true;
        ask(w, &c, 7, 0);
        await(w, &c);
        assert_int_equal(c.error, -ETIMEDOUT);
        assert_int_equal(a.n_answers + b.n_answers, 0);
        answer(w, (IdentifyRecord[]){ {} }, false);
        run(w);
        assert_int_equal(a.n_answers + b.n_answers, 2);
        assert_hung_up(w);

        /* The last that waited for this answer. The next one is not kept waiting for it. */
        a = b = c = (Asked){};
        at_once = false;
        ask(w, &a, 5, 0);
        at_once = true;
        accept_request(w);
        at_once = false;
        ask(w, &b, 5, 0);
        await(w, &a);
        assert_int_equal(a.error, -ETIMEDOUT);
        assert_int_equal(b.n_answers, 0);
        accept_request(w);
        answer(w, (IdentifyRecord[]){ {} }, false);
        run(w);
        assert_int_equal(b.n_answers, 1);
        world_end(w);
}

static void test_cancelled(void **state) {
        World *w = new_world(*state, NULL);
        Asked a = {}, b = {}, c = {};

        ask(w, &a, 5, 0);
        identify_question_cancel(a.question);
        assert_not_asked(w);

        ask(w, &a, 5, 0);
        accept_request(w);
        ask(w, &b, 6, 0);
        identify_question_cancel(a.question);
        assert_hung_up(w);
        assert_true(accept_request(w).inodes[0] == 6);

        /* By the one that is told first. */
        b.cancel = &c.question;
        answer(w, (IdentifyRecord[]){ {} }, false);
        ask(w, &c, 7, 0);
        run(w);
        assert_int_equal(b.n_answers, 1);
        assert_null(c.question);
        assert_not_asked(w);

        a = b = c = (Asked){};
        ask(w, &b, 6, 0);
        ask(w, &c, 7, 0);
        b.cancel = &c.question;
        accept_request(w);
        answer(w, (IdentifyRecord[]){ { 6, 1, 1, "x", "" }, { 7, 1, 1, "x", "" }, {} }, false);
        run(w);
        assert_int_equal(b.n_answers, 1);
        assert_int_equal(b.n, 1);
        assert_int_equal(a.n_answers + c.n_answers, 0);
        world_end(w);
}

static void test_nobody_there(void **state) {
        World *w = new_world(*state, "/dev/null");
        int others[64];
        unsigned n = 0;
        Asked a = {};

        /* So many wait there that it would have to wait, too. */
        for (; n < ELEMENTSOF(others); n++) {
                struct sockaddr_un address = { .sun_family = AF_UNIX };

                strcpy(address.sun_path, w->path);
                others[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                if (connect(others[n], (struct sockaddr *) &address, sizeof(address)) < 0)
                        break;
        }
        assert_in_range(n, 1, ELEMENTSOF(others) - 1);
        ask(w, &a, 5, 0);
        await(w, &a);
        assert_int_equal(a.error, -EAGAIN);
        for (unsigned i = 0; i <= n; i++)
                close(others[i]);

        /* systemd listens, if there is one. */
        w->listener = close_fd(w->listener);
        a = (Asked){};
        ask(w, &a, 5, 0);
        await(w, &a);
        assert_int_equal(a.error, -ECONNREFUSED);
        assert_return_code(unlink(w->path), errno);
        a = (Asked){};
        ask(w, &a, 5, 0);
        await(w, &a);
        assert_int_equal(a.error, -ENOENT);

        booted = 0;
        a = (Asked){};
        ask(w, &a, 5, 0);
        await(w, &a);
        /* Of /dev/null as a program; valgrind's posix_spawn() does not know that it fails. */
        assert_in_set(-a.error, ((uintmax_t[]){ EACCES, ECONNRESET, EPIPE }), 3);
        world_end(w);
}

/* All that were started are collected, without a call of ours. */
static void await_no_child(World *w) {
        siginfo_t si;

        /* A turn can be one in which nothing of ours happens. */
        for (unsigned turns = 0; waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0; turns++) {
                assert_true(turns < 10);
                assert_return_code(sd_event_run(w->event, 20 * USEC_PER_SEC), 0);
        }
        assert_int_equal(errno, ECHILD);
}

static void test_started(void **state) {
        World *w = new_world(*state, BUILT_IDENTIFY);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char name[16]; /* under valgrind it is that one's */
        struct stat st;
        Asked a = {};

        assert_return_code(prctl(PR_GET_NAME, name), errno);
        booted = 0;
        w->listener = close_fd(w->listener);
        assert_return_code(fstat(fd, &st), errno);
        for (int i = 0; i < 3; i++) {
                a = (Asked){};
                ask(w, &a, st.st_ino, getpid());
                await(w, &a);
                assert_int_equal(a.error, 0);
                assert_int_equal(a.n, 2);
                for (size_t k = 0; k < 2; k++) {
                        assert_int_equal(a.list[k].pid, getpid());
                        assert_string_equal(a.list[k].command, name);
                }
                assert_true((a.list[0].inode == 0) != (a.list[1].inode == 0));
                await_no_child(w);
        }
        close(fd);
        world_end(w);
}

/* One that says nothing is ended. */
static void test_started_in_vain(void **state) {
        char path[4096];
        World *w;
        Asked a = {};
        FILE *f;

        snprintf(path, sizeof(path), "%s/program", (char *) *state);
        f = fopen(path, "we");
        assert_non_null(f);
        fputs("#!/bin/sh\nexec /bin/sleep 1000\n", f);
        assert_return_code(fchmod(fileno(f), 0700), errno);
        fclose(f);

        w = new_world(*state, path);
        w->listener = close_fd(w->listener);
        booted = 0;
        ask(w, &a, 5, 0);
        run(w);
        assert_int_equal(a.n_answers, 0);
        identify_question_cancel(a.question);
        await_no_child(w);

        at_once = true;
        ask(w, &a, 5, 0);
        await(w, &a);
        assert_int_equal(a.error, -ETIMEDOUT);
        await_no_child(w);
        assert_return_code(unlink(path), errno);

        /* And one that leaves at once. */
        assert_return_code(symlink("/bin/false", path), errno);
        at_once = false;
        a = (Asked){};
        ask(w, &a, 5, 0);
        await(w, &a);
        assert_in_set(-a.error, ((uintmax_t[]){ ECONNRESET, EPIPE }), 2);
        await_no_child(w);
        world_end(w);
}

/* "children": those that start processes. */
int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_question),   cmocka_unit_test(test_bad_questions),
                cmocka_unit_test(test_merged),     cmocka_unit_test(test_large_questions),
                cmocka_unit_test(test_long_answer), cmocka_unit_test(test_nonsense),
                cmocka_unit_test(test_it_leaves),  cmocka_unit_test(test_no_answer),
                cmocka_unit_test(test_cancelled),  cmocka_unit_test(test_nobody_there),
        };
        const struct CMUnitTest children[] = {
                cmocka_unit_test(test_started),
                cmocka_unit_test(test_started_in_vain),
        };
        sigset_t mask;

        /* As the service does. */
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        sigprocmask(SIG_BLOCK, &mask, NULL);

        if (argc > 1 && strcmp(argv[1], "children") == 0)
                return cmocka_run_group_tests_name("identify, children", children, make_directory, remove_directory);
        return cmocka_run_group_tests_name("identify", tests, make_directory, remove_directory);
}
