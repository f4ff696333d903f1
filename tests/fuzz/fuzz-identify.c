/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>

#include "identify-protocol.h"

/* What one side sends to the other; the first byte is odd if it is an answer. It is read a second time by the offsets
 * of its fields, and what is taken must be what the encoder would write. */

#define HEADER 16U /* of a request and of an answer: four numbers, of which the last is 0 */
#define RECORD 24U /* before command and unit */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static uint32_t u32_at(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint64_t u64_at(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

/* "qidp" and "aidp", by the numbers that they are. */
static bool has_header(const uint8_t *data, size_t size, bool answer) {
        return size >= HEADER && u32_at(data) == (answer ? 0x61696470 : 0x71696470) && u32_at(data + 12) == 0;
}

static bool is_request(const uint8_t *data, size_t size) {
        uint64_t n_inodes, n_pids, last = 0;
        const uint8_t *p = data + HEADER;

        if (!has_header(data, size, false))
                return false;
        n_inodes = u32_at(data + 4);
        n_pids = u32_at(data + 8);
        if (n_inodes > 4096 || n_pids > 4096 || n_inodes + n_pids == 0 ||
            size != HEADER + 8 * n_inodes + 4 * n_pids)
                return false;

        for (; n_inodes > 0; n_inodes--, p += 8) {
                if (u64_at(p) <= last)
                        return false;
                last = u64_at(p);
        }
        for (last = 0; n_pids > 0; n_pids--, p += 4) {
                if (u32_at(p) <= last || u32_at(p) >> 31)
                        return false;
                last = u32_at(p);
        }
        return true;
}

static void check_request(const uint8_t *data, size_t size) {
        IdentifyRequest r, untouched;
        uint8_t *written;

        memset(&untouched, 0xa5, sizeof(untouched));
        r = untouched;
        if (!is_request(data, size)) {
                must(identify_request_decode(data, size, &r) == -EBADMSG);
                must(memcmp(&r, &untouched, sizeof(r)) == 0);
                return;
        }

        must(identify_request_decode(data, size, &r) == 0 && identify_request_check(&r) == 0);
        must(r.n_inodes == u32_at(data + 4) && r.n_pids == u32_at(data + 8));
        must((const uint8_t *) r.inodes == data + HEADER);
        must((const uint8_t *) r.pids == data + HEADER + 8 * r.n_inodes);

        must(written = malloc(IDENTIFY_REQUEST_SIZE));
        must(identify_request_encode(&r, written) == size && size < IDENTIFY_REQUEST_SIZE);
        must(memcmp(written, data, size) == 0);
        free(written);
}

static bool is_unit_character(uint8_t c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               (c != '\0' && strchr(":-_.\\@", c));
}

/* How long the record is that stands there, or 0 if none does. */
static size_t record_at(const uint8_t *p, size_t left) {
        size_t command, unit;

        if (left < RECORD)
                return 0;
        command = p[20];
        unit = p[21];
        if (u32_at(p + 16) == 0 || u32_at(p + 16) >> 31 || command > 15 || p[22] || p[23] ||
            RECORD + command + unit > left || memchr(p + RECORD, '\0', command))
                return 0;
        for (size_t i = 0; i < unit; i++)
                if (!is_unit_character(p[RECORD + command + i]))
                        return 0;
        return RECORD + command + unit;
}

typedef struct Told {
        const uint8_t *next;
        unsigned n, stop_at;
        int stop;
        IdentifyAnswer again;
} Told;

static int on_record(const IdentifyRecord *r, void *userdata) {
        Told *t = userdata;
        const uint8_t *p = t->next;

        must(r->inode == u64_at(p) && r->started_usec == u64_at(p + 8) && r->pid == u32_at(p + 16));
        must(strlen(r->command) == p[20] && memcmp(r->command, p + RECORD, p[20]) == 0);
        must(strlen(r->unit) == p[21] && memcmp(r->unit, p + RECORD + p[20], p[21]) == 0);
        must(identify_answer_add(&t->again, r));
        t->next += RECORD + p[20] + p[21];
        return ++t->n == t->stop_at ? t->stop : 0;
}

/* What must come of it, after how many records. */
static int read_answer(const uint8_t *data, size_t size, unsigned *ret_n) {
        size_t at = HEADER, length;

        *ret_n = 0;
        if (!has_header(data, size, true) || u32_at(data + 4) > IDENTIFY_TRUNCATED)
                return -EBADMSG;
        for (; *ret_n < u32_at(data + 8); at += length, ++*ret_n) {
                length = record_at(data + at, size - at);
                if (length == 0)
                        return -EBADMSG;
        }
        return at == size ? (int) u32_at(data + 4) : -EBADMSG;
}

static void check_answer(const uint8_t *data, size_t size) {
        Told *t = malloc(sizeof(*t));
        unsigned n;
        int r = read_answer(data, size, &n);

        must(t);
        t->next = data + HEADER;
        t->n = t->stop_at = 0;
        identify_answer_begin(&t->again);
        must(identify_answer_decode(data, size, on_record, t) == r && t->n == n);
        if (r > IDENTIFY_MORE)
                identify_answer_end(&t->again, r == IDENTIFY_TRUNCATED);
        if (r >= 0)
                must(t->again.size == size && memcmp(t->again.data, data, size) == 0);

        /* Whoever is told ends it, in the middle. */
        for (int stop = -1; n > 0 && stop <= 1; stop += 2) {
                t->next = data + HEADER;
                t->n = 0;
                t->stop_at = n / 2 + 1;
                t->stop = 4711 * stop;
                identify_answer_begin(&t->again);
                must(identify_answer_decode(data, size, on_record, t) == (stop < 0 ? -4711 : -EBADMSG));
                must(t->n == t->stop_at);
        }
        free(t);
}

/* Makes the header fit what is behind it. */
static void mend_request(uint8_t *data, size_t size) {
        const uint32_t fields = (uint32_t) ((size - HEADER) / 4), magic = 0x71696470;
        uint32_t n[2];

        memcpy(data, &magic, sizeof(magic));
        n[0] = u32_at(data + 4) % (fields / 2 + 1);
        n[1] = fields - 2 * n[0];
        memcpy(data + 4, n, sizeof(n));
        memset(data + 12, 0, 4);
}

/* A last record that does not fit ends where the input does. */
static void mend_answer(uint8_t *data, size_t size) {
        const uint32_t magic = 0x61696470;
        uint32_t n = 0;

        for (size_t at = HEADER, left; at + RECORD <= size; at += RECORD + data[at + 20] + data[at + 21], n++) {
                left = size - at - RECORD;
                memset(data + at + 22, 0, 2);
                data[at + 20] &= 15;
                if (data[at + 20] > left)
                        data[at + 20] = (uint8_t) left;
                left -= data[at + 20];
                if (data[at + 21] > left)
                        data[at + 21] = (uint8_t) left;
        }
        memcpy(data, &magic, sizeof(magic));
        memcpy(data + 8, &n, sizeof(n));
        memset(data + 12, 0, 4);
}

/* Hardly any mutation would leave a count and what is counted alike. So every other is mended. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
        size = LLVMFuzzerMutate(data, size, max);
        if (seed % 2 == 1 && size > HEADER)
                (data[0] & 1 ? mend_answer : mend_request)(data + 1, size - 1);
        return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t *message;

        if (size == 0 || size - 1 > IDENTIFY_ANSWER_SIZE)
                return 0;
        message = fuzz_copy(data + 1, size - 1);
        (data[0] & 1 ? check_answer : check_request)(message, size - 1);
        free(message);
        return 0;
}
