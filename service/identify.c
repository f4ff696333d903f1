/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "config.h"
#include "identify-connection.h"
#include "identify.h"
#include "log.h"
#include "text.h"
#include "util.h"

#define SOCKET_PATH "/run/promisc-identify.socket"

/* Before others have their turn. */
#define ANSWERS_AT_ONCE 4

/* Both in ascending order, none twice. */
typedef struct Sought {
        uint64_t *inodes;
        size_t n_inodes;
        uint32_t *pids;
        size_t n_pids;
} Sought;

TAILQ_HEAD(QuestionList, IdentifyQuestion);

struct IdentifyQuestion {
        Identify *identify;
        TAILQ_ENTRY(IdentifyQuestion) questions;
        bool asked; /* is among those that are being answered, not those that wait */
        Sought sought;
        sd_event_source *timer;
        identify_handler_t f;
        void *userdata;
};

struct Identify {
        sd_event *event;
        char *socket_path, *program;
        struct QuestionList waiting, asked;
        unsigned n_questions;
        sd_event_source *start; /* enabled when some may be asked */

        /* What is being asked */
        IdentifyConnection *connection;
        Sought sought;
        bool merged; /* of several questions, some of which may not wait any more */
        IdentifyProcess *list;
        size_t n_list, n_list_allocated;
};

static void sought_done(Sought *s) {
        free(s->inodes);
        free(s->pids);
        *s = (Sought){};
}

