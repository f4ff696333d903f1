/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "question.h"
#include "util.h"

static Question question(const char *action, const char *interface, int ifindex, const char *reason) {
        Question q;

        /* What is behind the strings' ends must not count. */
        memset(&q, 0xaa, sizeof(q));
        q.action = action;
        strcpy(q.interface, interface);
        q.ifindex = ifindex;
        strcpy(q.reason, reason);
        return q;
}

/* An answer is good for the action and for every detail that a rule or a person may have decided by. */
static void test_binding(void **state) {
        const Question asked = question(PROMISC_ACTION_ACQUIRE, "eth0", 7, "a test");
        const Question others[] = {
                question(PROMISC_ACTION_RELEASE, "eth0", 7, "a test"),
                question(PROMISC_ACTION_INSPECT, "eth0", 7, "a test"),
                question(PROMISC_ACTION_ACQUIRE, "eth1", 7, "a test"),
                question(PROMISC_ACTION_ACQUIRE, "eth", 7, "a test"),
                question(PROMISC_ACTION_ACQUIRE, "eth00", 7, "a test"),
                question(PROMISC_ACTION_ACQUIRE, "ETH0", 7, "a test"),
                question(PROMISC_ACTION_ACQUIRE, "", 7, "a test"),
                question(PROMISC_ACTION_ACQUIRE, "eth0", 8, "a test"),
                question(PROMISC_ACTION_ACQUIRE, "eth0", -7, "a test"),
                question(PROMISC_ACTION_ACQUIRE, "eth0", 7, "a tests"),
                question(PROMISC_ACTION_ACQUIRE, "eth0", 7, "a tes"),
                question(PROMISC_ACTION_ACQUIRE, "eth0", 7, "A test"),
                question(PROMISC_ACTION_ACQUIRE, "eth0", 7, ""),
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                assert_case(!question_equal(&asked, others + i), "case %zu", i);
                assert_case(!question_equal(others + i, &asked), "case %zu", i);
                assert_case(question_equal(others + i, others + i), "case %zu", i);
        }
}

/* The same words in other places in memory are the same question. */
static void test_same_question(void **state) {
        char action[] = PROMISC_ACTION_ACQUIRE;
        Question a = question(PROMISC_ACTION_ACQUIRE, "eth0", 7, "a test");
        Question b = question(action, "eth0", 7, "a test");

        memset(b.interface + 5, 'x', sizeof(b.interface) - 5);
        memset(b.reason + 7, 'x', sizeof(b.reason) - 7);
        assert_true(question_equal(&a, &b));
}

/* To the last byte of the longest. */
static void test_longest(void **state) {
        char interface[NAME_ESCAPED_MAX], reason[PROMISC_REASON_MAX + 1];
        Question a, b, c;

        memset(interface, 'i', sizeof(interface));
        interface[sizeof(interface) - 1] = '\0';
        memset(reason, 'r', sizeof(reason));
        reason[sizeof(reason) - 1] = '\0';
        a = question(PROMISC_ACTION_ACQUIRE, interface, 7, reason);
        b = c = a;
        assert_true(question_equal(&a, &b));
        b.interface[sizeof(interface) - 2] = 'x';
        assert_false(question_equal(&a, &b));
        c.reason[sizeof(reason) - 2] = 'x';
        assert_false(question_equal(&a, &c));
}

static void test_message(void **state) {
        Question acquire = question(PROMISC_ACTION_ACQUIRE, "eth0\\xff %s", 7, "100%n a test");
        Question release = question(PROMISC_ACTION_RELEASE, "eth0", 7, "a test");
        _cleanup_(freep) char *a = NULL, *r = NULL;

        assert_int_equal(question_message(&acquire, &a), 0);
        assert_non_null(strstr(a, "interface eth0\\xff %s promiscuous"));
        assert_non_null(strstr(a, "(100%n a test)"));
        assert_int_equal(question_message(&release, &r), 0);
        assert_non_null(strstr(r, "release another user's"));
        assert_non_null(strstr(r, "interface eth0 "));
        assert_non_null(strstr(r, "(a test)"));
        assert_null(strstr(a, "release"));
        assert_null(strchr(a, '\n'));
        assert_null(strchr(r, '\n'));
}

static void test_verdicts(void **state) {
        static const struct {
                bool authorized, challenge, dismissed, interactive;
                Verdict verdict;
        } cases[] = {
                { false, false, false, false, VERDICT_NO },
                { false, false, false, true, VERDICT_NO },
                { false, true, false, false, VERDICT_NEEDS_INTERACTION },
                { false, true, false, true, VERDICT_NOBODY_TO_ASK },
                { false, false, true, false, VERDICT_DISMISSED },
                { false, false, true, true, VERDICT_DISMISSED },
                { false, true, true, false, VERDICT_DISMISSED },
                { false, true, true, true, VERDICT_DISMISSED },
                /* Whatever else it says, authorized is authorized. */
                { true, false, false, false, VERDICT_YES },
                { true, false, false, true, VERDICT_YES },
                { true, true, false, false, VERDICT_YES },
                { true, true, false, true, VERDICT_YES },
                { true, false, true, false, VERDICT_YES },
                { true, false, true, true, VERDICT_YES },
                { true, true, true, false, VERDICT_YES },
                { true, true, true, true, VERDICT_YES },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_case(verdict_from_reply(cases[i].authorized, cases[i].challenge, cases[i].dismissed,
                                               cases[i].interactive) == cases[i].verdict,
                            "case %zu", i);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_binding),  cmocka_unit_test(test_same_question),
                cmocka_unit_test(test_longest),  cmocka_unit_test(test_message),
                cmocka_unit_test(test_verdicts),
        };

        return cmocka_run_group_tests_name("question", tests, NULL, NULL);
}
