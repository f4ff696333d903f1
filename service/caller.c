/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "caller.h"
#include "log.h"
#include "util.h"

/* The bus allows a connection 128 open replies, and polkit has its share of them. */
#define QUESTIONS_MAX 8U

struct Callers {
        sd_bus *bus;
        sd_bus_slot *match;
        Table table;
        unsigned n_questions;
        TAILQ_HEAD(, Caller) unasked;

        const CallersHandler *handler;
        void *userdata;
};

static int compare_caller(const void *key, const void *item) {
        return strcmp(key, ((const Caller *) item)->name);
}

static Caller *caller_free(Caller *c) {
        if (!c)
                return NULL;

        if (c->queued)
                TAILQ_REMOVE(&c->callers->unasked, c, unasked);
        if (c->slot)
                c->callers->n_questions--;
        sd_bus_slot_unref(c->slot);
        free(c->name);
        free(c);
        return NULL;
}

static void ask_next(Callers *s);

/* The peer has left, or the bus will not say who it is. */
static void give_up(Caller *c, bool failed) {
        Callers *s = c->callers;

        table_remove(&s->table, c->name);
        if (failed)
                s->handler->failed(c, s->userdata);
        s->handler->vanished(c, s->userdata);
        caller_free(c);
        ask_next(s);
}

static int read_credentials(sd_bus_message *reply, Caller *c) {
        bool uid = false;
        const char *key;
        uint32_t v;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &key);
                if (r < 0)
                        return r;
                if (strcmp(key, "UnixUserID") == 0) {
                        r = sd_bus_message_read(reply, "v", "u", &v);
                        c->uid = v;
                        uid = r >= 0;
                } else if (strcmp(key, "ProcessID") == 0) {
                        r = sd_bus_message_read(reply, "v", "u", &v);
                        c->pid = (pid_t) v;
                } else
                        r = sd_bus_message_skip(reply, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        return uid ? 0 : -ENODATA;
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Caller *c = userdata;
        Callers *s = c->callers;
        int r;

        c->slot = sd_bus_slot_unref(c->slot);
        s->n_questions--;

        r = sd_bus_message_is_method_error(reply, NULL) ? -sd_bus_message_get_errno(reply) :
                                                         read_credentials(reply, c);
        if (r < 0) {
                /* Mostly a peer that has already left, and hears nothing of it. */
                log_debug("The bus does not say who %s is: %s", c->name, strerror(-r));
                give_up(c, true);
                return 0;
        }

        c->known = true;
        ask_next(s);
        s->handler->known(c, s->userdata);
        return 0;
}

static int ask(Caller *c) {
        Callers *s = c->callers;
        int r;

        r = sd_bus_call_method_async(s->bus, &c->slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "GetConnectionCredentials", on_credentials, c, "s",
                                     c->name);
        if (r >= 0)
                s->n_questions++;
        return r;
}

static void ask_next(Callers *s) {
        Caller *c;

        while (s->n_questions < QUESTIONS_MAX && (c = TAILQ_FIRST(&s->unasked))) {
                TAILQ_REMOVE(&s->unasked, c, unasked);
                c->queued = false;
                if (ask(c) < 0) {
                        give_up(c, true);
                        return;
                }
        }
}

int callers_get(Callers *s, const char *name, Caller **ret) {
        Caller *c = table_find(&s->table, name);
        int r;

        if (c) {
                *ret = c;
                return 0;
        }

        c = calloc(1, sizeof(Caller));
        if (!c)
                return -ENOMEM;
        c->callers = s;
        c->name = strdup(name);
        if (!c->name) {
                caller_free(c);
                return -ENOMEM;
        }

        r = s->n_questions < QUESTIONS_MAX ? ask(c) : 0;
        if (r >= 0)
                r = table_insert(&s->table, c->name, c);
        if (r < 0) {
                caller_free(c);
                return r;
        }

        if (!c->slot) {
                TAILQ_INSERT_TAIL(&s->unasked, c, unasked);
                c->queued = true;
        }

        *ret = c;
        return 0;
}

static int on_name_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Callers *s = userdata;
        const char *name;
        Caller *c;

        if (sd_bus_message_read(m, "s", &name) < 0)
                return 0;

        c = table_find(&s->table, name);
        if (c)
                give_up(c, false);
        return 0;
}

int callers_new(sd_bus *bus, const CallersHandler *handler, void *userdata, Callers **ret) {
        Callers *s = calloc(1, sizeof(Callers));
        int r;

        if (!s)
                return -ENOMEM;
        s->bus = bus;
        s->table.compare = compare_caller;
        TAILQ_INIT(&s->unasked);
        s->handler = handler;
        s->userdata = userdata;

        /* A match for each peer would hit the bus daemon's limit of 512. */
        r = sd_bus_add_match(bus, &s->match,
                             "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                             "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
                             on_name_owner_changed, s);
        if (r < 0) {
                callers_free(s);
                return r;
        }

        *ret = s;
        return 0;
}

Callers *callers_free(Callers *s) {
        if (!s)
                return NULL;

        sd_bus_slot_unref(s->match);
        for (size_t i = 0; i < s->table.n; i++)
                caller_free(s->table.items[i]);
        table_done(&s->table);
        free(s);
        return NULL;
}
