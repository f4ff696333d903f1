/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "call.h"
#include "log.h"
#include "util.h"

/* Of one peer, and in all. The bus allows a peer 128 open calls, but does not count those that want no reply. How many peers
 * there are is the bus's limit: the first call of each may wait, or a crowd could shut the door behind it. */
#define WAITING_PER_CALLER_MAX 128U
#define WAITING_MAX            512U

typedef struct Call Call;

struct Call {
        Calls *calls;
        LIST_ENTRY(Call) waiting;

        sd_bus_message *message;
        sd_bus_message_handler_t handler;
        void *object;
        Caller *caller;

        enum {
                CALL_RUNS,
                CALL_WAITS_FOR_CALLER,
                CALL_WAITS_FOR_POLKIT,
                CALL_WAITS_FOR_SOCKET,
        } state;

        PolkitCheck *check;
        Question asked;
        bool answered;
        Verdict verdict;
};

struct Calls {
        Limits *limits;
        Callers *callers;
        Polkit *polkit;
        LIST_HEAD(, Call) waiting;
        Call *running; /* the one whose handler is being run again */
        unsigned n_waiting;

        void (*vanished)(Caller *caller, void *userdata);
        void *userdata;
};

static void call_stop_waiting(Call *c) {
        if (c->state == CALL_WAITS_FOR_CALLER || c->state == CALL_WAITS_FOR_SOCKET) {
                c->caller->n_waiting--;
                c->calls->n_waiting--;
        } else if (c->state == CALL_WAITS_FOR_POLKIT) {
                c->check = polkit_check_cancel(c->check);
        }
        c->state = CALL_RUNS;
}

static Call *call_free(Call *c) {
        if (!c)
                return NULL;

        call_stop_waiting(c);

        LIST_REMOVE(c, waiting);
        sd_bus_message_unref(c->message);
        free(c);
        return NULL;
}

static void call_fail(Call *c, const sd_bus_error *error) {
        int r = sd_bus_reply_method_error(c->message, error);

        if (r < 0)
                log_debug("Cannot reply to %s: %s", c->caller->name, strerror(-r));
        call_free(c);
}

/* A call that waits keeps what came with it, up to 16 descriptors. Half of ours are for other things. */
static bool descriptors_are_scarce(void) {
        int fd = eventfd(0, EFD_CLOEXEC);
        struct rlimit l;
        bool scarce;

        scarce = fd < 0 || (getrlimit(RLIMIT_NOFILE, &l) >= 0 && (rlim_t) fd >= l.rlim_cur / 2);
        close_fd(fd);
        return scarce;
}

/* The call that stands for this message: the one that runs again, or a new one. */
static int call_get(Calls *calls, sd_bus_message *m, sd_bus_message_handler_t handler, void *object, Caller *caller,
                    Call **ret) {
        Call *c = calls->running;

        if (!c || c->message != m) {
                if (descriptors_are_scarce())
                        return -EMFILE;
                c = calloc(1, sizeof(Call));
                if (!c)
                        return -ENOMEM;
                c->calls = calls;
                c->message = sd_bus_message_ref(m);
                c->handler = handler;
                c->object = object;
                c->caller = caller;

                LIST_INSERT_HEAD(&calls->waiting, c, waiting);
        }

        *ret = c;
        return 0;
}

static void call_run(Call *c) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Calls *calls = c->calls;
        int r;

        calls->running = c;
        r = c->handler(c->message, c->object, &error);
        calls->running = NULL;

        if (c->state == CALL_RUNS) {
                if (sd_bus_error_is_set(&error))
                        call_fail(c, &error);
                else if (r < 0) {
                        sd_bus_reply_method_errno(c->message, r, NULL);
                        call_free(c);
                } else
                        call_free(c);
        }
        sd_bus_error_free(&error);
}

