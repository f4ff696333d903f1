/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "limits.h"
#include "promisc-names.h"
#include "util.h"

typedef struct User {
        uid_t uid;
        unsigned n_references, n_authorizations;
        uint64_t listed;    /* objects, not yet forgotten at … */
        uint64_t listed_at; /* µs of CLOCK_MONOTONIC */
} User;

static int compare_user(const void *key, const void *item) {
        uid_t a = *(const uid_t *) key, b = ((const User *) item)->uid;

        return a < b ? -1 : a > b;
}

static uint64_t listed_now(const User *u, uint64_t now) {
        uint64_t forgotten = (now - u->listed_at) * LISTED_PER_SECOND / USEC_PER_SEC;

        return forgotten < u->listed ? u->listed - forgotten : 0;
}

void limits_init(Limits *l, unsigned references_max, unsigned references_per_user_max) {
        *l = (Limits){
                .references_max = references_max,
                .references_per_user_max = references_per_user_max,
                .users.compare = compare_user,
        };
}

void limits_done(Limits *l) {
        for (size_t i = 0; i < l->users.n; i++)
                free(l->users.items[i]);
        table_done(&l->users);
}

Limit limits_check_reference(const Limits *l, uid_t uid) {
        const User *u = table_find(&l->users, &uid);

        if (l->n_references >= l->references_max)
                return LIMIT_REFERENCES_ALL;
        if (uid == 0)
                return LIMIT_NONE;
        if (l->n_references + PROMISC_REFERENCES_ROOT >= l->references_max)
                return LIMIT_REFERENCES_ALL;
        if ((u ? u->n_references : 0) >= l->references_per_user_max)
                return LIMIT_REFERENCES_USER;
        return LIMIT_NONE;
}

Limit limits_check_authorization(const Limits *l, uid_t uid) {
        const User *u = table_find(&l->users, &uid);

        if (u && u->n_authorizations >= AUTHORIZATIONS_PER_USER_MAX)
                return LIMIT_AUTHORIZATIONS_USER;
        if (l->n_authorizations >= AUTHORIZATIONS_MAX)
                return LIMIT_AUTHORIZATIONS_ALL;
        return LIMIT_NONE;
}

/* A user is remembered for its allowance alone until somebody new comes. */
static void forget_idle(Limits *l) {
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        for (size_t i = l->users.n; i > 0; i--) {
                User *u = l->users.items[i - 1];

                if (u->n_references == 0 && u->n_authorizations == 0 && listed_now(u, now) == 0)
                        free(table_remove(&l->users, &u->uid));
        }
}

static int user_get(Limits *l, uid_t uid, User **ret) {
        User *u = table_find(&l->users, &uid);
        int r;

        if (!u) {
                u = calloc(1, sizeof(User));
                if (!u)
                        return -ENOMEM;
                u->uid = uid;
                forget_idle(l);
                r = table_insert(&l->users, &uid, u);
                if (r < 0) {
                        free(u);
                        return r;
                }
        }

        *ret = u;
        return 0;
}

static void user_put(Limits *l, User *u) {
        if (u->n_references == 0 && u->n_authorizations == 0 && u->listed == 0)
                free(table_remove(&l->users, &u->uid));
}

int limits_take_reference(Limits *l, uid_t uid) {
        User *u;
        int r = user_get(l, uid, &u);

        if (r < 0)
                return r;
        u->n_references++;
        l->n_references++;
        return 0;
}

void limits_give_reference(Limits *l, uid_t uid) {
        User *u = table_find(&l->users, &uid);

        u->n_references--;
        l->n_references--;
        user_put(l, u);
}

int limits_take_authorization(Limits *l, uid_t uid) {
        User *u;
        int r = user_get(l, uid, &u);

        if (r < 0)
                return r;
        u->n_authorizations++;
        l->n_authorizations++;
        return 0;
}

void limits_give_authorization(Limits *l, uid_t uid) {
        User *u = table_find(&l->users, &uid);

        u->n_authorizations--;
        l->n_authorizations--;
        user_put(l, u);
}

bool limits_charge_listing(Limits *l, uid_t uid, uint64_t now, unsigned n) {
        uint64_t listed;
        User *u;

        if (uid == 0)
                return true;
        if (user_get(l, uid, &u) < 0)
                return false;

        listed = listed_now(u, now);
        if (listed > 0 && listed + n > LISTED_MAX)
                return false;

        u->listed = listed + n;
        u->listed_at = now;
        return true;
}
