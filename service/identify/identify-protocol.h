/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What promiscd and promisc-identify say to each other, in packets over an AF_UNIX SOCK_SEQPACKET socket: a request, and
 * for it any number of answers, of which the last is marked. Both ends are on one machine, so its byte order is used. All
 * is pure, and whatever is not exactly as an encoder here writes it is refused with -EBADMSG. */

#define IDENTIFY_INODES_MAX  4096U
#define IDENTIFY_PIDS_MAX    4096U
#define IDENTIFY_RECORDS_MAX 8192U /* in all answers to one request */

/* A little more than the largest request, so that one that is too long shows. */
#define IDENTIFY_REQUEST_SIZE (16U + 8U * IDENTIFY_INODES_MAX + 4U * IDENTIFY_PIDS_MAX + 8U)
#define IDENTIFY_ANSWER_SIZE  16384U

#define IDENTIFY_COMMAND_MAX 15U  /* TASK_COMM_LEN without its NUL */
#define IDENTIFY_UNIT_MAX    255U /* of systemd's unit names */

/* Sockets by inode, and processes by pid: both in ascending order, none twice, none 0. */
typedef struct IdentifyRequest {
        const uint64_t *inodes;
        size_t n_inodes;
        const uint32_t *pids;
        size_t n_pids;
} IdentifyRequest;

/* A process that has a socket open, or that was asked for. */
typedef struct IdentifyRecord {
        uint64_t inode; /* 0: asked for by its pid */
        uint32_t pid;
        uint64_t started_usec;                  /* CLOCK_BOOTTIME, to the kernel's tick */
        char command[IDENTIFY_COMMAND_MAX + 1]; /* bytes that the process chose */
        char unit[IDENTIFY_UNIT_MAX + 1];       /* "" for none */
} IdentifyRecord;

/* An answer that is being written. */
typedef struct IdentifyAnswer {
        size_t size; /* of the data */
        unsigned n;  /* records */
        uint8_t data[IDENTIFY_ANSWER_SIZE];
} IdentifyAnswer;

/* The buffer has IDENTIFY_REQUEST_SIZE bytes; returns how many are used. The request must be a good one. */
size_t identify_request_encode(const IdentifyRequest *r, void *buffer);

/* The arrays of the result lie in the data, which must be aligned as malloc() does it. */
int identify_request_decode(const void *data, size_t size, IdentifyRequest *ret);

/* Is this a request that a decoder takes? Errors: -EINVAL, -E2BIG. */
int identify_request_check(const IdentifyRequest *r);

void identify_answer_begin(IdentifyAnswer *a);

/* False: this one is full, and the record belongs in the next. */
bool identify_answer_add(IdentifyAnswer *a, const IdentifyRecord *r);

/* Makes it the last. */
void identify_answer_end(IdentifyAnswer *a, bool truncated);

/* What an answer is, besides its records. */
enum {
        IDENTIFY_MORE,      /* others follow */
        IDENTIFY_COMPLETE,  /* the last */
        IDENTIFY_TRUNCATED, /* the last, and there was too much, or no time, for all */
};

/* Calls f for each record, until it returns non-zero, which is then returned if it is negative (a positive one is
 * -EBADMSG). Returns one of the above. */
int identify_answer_decode(const void *data, size_t size, int (*f)(const IdentifyRecord *r, void *userdata),
                           void *userdata);

/* Is it a name that systemd would give a unit? So it is ASCII, and safe to print. */
bool identify_unit_is_valid(const char *unit);