/* In the order in which they came; a run may end others, so look anew each time. Those that wait again are not run twice. */
static void run_waiting(Calls *calls, int state, const Caller *caller) {
        unsigned n = 0;
        Call *c, *oldest;

        LIST_FOREACH(c, &calls->waiting, waiting)
                n += (int) c->state == state && (!caller || c->caller == caller);

        for (; n > 0; n--) {
                oldest = NULL;
                LIST_FOREACH(c, &calls->waiting, waiting)
                        if ((int) c->state == state && (!caller || c->caller == caller))
                                oldest = c;
                if (!oldest)
                        return;
                call_stop_waiting(oldest);
                LIST_REMOVE(oldest, waiting);
                LIST_INSERT_HEAD(&calls->waiting, oldest, waiting);
                call_run(oldest);
        }
}

static void on_caller_known(Caller *caller, void *userdata) {
        run_waiting(userdata, CALL_WAITS_FOR_CALLER, caller);
}

void calls_socket_ready(Calls *calls) {
        run_waiting(calls, CALL_WAITS_FOR_SOCKET, NULL);
}

static void on_caller_failed(Caller *caller, void *userdata) {
        Calls *calls = userdata;

        for (Call *c = LIST_FIRST(&calls->waiting), *next; c; c = next) {
                next = LIST_NEXT(c, waiting);
                if (c->caller == caller)
                        call_fail(c, &SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_FAILED, "The bus does not say who calls"));
        }
}

static void on_caller_vanished(Caller *caller, void *userdata) {
        Calls *calls = userdata;

        for (Call *c = LIST_FIRST(&calls->waiting), *next; c; c = next) {
                next = LIST_NEXT(c, waiting);
                if (c->caller == caller)
                        call_free(c);
        }
        calls->vanished(caller, calls->userdata);
}

static int cannot_wait(int r, sd_bus_error *error) {
        if (r != -EMFILE)
                return r;
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "No descriptor is left for another call that waits");
}

static int wait_in_line(Calls *calls, sd_bus_message *m, sd_bus_message_handler_t handler, void *object,
                        Caller *caller, int state, sd_bus_error *error) {
        Call *c;
        int r;

        if (caller->n_waiting >= WAITING_PER_CALLER_MAX || (caller->n_waiting > 0 && calls->n_waiting >= WAITING_MAX))
                return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too many calls are waiting already");

        r = call_get(calls, m, handler, object, caller, &c);
        if (r < 0)
                return cannot_wait(r, error);
        c->state = state;
        caller->n_waiting++;
        calls->n_waiting++;
        return 0;
}

int call_identify(Calls *calls, sd_bus_message *m, sd_bus_message_handler_t handler, void *object, Caller **ret,
                  sd_bus_error *error) {
        Caller *caller;
        int r;

        r = callers_get(calls->callers, sd_bus_message_get_sender(m), &caller);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "Cannot ask the bus who calls: %s", strerror(-r));
        if (caller->known) {
                *ret = caller;
                return 1;
        }

        return wait_in_line(calls, m, handler, object, caller, CALL_WAITS_FOR_CALLER, error);
}

int call_wait_for_socket(Calls *calls, sd_bus_message *m, sd_bus_message_handler_t handler, void *object,
                         Caller *caller, sd_bus_error *error) {
        return wait_in_line(calls, m, handler, object, caller, CALL_WAITS_FOR_SOCKET, error);
}

int calls_get_caller(Calls *calls, const char *name, Caller **ret) {
        return callers_get(calls->callers, name, ret);
}

static int verdict_to_error(Verdict v, const Question *q, sd_bus_error *error) {
        const char *text;

        switch (v) {
        case VERDICT_YES:
                return 1;
        case VERDICT_NEEDS_INTERACTION:
                return sd_bus_error_setf(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                         "%s needs authentication, which this call does not allow", q->action);
        case VERDICT_DISMISSED:
                text = "The authentication prompt was dismissed";
                break;
        case VERDICT_NOBODY_TO_ASK:
                text = "Authentication is needed, but there is no agent to ask the user";
                break;
        case VERDICT_NO_ANSWER:
                text = "polkit did not answer in time";
                break;
        case VERDICT_UNAVAILABLE:
                text = "polkit is not available, and the caller is not root";
                break;
        default:
                text = "polkit does not allow it";
        }

        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED, "%s: %s", q->action, text);
}

