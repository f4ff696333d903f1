/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "serve.h"
#include "util.h"
#include "walk.h"

typedef struct Reply {
        int fd;
        unsigned n_records;
        uint64_t send_usec; /* spent so far in waiting for the reader */
        IdentifyAnswer answer;
} Reply;

/* The socket has a time limit for each, and this one for all. */
static int reply_send(Reply *p) {
        uint64_t begin = now_usec(CLOCK_MONOTONIC);
        ssize_t n;

        n = send(p->fd, p->answer.data, p->answer.size, MSG_NOSIGNAL);
        if (n < 0)
                return -errno;
        p->send_usec += now_usec(CLOCK_MONOTONIC) - begin;
        if (p->send_usec > SERVE_SEND_USEC)
                return -ETIMEDOUT;

        identify_answer_begin(&p->answer);
        return 0;
}

static int on_record(const IdentifyRecord *record, void *userdata) {
        Reply *p = userdata;
        int r;

        if (p->n_records == IDENTIFY_RECORDS_MAX)
                return 1;
        p->n_records++;

        if (identify_answer_add(&p->answer, record))
                return 0;
        r = reply_send(p);
        if (r >= 0)
                identify_answer_add(&p->answer, record);
        return r;
}

/* Nobody waits for the answer any more. */
static bool has_left(void *userdata) {
        const Reply *p = userdata;
        struct pollfd peer = { .fd = p->fd, .events = POLLRDHUP };

        return poll(&peer, 1, 0) > 0;
}

static int answer(int fd, int proc_fd, const IdentifyRequest *request) {
        Reply p = { .fd = fd };
        int r;

        identify_answer_begin(&p.answer);
        r = walk(proc_fd, request, now_usec(CLOCK_MONOTONIC) + SERVE_WALK_USEC, has_left, on_record, &p);
        if (r < 0)
                return r;
        identify_answer_end(&p.answer, r == IDENTIFY_TRUNCATED);
        return reply_send(&p);
}

void serve(int fd, int proc_fd) {
        const struct timeval limit = { .tv_usec = SERVE_SEND_USEC - 1 };
        _cleanup_(freep) void *buffer = malloc(IDENTIFY_REQUEST_SIZE);
        IdentifyRequest request;
        ssize_t n;

        if (!buffer || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
                return;

        /* What does not fit is cut, and too long even so. */
        while ((n = recv(fd, buffer, IDENTIFY_REQUEST_SIZE, 0)) > 0)
                if (identify_request_decode(buffer, (size_t) n, &request) < 0 || answer(fd, proc_fd, &request) < 0)
                        return;
}