static int compare_u64(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static int compare_u32(const void *a, const void *b) {
        const uint32_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static bool seeks(const Sought *s, uint64_t inode, uint32_t pid) {
        if (inode > 0)
                return s->n_inodes > 0 && bsearch(&inode, s->inodes, s->n_inodes, sizeof(inode), compare_u64);
        return s->n_pids > 0 && bsearch(&pid, s->pids, s->n_pids, sizeof(pid), compare_u32);
}

/* Room for more. */
static int sought_reserve(Sought *s, size_t n_inodes, size_t n_pids) {
        uint64_t *inodes = realloc(s->inodes, (s->n_inodes + n_inodes + 1) * sizeof(*inodes));
        uint32_t *pids;

        if (!inodes)
                return -ENOMEM;
        s->inodes = inodes;

        pids = realloc(s->pids, (s->n_pids + n_pids + 1) * sizeof(*pids));
        if (!pids)
                return -ENOMEM;
        s->pids = pids;
        return 0;
}

static void sought_sort(Sought *s) {
        size_t n = 0;

        qsort(s->inodes, s->n_inodes, sizeof(*s->inodes), compare_u64);
        for (size_t i = 0; i < s->n_inodes; i++)
                if (n == 0 || s->inodes[i] != s->inodes[n - 1])
                        s->inodes[n++] = s->inodes[i];
        s->n_inodes = n;

        n = 0;
        qsort(s->pids, s->n_pids, sizeof(*s->pids), compare_u32);
        for (size_t i = 0; i < s->n_pids; i++)
                if (n == 0 || s->pids[i] != s->pids[n - 1])
                        s->pids[n++] = s->pids[i];
        s->n_pids = n;
}

static IdentifyQuestion *question_free(IdentifyQuestion *q) {
        Identify *i = q->identify;

        TAILQ_REMOVE(q->asked ? &i->asked : &i->waiting, q, questions);
        i->n_questions--;
        sd_event_source_disable_unref(q->timer);
        sought_done(&q->sought);
        free(q);
        return NULL;
}

/* Nobody is asked any more. */
static void hang_up(Identify *i) {
        i->connection = identify_connection_free(i->connection);
        sought_done(&i->sought);
        if (!TAILQ_EMPTY(&i->waiting))
                sd_event_source_set_enabled(i->start, SD_EVENT_ONESHOT);
}

static void list_done(Identify *i) {
        free(i->list);
        i->list = NULL;
        i->n_list = i->n_list_allocated = 0;
}

static int compare_process(const void *a, const void *b) {
        const IdentifyProcess *x = a, *y = b;

        if (x->inode != y->inode)
                return x->inode < y->inode ? -1 : 1;
        return (x->pid > y->pid) - (x->pid < y->pid);
}

/* What of the list was sought by a question that was asked together with others. */
static int pick(const Identify *i, const Sought *s, IdentifyProcess **ret, size_t *ret_n) {
        IdentifyProcess *list = malloc((i->n_list + 1) * sizeof(IdentifyProcess));
        size_t n = 0;

        if (!list)
                return -ENOMEM;
        for (size_t k = 0; k < i->n_list; k++)
                if (seeks(s, i->list[k].inode, (uint32_t) i->list[k].pid))
                        list[n++] = i->list[k];

        *ret = list;
        *ret_n = n;
        return 0;
}

static void answer(Identify *i, IdentifyQuestion *q, int error) {
        _cleanup_(freep) IdentifyProcess *picked = NULL;
        const IdentifyProcess *list = i->list;
        identify_handler_t f = q->f;
        void *userdata = q->userdata;
        size_t n = i->n_list;
        int r;

        if (error >= 0 && i->merged) {
                r = pick(i, &q->sought, &picked, &n);
                list = picked;
                if (r < 0)
                        error = r;
        }

        question_free(q);
        f(error, error < 0 ? NULL : list, error < 0 ? 0 : n, userdata);
}

/* Tells all who are waiting for this answer. What their handlers ask is asked later. */
static void finish(Identify *i, int error) {
        IdentifyQuestion *q;

        if (error < 0)
                log_debug("Cannot ask who has sockets open: %s", strerror(-error));

        hang_up(i);
        if (i->n_list > 1)
                qsort(i->list, i->n_list, sizeof(IdentifyProcess), compare_process);
        while ((q = TAILQ_FIRST(&i->asked)))
                answer(i, q, error);
        list_done(i);
}

static int on_record(const IdentifyRecord *record, void *userdata) {
        Identify *i = userdata;
        char escaped[NAME_ESCAPED_MAX];
        IdentifyProcess *p;

        if (!seeks(&i->sought, record->inode, record->pid) || i->n_list == IDENTIFY_RECORDS_MAX)
                return -EBADMSG;

        if (i->n_list == i->n_list_allocated) {
                size_t n = i->n_list ? 2 * i->n_list : 16;

                p = realloc(i->list, n * sizeof(*p));
                if (!p)
                        return -ENOMEM;
                i->list = p;
                i->n_list_allocated = n;
        }

        p = &i->list[i->n_list++];
        *p = (IdentifyProcess){
                .inode = record->inode,
                .pid = (pid_t) record->pid,
                .started_usec = record->started_usec,
        };
        strcpy(p->command, name_escape(record->command, escaped));
        strcpy(p->unit, record->unit);
        return 0;
}

/* Returns 0 when more is to come, and 1 when that was the end of it. */
static int read_answer(Identify *i, int *ret_error) {
        uint8_t buffer[IDENTIFY_ANSWER_SIZE + 1]; /* one that is too long shows */
        ssize_t n;
        int r;

        n = recv(identify_connection_fd(i->connection), buffer, sizeof(buffer), MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;

        r = n > (ssize_t) IDENTIFY_ANSWER_SIZE ? -EBADMSG : identify_answer_decode(buffer, (size_t) n, on_record, i);
        if (r <= IDENTIFY_MORE)
                return r;
        *ret_error = r == IDENTIFY_TRUNCATED;
        return 1;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Identify *i = userdata;
        int error = 0, r = 0;

        for (unsigned n = 0; n < ANSWERS_AT_ONCE && r == 0; n++)
                r = read_answer(i, &error);
        if (r != 0)
                finish(i, r < 0 ? r : error);
        return 0;
}

/* Moves as many of those that wait as fit to those that are asked. */
static int merge(Identify *i) {
        IdentifyQuestion *q;
        int r;

        i->merged = false;
        while ((q = TAILQ_FIRST(&i->waiting)) &&
               i->sought.n_inodes + q->sought.n_inodes <= IDENTIFY_INODES_MAX &&
               i->sought.n_pids + q->sought.n_pids <= IDENTIFY_PIDS_MAX) {
                TAILQ_REMOVE(&i->waiting, q, questions);
                i->merged = i->merged || !TAILQ_EMPTY(&i->asked);
                TAILQ_INSERT_TAIL(&i->asked, q, questions);
                q->asked = true;

                r = sd_event_source_set_time_relative(q->timer, IDENTIFY_TIMEOUT_USEC);
                if (r < 0)
                        return r;
                r = sought_reserve(&i->sought, q->sought.n_inodes, q->sought.n_pids);
                if (r < 0)
                        return r;
                memcpy(i->sought.inodes + i->sought.n_inodes, q->sought.inodes,
                       q->sought.n_inodes * sizeof(*q->sought.inodes));
                i->sought.n_inodes += q->sought.n_inodes;
                memcpy(i->sought.pids + i->sought.n_pids, q->sought.pids, q->sought.n_pids * sizeof(*q->sought.pids));
                i->sought.n_pids += q->sought.n_pids;
        }

        sought_sort(&i->sought);
        return 0;
}

static int send_request(Identify *i) {
        const Sought *s = &i->sought;
        const IdentifyRequest request = { s->inodes, s->n_inodes, s->pids, s->n_pids };
        _cleanup_(freep) void *buffer = malloc(IDENTIFY_REQUEST_SIZE);
        size_t size;
        int r;

        if (!buffer)
                return -ENOMEM;
        size = identify_request_encode(&request, buffer);

        r = identify_connection_new(i->event, i->socket_path, i->program, on_readable, i, &i->connection);
        if (r < 0)
                return r;
        if (send(identify_connection_fd(i->connection), buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return -errno;
        return 0;
}

static int on_start(sd_event_source *s, void *userdata) {
        Identify *i = userdata;
        int r;

        if (i->connection || TAILQ_EMPTY(&i->waiting))
                return 0;

        r = merge(i);
        if (r >= 0)
                r = send_request(i);
        if (r < 0)
                finish(i, r);
        return 0;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        IdentifyQuestion *q = userdata;
        identify_handler_t f = q->f;
        void *f_userdata = q->userdata;

        log_debug("Nobody tells in time who has sockets open");
        identify_question_cancel(q);
        f(-ETIMEDOUT, NULL, 0, f_userdata);
        return 0;
}

IdentifyQuestion *identify_question_cancel(IdentifyQuestion *q) {
        Identify *i;

        if (!q)
                return NULL;

        i = q->identify;
        question_free(q);
        if (i->connection && TAILQ_EMPTY(&i->asked)) {
                hang_up(i);
                list_done(i);
        }
        return NULL;
}

static int copy_sought(const uint64_t *inodes, size_t n_inodes, const pid_t *pids, size_t n_pids, Sought *ret) {
        Sought s = {};

        if (n_inodes > IDENTIFY_INODES_MAX || n_pids > IDENTIFY_PIDS_MAX)
                return -E2BIG;
        if (n_inodes == 0 && n_pids == 0)
                return -EINVAL;
        for (size_t k = 0; k < n_inodes; k++)
                if (inodes[k] == 0)
                        return -EINVAL;
        for (size_t k = 0; k < n_pids; k++)
                if (pids[k] <= 0)
                        return -EINVAL;

        if (sought_reserve(&s, n_inodes, n_pids) < 0) {
                sought_done(&s);
                return -ENOMEM;
        }
        while (s.n_inodes < n_inodes) {
                s.inodes[s.n_inodes] = inodes[s.n_inodes];
                s.n_inodes++;
        }
        while (s.n_pids < n_pids) {
                s.pids[s.n_pids] = (uint32_t) pids[s.n_pids];
                s.n_pids++;
        }
        sought_sort(&s);
        *ret = s;
        return 0;
}

int identify_ask(Identify *i, const uint64_t *inodes, size_t n_inodes, const pid_t *pids, size_t n_pids,
                 identify_handler_t f, void *userdata, IdentifyQuestion **ret) {
        IdentifyQuestion *q;
        int r;

        if (i->n_questions == IDENTIFY_QUESTIONS_MAX)
                return -EBUSY;

        q = calloc(1, sizeof(IdentifyQuestion));
        if (!q)
                return -ENOMEM;
        *q = (IdentifyQuestion){ .identify = i, .f = f, .userdata = userdata };
        TAILQ_INSERT_TAIL(&i->waiting, q, questions);
        i->n_questions++;

        r = copy_sought(inodes, n_inodes, pids, n_pids, &q->sought);
        if (r >= 0)
                r = sd_event_add_time_relative(i->event, &q->timer, CLOCK_MONOTONIC, IDENTIFY_WAIT_USEC, 0, on_timeout, q);
        if (r >= 0)
                r = sd_event_source_set_enabled(i->start, SD_EVENT_ONESHOT);
        if (r < 0) {
                question_free(q);
                return r;
        }

        *ret = q;
        return 0;
}

int identify_new(sd_event *event, const char *socket_path, const char *program, Identify **ret) {
        Identify *i = calloc(1, sizeof(Identify));
        int r;

        if (!i)
                return -ENOMEM;

        if (!program)
                program = secure_getenv("PROMISC_IDENTIFY");
        i->event = sd_event_ref(event);
        TAILQ_INIT(&i->waiting);
        TAILQ_INIT(&i->asked);
        i->socket_path = strdup(socket_path ?: SOCKET_PATH);
        i->program = strdup(program ?: PROMISC_IDENTIFY_PROGRAM);
        r = i->socket_path && i->program ? sd_event_add_defer(event, &i->start, on_start, i) : -ENOMEM;
        if (r >= 0)
                r = sd_event_source_set_enabled(i->start, SD_EVENT_OFF);
        if (r < 0) {
                identify_free(i);
                return r;
        }

        *ret = i;
        return 0;
}

Identify *identify_free(Identify *i) {
        if (!i)
                return NULL;

        while (!TAILQ_EMPTY(&i->asked))
                question_free(TAILQ_FIRST(&i->asked));
        while (!TAILQ_EMPTY(&i->waiting))
                question_free(TAILQ_FIRST(&i->waiting));
        identify_connection_free(i->connection);
        sought_done(&i->sought);
        list_done(i);
        sd_event_source_disable_unref(i->start);
        sd_event_unref(i->event);
        free(i->socket_path);
        free(i->program);
        free(i);
        return NULL;
}
