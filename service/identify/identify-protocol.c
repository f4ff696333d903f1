/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "identify-protocol.h"

#define REQUEST_MAGIC UINT32_C(0x71696470)
#define ANSWER_MAGIC  UINT32_C(0x61696470)

typedef struct RequestHeader {
        uint32_t magic, n_inodes, n_pids, zero;
} RequestHeader;

typedef struct AnswerHeader {
        uint32_t magic, kind, n, zero;
} AnswerHeader;

/* Before the bytes of command and unit, without anything between. */
typedef struct RecordHeader {
        uint64_t inode, started_usec;
        uint32_t pid;
        uint8_t command_length, unit_length;
        uint16_t zero;
} RecordHeader;

int identify_request_check(const IdentifyRequest *r) {
        if (r->n_inodes > IDENTIFY_INODES_MAX || r->n_pids > IDENTIFY_PIDS_MAX)
                return -E2BIG;
        if (r->n_inodes == 0 && r->n_pids == 0)
                return -EINVAL;

        for (size_t i = 0; i < r->n_inodes; i++)
                if (r->inodes[i] <= (i > 0 ? r->inodes[i - 1] : 0))
                        return -EINVAL;
        for (size_t i = 0; i < r->n_pids; i++)
                if (r->pids[i] <= (i > 0 ? r->pids[i - 1] : 0) || r->pids[i] > INT32_MAX)
                        return -EINVAL;
        return 0;
}

size_t identify_request_encode(const IdentifyRequest *r, void *buffer) {
        const RequestHeader h = { REQUEST_MAGIC, (uint32_t) r->n_inodes, (uint32_t) r->n_pids, 0 };
        uint8_t *p = buffer;

        p = mempcpy(p, &h, sizeof(h));
        if (r->n_inodes > 0)
                p = mempcpy(p, r->inodes, r->n_inodes * sizeof(*r->inodes));
        if (r->n_pids > 0)
                p = mempcpy(p, r->pids, r->n_pids * sizeof(*r->pids));
        return (size_t) (p - (uint8_t *) buffer);
}

int identify_request_decode(const void *data, size_t size, IdentifyRequest *ret) {
        IdentifyRequest r;
        RequestHeader h;

        if (size < sizeof(h))
                return -EBADMSG;
        memcpy(&h, data, sizeof(h));
        if (h.magic != REQUEST_MAGIC || h.zero != 0 || h.n_inodes > IDENTIFY_INODES_MAX ||
            h.n_pids > IDENTIFY_PIDS_MAX)
                return -EBADMSG;

        r = (IdentifyRequest){ .n_inodes = h.n_inodes, .n_pids = h.n_pids };
        r.inodes = (const uint64_t *) ((const uint8_t *) data + sizeof(h));
        r.pids = (const uint32_t *) (r.inodes + r.n_inodes);
        if (size != sizeof(h) + r.n_inodes * sizeof(*r.inodes) + r.n_pids * sizeof(*r.pids) ||
            identify_request_check(&r) < 0)
                return -EBADMSG;

        *ret = r;
        return 0;
}

static void write_answer_header(IdentifyAnswer *a, uint32_t kind) {
        const AnswerHeader h = { ANSWER_MAGIC, kind, a->n, 0 };

        memcpy(a->data, &h, sizeof(h));
}

void identify_answer_begin(IdentifyAnswer *a) {
        a->size = sizeof(AnswerHeader);
        a->n = 0;
        write_answer_header(a, IDENTIFY_MORE);
}

bool identify_answer_add(IdentifyAnswer *a, const IdentifyRecord *r) {
        const RecordHeader h = {
                .inode = r->inode,
                .started_usec = r->started_usec,
                .pid = r->pid,
                .command_length = (uint8_t) strlen(r->command),
                .unit_length = (uint8_t) strlen(r->unit),
        };
        uint8_t *p = a->data + a->size;

        if (sizeof(a->data) - a->size < sizeof(h) + h.command_length + h.unit_length)
                return false;

        p = mempcpy(p, &h, sizeof(h));
        p = mempcpy(p, r->command, h.command_length);
        p = mempcpy(p, r->unit, h.unit_length);
        a->size = (size_t) (p - a->data);
        a->n++;
        write_answer_header(a, IDENTIFY_MORE);
        return true;
}

void identify_answer_end(IdentifyAnswer *a, bool truncated) {
        write_answer_header(a, truncated ? IDENTIFY_TRUNCATED : IDENTIFY_COMPLETE);
}

bool identify_unit_is_valid(const char *unit) {
        static const char characters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz:-_.\\@";
        size_t n = strlen(unit);

        return n > 0 && n <= IDENTIFY_UNIT_MAX && strspn(unit, characters) == n;
}

/* Copies a text of that length, which has no NUL in it. Returns what follows it, or NULL. */
static const uint8_t *read_text(const uint8_t *p, size_t length, char *ret) {
        if (memchr(p, '\0', length))
                return NULL;
        memcpy(ret, p, length);
        ret[length] = '\0';
        return p + length;
}

/* Returns what follows the record, or NULL. */
static const uint8_t *read_record(const uint8_t *p, size_t left, IdentifyRecord *ret) {
        RecordHeader h;

        if (left < sizeof(h))
                return NULL;
        memcpy(&h, p, sizeof(h));
        if (h.pid == 0 || h.pid > INT32_MAX || h.command_length > IDENTIFY_COMMAND_MAX || h.zero != 0 ||
            left - sizeof(h) < (size_t) h.command_length + h.unit_length)
                return NULL;

        ret->inode = h.inode;
        ret->started_usec = h.started_usec;
        ret->pid = h.pid;
        p = read_text(p + sizeof(h), h.command_length, ret->command);
        if (p)
                p = read_text(p, h.unit_length, ret->unit);
        return p && (h.unit_length == 0 || identify_unit_is_valid(ret->unit)) ? p : NULL;
}

int identify_answer_decode(const void *data, size_t size, int (*f)(const IdentifyRecord *r, void *userdata),
                           void *userdata) {
        const uint8_t *p = data, *end = p + size;
        AnswerHeader h;

        if (size < sizeof(h))
                return -EBADMSG;
        memcpy(&h, data, sizeof(h));
        if (h.magic != ANSWER_MAGIC || h.kind > IDENTIFY_TRUNCATED || h.zero != 0)
                return -EBADMSG;

        p += sizeof(h);
        for (uint32_t i = 0; i < h.n; i++) {
                IdentifyRecord record;
                int r;

                p = read_record(p, (size_t) (end - p), &record);
                if (!p)
                        return -EBADMSG;
                r = f(&record, userdata);
                if (r != 0)
                        return r < 0 ? r : -EBADMSG;
        }

        return p == end ? (int) h.kind : -EBADMSG;
}
