/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "log.h"
#include "polkit.h"
#include "util.h"

#define POLKIT_NAME         "org.freedesktop.PolicyKit1"
#define POLKIT_PATH         "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE    "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_INTERACTION  1U /* AllowUserInteraction */

#define ANSWER_USEC             (10 * USEC_PER_SEC)
#define ANSWER_INTERACTIVE_USEC (5 * 60 * USEC_PER_SEC)

struct Polkit {
        sd_bus *bus;
        uint64_t last_cancellation;
        unsigned n_unanswered; /* that polkit did not answer in time, and has not since */
        bool warned;           /* that it does not do its work; once, until it does */
        LIST_HEAD(, PolkitCheck) checks;
};

struct PolkitCheck {
        Polkit *polkit;
        LIST_ENTRY(PolkitCheck) checks;

        Limits *limits;
        uid_t uid;
        uint64_t cancellation;
        bool interactive;
        bool abandoned;  /* nobody waits for the answer any more */
        bool unanswered; /* because it did not come in time */
        sd_bus_slot *slot;
        sd_event_source *timer;

        polkit_verdict_t f;
        void *userdata;
};

int polkit_new(sd_bus *bus, Polkit **ret) {
        Polkit *p = calloc(1, sizeof(Polkit));

        if (!p)
                return -ENOMEM;
        p->bus = bus; /* who frees us first owns it */
        *ret = p;
        return 0;
}

static PolkitCheck *check_free(PolkitCheck *c) {
        if (!c)
                return NULL;

        LIST_REMOVE(c, checks);
        limits_give_authorization(c->limits, c->uid);
        c->polkit->n_unanswered -= c->unanswered;
        sd_bus_slot_unref(c->slot);
        sd_event_source_disable_unref(c->timer);
        free(c);
        return NULL;
}

static void check_freep(PolkitCheck **c) {
        check_free(*c);
}

Polkit *polkit_free(Polkit *p) {
        if (!p)
                return NULL;

        while (!LIST_EMPTY(&p->checks))
                check_free(LIST_FIRST(&p->checks));
        free(p);
        return NULL;
}

PolkitCheck *polkit_check_cancel(PolkitCheck *c) {
        Polkit *p;
        char id[32];
        int r;

        if (!c)
                return NULL;

        p = c->polkit;
        c->abandoned = true;
        c->timer = sd_event_source_disable_unref(c->timer);

        snprintf(id, sizeof(id), "promiscd-%" PRIu64, c->cancellation);
        r = sd_bus_call_method_async(p->bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                     "CancelCheckAuthorization", NULL, NULL, "s", id);
        if (r < 0)
                log_debug("Cannot cancel a question to polkit: %s", strerror(-r));
        return NULL;
}

static int read_reply(sd_bus_message *reply, bool interactive, Verdict *ret) {
        int r, authorized, challenge, dismissed = false;
        const char *key, *value;

        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "{ss}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "{ss}", &key, &value)) > 0)
                if (strcmp(key, "polkit.dismissed") == 0 && value[0])
                        dismissed = true;
        if (r < 0)
                return r;

        *ret = verdict_from_reply(authorized, challenge, dismissed, interactive);
        return 0;
}

/* Everybody may ask, so that everybody could fill the journal. */
static void warn_once(Polkit *p, const char *why) {
        log_line(p->warned ? LOG_DEBUG : LOG_WARNING, NULL, "polkit does not authorize anybody: %s", why);
        p->warned = true;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        PolkitCheck *c = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Verdict verdict = VERDICT_UNAVAILABLE;
        polkit_verdict_t f = c->f;
        int r;

        if (c->abandoned) {
                check_free(c);
                return 0;
        }

        r = e ? 0 : read_reply(reply, c->interactive, &verdict);
        if (e)
                warn_once(c->polkit, e->message ?: e->name);
        else if (r < 0)
                warn_once(c->polkit, "its answer makes no sense");
        else
                c->polkit->warned = false;

        userdata = c->userdata;
        check_free(c);
        f(verdict, userdata);
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        PolkitCheck *c = userdata;
        polkit_verdict_t f = c->f;

        warn_once(c->polkit, "no answer in time");
        c->unanswered = true;
        c->polkit->n_unanswered++;
        userdata = c->userdata;
        polkit_check_cancel(c);
        f(VERDICT_NO_ANSWER, userdata);
        return 0;
}

static int append_detail(sd_bus_message *m, const char *key, const char *value) {
        return value[0] ? sd_bus_message_append(m, "{ss}", key, value) : 0;
}

static int append_details(sd_bus_message *m, const Question *q) {
        _cleanup_(freep) char *message = NULL;
        char ifindex[16];
        int r;

        r = question_message(q, &message);
        if (r < 0) {
                message = NULL;
                return r;
        }
        snprintf(ifindex, sizeof(ifindex), "%i", q->ifindex);

        r = sd_bus_message_open_container(m, 'a', "{ss}");
        if (r >= 0)
                r = append_detail(m, "interface", q->interface);
        if (r >= 0)
                r = append_detail(m, "ifindex", ifindex);
        if (r >= 0)
                r = append_detail(m, "reason", q->reason);
        if (r >= 0)
                r = append_detail(m, "polkit.message", message);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int call_polkit(PolkitCheck *c, const char *peer, const Question *q) {
        sd_bus_message *m = NULL;
        char id[32];
        int r;

        r = sd_bus_message_new_method_call(c->polkit->bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");
        if (r < 0)
                return r;

        snprintf(id, sizeof(id), "promiscd-%" PRIu64, c->cancellation);
        r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", peer, q->action);
        if (r >= 0)
                r = append_details(m, q);
        if (r >= 0)
                r = sd_bus_message_append(m, "us", c->interactive ? POLKIT_INTERACTION : 0U, id);
        /* The timeout is ours: sd-bus would forget a question that the bus still counts. */
        if (r >= 0)
                r = sd_bus_call_async(c->polkit->bus, &c->slot, m, on_reply, c, UINT64_MAX);

        sd_bus_message_unref(m);
        return r;
}

bool polkit_is_silent(const Polkit *p) {
        return p->n_unanswered > 0;
}

int polkit_check(Polkit *p, Limits *limits, const Caller *caller, const Question *q, bool interactive,
                 polkit_verdict_t f, void *userdata, PolkitCheck **ret) {
        _cleanup_(check_freep) PolkitCheck *c = NULL;
        int r;

        r = limits_take_authorization(limits, caller->uid);
        if (r < 0)
                return r;

        c = calloc(1, sizeof(PolkitCheck));
        if (!c) {
                limits_give_authorization(limits, caller->uid);
                return -ENOMEM;
        }
        LIST_INSERT_HEAD(&p->checks, c, checks);
        c->polkit = p;
        c->limits = limits;
        c->uid = caller->uid;
        c->cancellation = ++p->last_cancellation;
        c->interactive = interactive;
        c->f = f;
        c->userdata = userdata;

        r = sd_event_add_time_relative(sd_bus_get_event(p->bus), &c->timer, CLOCK_BOOTTIME,
                                       interactive ? ANSWER_INTERACTIVE_USEC : ANSWER_USEC, 10 * USEC_PER_MSEC,
                                       on_timeout, c);
        if (r < 0)
                return r;

        r = call_polkit(c, caller->name, q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}
