/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "identify-protocol.h"
#include "util.h"

static const uint64_t inodes[] = { 1, 5, UINT64_MAX };
static const uint32_t pids[] = { 1, 4711, INT32_MAX };

static void test_request(void **state) {
        const struct {
                size_t n_inodes, n_pids;
        } cases[] = { { 3, 3 }, { 3, 0 }, { 0, 3 }, { 1, 0 }, { 0, 1 } };
        _cleanup_(freep) uint64_t *buffer = malloc(IDENTIFY_REQUEST_SIZE);
        IdentifyRequest r;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const IdentifyRequest q = { inodes, cases[i].n_inodes, pids, cases[i].n_pids };
                size_t n = identify_request_encode(&q, buffer);

                assert_int_equal(identify_request_check(&q), 0);
                assert_int_equal(identify_request_decode(buffer, n, &r), 0);
                assert_int_equal(r.n_inodes, q.n_inodes);
                assert_memory_equal(r.inodes, inodes, q.n_inodes * sizeof(*inodes));
                assert_int_equal(r.n_pids, q.n_pids);
                assert_memory_equal(r.pids, pids, q.n_pids * sizeof(*pids));

                /* Any other length is another message. */
                for (size_t k = 0; k < n + 16; k++)
                        assert_case((identify_request_decode(buffer, k, &r) == 0) == (k == n), "%zu of %zu", k, n);
        }
}

static void test_the_largest_request(void **state) {
        _cleanup_(freep) uint64_t *many = calloc(IDENTIFY_INODES_MAX + 1, sizeof(uint64_t));
        _cleanup_(freep) uint32_t *more = calloc(IDENTIFY_PIDS_MAX + 1, sizeof(uint32_t));
        _cleanup_(freep) uint64_t *buffer = malloc(IDENTIFY_REQUEST_SIZE);
        IdentifyRequest q = { many, IDENTIFY_INODES_MAX, more, IDENTIFY_PIDS_MAX }, r;
        uint32_t *header = (uint32_t *) buffer;
        size_t n;

        for (unsigned i = 0; i <= IDENTIFY_INODES_MAX; i++)
                many[i] = i + 1;
        for (unsigned i = 0; i <= IDENTIFY_PIDS_MAX; i++)
                more[i] = i + 1;
        n = identify_request_encode(&q, buffer);
        assert_true(n < IDENTIFY_REQUEST_SIZE);
        assert_int_equal(identify_request_decode(buffer, n, &r), 0);

        q.n_inodes++;
        assert_int_equal(identify_request_check(&q), -E2BIG);
        q.n_inodes--;
        q.n_pids++;
        assert_int_equal(identify_request_check(&q), -E2BIG);

        header[1]++;
        assert_int_equal(identify_request_decode(buffer, n + 8, &r), -EBADMSG);
        header[1]--;
        header[2]++;
        assert_int_equal(identify_request_decode(buffer, n + 4, &r), -EBADMSG);
}

static void test_bad_requests(void **state) {
        const struct {
                uint64_t inodes[2];
                uint32_t pids[2];
        } cases[] = {
                { { 0, 1 }, { 1, 2 } }, { { 2, 1 }, { 1, 2 } }, { { 1, 1 }, { 1, 2 } },
                { { 1, 2 }, { 0, 1 } }, { { 1, 2 }, { 2, 1 } }, { { 1, 2 }, { 1, 1 } },
                { { 1, 2 }, { 1, (uint32_t) INT32_MAX + 1 } },
        };
        _cleanup_(freep) uint64_t *buffer = malloc(IDENTIFY_REQUEST_SIZE);
        const IdentifyRequest nothing = {}, good = { inodes, 3, pids, 3 };
        uint32_t *header = (uint32_t *) buffer;
        IdentifyRequest r;
        size_t n;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const IdentifyRequest q = { cases[i].inodes, 2, cases[i].pids, 2 };

                assert_case(identify_request_check(&q) == -EINVAL, "%zu", i);
                n = identify_request_encode(&q, buffer);
                assert_case(identify_request_decode(buffer, n, &r) == -EBADMSG, "%zu", i);
        }

        assert_int_equal(identify_request_check(&nothing), -EINVAL);
        n = identify_request_encode(&nothing, buffer);
        assert_int_equal(identify_request_decode(buffer, n, &r), -EBADMSG);

        n = identify_request_encode(&good, buffer);
        for (int field = 0; field < 4; field++) {
                header[field] ^= 4;
                assert_case(identify_request_decode(buffer, n, &r) == -EBADMSG, "%i", field);
                header[field] ^= 4;
        }
        assert_int_equal(identify_request_decode(buffer, n, &r), 0);
}

typedef struct Told {
        IdentifyRecord records[8];
        unsigned n;
        int answer;
} Told;

static int on_record(const IdentifyRecord *r, void *userdata) {
        Told *t = userdata;

        if (t->n < ELEMENTSOF(t->records))
                t->records[t->n] = *r;
        t->n++;
        return t->answer;
}

static const IdentifyRecord first = { 5, 1, 7000, "sd-\xff\n)", "init.scope" };
static const IdentifyRecord second = { 0, INT32_MAX, UINT64_MAX, "fifteen letters", "" };
static const IdentifyRecord third = { 6, 2, 0, "", "a@b\\x2dc:d.service" };