static void on_verdict(Verdict verdict, void *userdata) {
        Call *c = userdata;

        c->check = NULL;
        c->state = CALL_RUNS;
        c->answered = true;
        c->verdict = verdict;
        call_run(c);
}

static int refused(const Calls *calls, Limit limit, const Caller *caller, const Question *q, sd_bus_error *error) {
        /* What is full of questions that polkit never answered is no crowd. */
        if (polkit_is_silent(calls->polkit))
                return verdict_to_error(VERDICT_NO_ANSWER, q, error);
        if (limit == LIMIT_AUTHORIZATIONS_USER)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                         "User %u has %u authorizations pending already", caller->uid,
                                         AUTHORIZATIONS_PER_USER_MAX);
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "%u authorizations are pending already",
                                 AUTHORIZATIONS_MAX);
}

int call_authorize(Calls *calls, sd_bus_message *m, sd_bus_message_handler_t handler, void *object,
                   Caller *caller, const Question *q, sd_bus_error *error) {
        Call *c = calls->running;
        Limit limit;
        int r;

        if (caller->uid == 0)
                return 1;

        if (c && c->message == m && c->answered) {
                if (!question_equal(&c->asked, q))
                        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                                 "%s: the interface was renamed while polkit was asked about %s",
                                                 q->action, c->asked.interface);
                return verdict_to_error(c->verdict, q, error);
        }

        limit = limits_check_authorization(calls->limits, caller->uid);
        if (limit != LIMIT_NONE)
                return refused(calls, limit, caller, q, error);

        r = call_get(calls, m, handler, object, caller, &c);
        if (r < 0)
                return cannot_wait(r, error);
        r = polkit_check(calls->polkit, calls->limits, caller, q,
                         sd_bus_message_get_allow_interactive_authorization(m) > 0, on_verdict, c, &c->check);
        if (r < 0) {
                if (c != calls->running)
                        call_free(c);
                return r;
        }

        c->asked = *q;
        c->state = CALL_WAITS_FOR_POLKIT;
        return 0;
}

void calls_object_gone(Calls *calls, const void *object, const char *error_name, const char *message) {
        for (Call *c = LIST_FIRST(&calls->waiting), *next; c; c = next) {
                next = LIST_NEXT(c, waiting);
                if (c->object == object && c != calls->running)
                        call_fail(c, &SD_BUS_ERROR_MAKE_CONST(error_name, message));
        }
}

void calls_set_vanished(Calls *calls, void (*f)(Caller *caller, void *userdata), void *userdata) {
        calls->vanished = f;
        calls->userdata = userdata;
}

int calls_new(sd_bus *bus, Limits *limits, Calls **ret) {
        static const CallersHandler handler = {
                .known = on_caller_known,
                .failed = on_caller_failed,
                .vanished = on_caller_vanished,
        };
        Calls *c = calloc(1, sizeof(Calls));
        int r;

        if (!c)
                return -ENOMEM;
        c->limits = limits;

        r = polkit_new(bus, &c->polkit);
        if (r >= 0)
                r = callers_new(bus, &handler, c, &c->callers);
        if (r < 0) {
                calls_free(c);
                return r;
        }

        *ret = c;
        return 0;
}

Calls *calls_free(Calls *c) {
        if (!c)
                return NULL;

        while (!LIST_EMPTY(&c->waiting))
                call_free(LIST_FIRST(&c->waiting));
        polkit_free(c->polkit);
        callers_free(c->callers);
        free(c);
        return NULL;
}