static void assert_records_equal(const IdentifyRecord *a, const IdentifyRecord *b) {
        assert_true(a->inode == b->inode && a->started_usec == b->started_usec);
        assert_int_equal(a->pid, b->pid);
        assert_string_equal(a->command, b->command);
        assert_string_equal(a->unit, b->unit);
}

static void make_answer(IdentifyAnswer *a) {
        identify_answer_begin(a);
        assert_true(identify_answer_add(a, &first));
        assert_true(identify_answer_add(a, &second));
        assert_true(identify_answer_add(a, &third));
}

static void test_answer(void **state) {
        IdentifyAnswer a;
        Told t;

        make_answer(&a);
        for (int kind = IDENTIFY_MORE; kind <= IDENTIFY_TRUNCATED; kind++) {
                if (kind > IDENTIFY_MORE)
                        identify_answer_end(&a, kind == IDENTIFY_TRUNCATED);
                t = (Told){};
                assert_int_equal(identify_answer_decode(a.data, a.size, on_record, &t), kind);
                assert_int_equal(t.n, 3);
                assert_records_equal(&t.records[0], &first);
                assert_records_equal(&t.records[1], &second);
                assert_records_equal(&t.records[2], &third);
        }

        /* What the reader says ends it. */
        t = (Told){ .answer = -ENOMEM };
        assert_int_equal(identify_answer_decode(a.data, a.size, on_record, &t), -ENOMEM);
        assert_int_equal(t.n, 1);
        t.answer = 1;
        assert_int_equal(identify_answer_decode(a.data, a.size, on_record, &t), -EBADMSG);

        /* One that is begun anew has nothing of the last. */
        identify_answer_begin(&a);
        t = (Told){};
        assert_int_equal(identify_answer_decode(a.data, a.size, on_record, &t), IDENTIFY_MORE);
        assert_int_equal(t.n, 0);
}

static void test_full_answer(void **state) {
        IdentifyAnswer a;
        unsigned n = 0;
        Told t = {};

        identify_answer_begin(&a);
        while (identify_answer_add(&a, &first))
                n++;
        assert_in_range(n, 300, IDENTIFY_ANSWER_SIZE / 24);
        assert_in_range(a.size, IDENTIFY_ANSWER_SIZE - 64, IDENTIFY_ANSWER_SIZE);
        assert_int_equal(identify_answer_decode(a.data, a.size, on_record, &t), IDENTIFY_MORE);
        assert_int_equal(t.n, n);
}

/* Where a bad byte makes a bad answer: a header of four numbers, then 24 bytes of the record, then command and unit. */
static void test_bad_answers(void **state) {
        static const struct {
                size_t at;
                uint8_t value;
        } cases[] = {
                { 0, 0 }, { 4, 3 }, { 8, 2 }, { 8, 4 }, { 12, 1 }, /* magic, kind, count, zero */
                { 16 + 16, 0 },      /* pid 0 */
                { 16 + 16 + 3, 128 }, /* pid 2^31 and more */
                { 16 + 20, 16 },     /* length of the command */
                { 16 + 20, 5 },      /* the last byte of it goes to the unit */
                { 16 + 21, 9 },      /* length of the unit: the next record begins too early */
                { 16 + 21, 255 },
                { 16 + 22, 1 }, { 16 + 23, 1 }, /* zero */
                { 16 + 24, 0 },      /* a NUL in the command */
                { 16 + 24 + 6, 0 }, { 16 + 24 + 6, ' ' }, { 16 + 24 + 6, '/' }, { 16 + 24 + 6, 0xc3 }, /* in the unit */
        };
        IdentifyAnswer a;
        Told t = {};

        make_answer(&a);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t before = a.data[cases[i].at];

                a.data[cases[i].at] = cases[i].value;
                assert_case(identify_answer_decode(a.data, a.size, on_record, &t) == -EBADMSG, "%zu", i);
                a.data[cases[i].at] = before;
        }
        for (size_t n = 0; n < a.size; n++)
                assert_case(identify_answer_decode(a.data, n, on_record, &t) == -EBADMSG, "%zu", n);
        a.data[a.size] = 0;
        assert_int_equal(identify_answer_decode(a.data, a.size + 1, on_record, &t), -EBADMSG);
        assert_int_equal(identify_answer_decode(a.data, a.size, on_record, &t), IDENTIFY_MORE);
}

static void test_unit_names(void **state) {
        char longest[IDENTIFY_UNIT_MAX + 2];

        assert_true(identify_unit_is_valid("dev-disk-by\\x2duuid.swap"));
        assert_true(identify_unit_is_valid("user@1000.service"));
        assert_false(identify_unit_is_valid(""));
        assert_false(identify_unit_is_valid("a b.service"));
        assert_false(identify_unit_is_valid("\xc3\xa4.service"));
        assert_false(identify_unit_is_valid("a\n.service"));

        memset(longest, 'a', sizeof(longest));
        longest[IDENTIFY_UNIT_MAX + 1] = '\0';
        assert_false(identify_unit_is_valid(longest));
        longest[IDENTIFY_UNIT_MAX] = '\0';
        assert_true(identify_unit_is_valid(longest));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_request),     cmocka_unit_test(test_the_largest_request),
                cmocka_unit_test(test_bad_requests), cmocka_unit_test(test_answer),
                cmocka_unit_test(test_full_answer), cmocka_unit_test(test_bad_answers),
                cmocka_unit_test(test_unit_names),
        };

        return cmocka_run_group_tests_name("identify-protocol", tests, NULL, NULL);
}
