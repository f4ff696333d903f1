/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "util.h"

static char **names_free(char **names) {
        for (char **n = names; n && *n; n++)
                free(*n);
        free(names);
        return NULL;
}

static void names_freep(char ***names) {
        names_free(*names);
}

static int count_name(const char *name, void *userdata) {
        ++*(size_t *) userdata;
        return 0;
}

static int copy_name(const char *name, void *userdata) {
        char ***next = userdata;

        **next = strdup(name);
        if (!**next)
                return -ENOMEM;
        ++*next;
        return 0;
}

static int same_name(const char *name, void *userdata) {
        char ***next = userdata;

        if (!*next || !**next || strcmp(**next, name) != 0)
                return 1;
        ++*next;
        return 0;
}

static bool names_equal(char **a, char **b) {
        for (; a && b && *a && *b; a++, b++)
                if (strcmp(*a, *b) != 0)
                        return false;
        return (!a || !*a) && (!b || !*b);
}

static int names_from_message(const LinkMessage *m, char ***ret) {
        _cleanup_(names_freep) char **names = NULL;
        char **next;
        size_t n = 0;
        int r;

        link_message_each_alternative_name(m, count_name, &n);
        if (n > 0) {
                names = calloc(n + 1, sizeof(char *));
                if (!names)
                        return -ENOMEM;
                next = names;
                r = link_message_each_alternative_name(m, copy_name, &next);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

static int update_alternative_names(Link *l, const LinkMessage *m) {
        char **names, **next = l->alternative_names;
        int r;

        /* Nearly always nothing changed: compare before anything is allocated. */
        if (link_message_each_alternative_name(m, same_name, &next) == 0 && (!next || !*next))
                return 0;

        r = names_from_message(m, &names);
        if (r < 0)
                return r;

        if (l->published && !l->altered) {
                l->announced_alternative_names = l->alternative_names;
                l->altered = true;
        } else
                names_free(l->alternative_names);
        l->alternative_names = names;
        return 1;
}

int link_new(const LinkMessage *m, Link **ret) {
        Link *l = calloc(1, sizeof(Link));
        int r;

        if (!l)
                return -ENOMEM;

        l->ifindex = m->ifindex;
        l->identity_fd = -1;
        l->unaccounted = m->promiscuity > 0;
        l->now.promiscuity = m->promiscuity;
        r = link_update(l, m);
        if (r < 0) {
                link_free(l);
                return r;
        }

        *ret = l;
        return 0;
}

Link *link_free(Link *l) {
        if (!l)
                return NULL;

        names_free(l->alternative_names);
        names_free(l->announced_alternative_names);
        close_fd(l->identity_fd);
        free(l);
        return NULL;
}

int link_update(Link *l, const LinkMessage *m) {
        bool new;
        int r;

        r = update_alternative_names(l, m);
        if (r < 0)
                return r;

        new = r > 0 || strcmp(l->name, m->name) != 0 || l->now.netlink_flags != m->flags ||
                l->now.allmulti != m->allmulti;
        memcpy(l->name, m->name, sizeof(l->name));
        l->now.netlink_flags = m->flags;
        l->now.allmulti = m->allmulti;
        l->place = m->place;
        return new;
}

void link_set_promiscuity(Link *l, uint32_t promiscuity) {
        if (l->now.promiscuity == 0 && promiscuity > 0)
                l->promiscuous_timestamp = now_usec(CLOCK_REALTIME);

        if (promiscuity == l->now.promiscuity + 1)
                l->ups++;
        else if (promiscuity == l->now.promiscuity - 1)
                l->downs++;
        else if (promiscuity != l->now.promiscuity)
                l->unaccounted = true;
        l->now.promiscuity = promiscuity;
}

void link_set_ledger(Link *l, const Ledger *ledger) {
        if (l->ledger.promiscuity != ledger->promiscuity)
                l->ledger_changes |= LINK_CHANGE_PROMISCUITY;
        if (!ledger_units_equal(&l->ledger, ledger))
                l->ledger_changes |= LINK_CHANGE_HOLDERS;
        if (l->ledger.units[HOLDER_UNATTRIBUTED] != ledger->units[HOLDER_UNATTRIBUTED])
                l->ledger_changes |= LINK_CHANGE_UNATTRIBUTED;

        for (HolderKind k = 0; ledger->promiscuity > 0 && k < HOLDER_KIND_MAX; k++)
                l->last_kinds = (l->last_kinds & ~(UINT32_C(1) << k)) | (uint32_t) (ledger->units[k] > 0) << k;
        l->ledger = *ledger;
        l->taken = l->dropped = l->ups = l->downs = 0;
}

bool link_carry_ledger(Link *l) {
        Ledger next = {};

        if (l->now.promiscuity > 0) {
                if (l->unaccounted || l->ups != l->taken || l->downs != l->dropped)
                        return false;

                next = l->ledger;
                next.promiscuity += l->taken - l->dropped;
                next.units[HOLDER_REFERENCE] += l->taken - l->dropped;
                if (next.promiscuity != l->now.promiscuity || next.units[HOLDER_REFERENCE] != l->n_units)
                        return false;
        }

        link_set_ledger(l, &next);
        l->unaccounted = false;
        return true;
}

int link_read_views(Link *l, const Views *v) {
        int r, q;

        r = views_read_sysfs(v, l->name, l->ifindex, &l->now.sysfs_flags);
        q = views_read_ioctl(v, l->name, l->ifindex, &l->now.ioctl_flags);
        return r < 0 ? r : q;
}

unsigned link_readings_diff(const LinkReadings *a, const LinkReadings *b) {
        return (a->sysfs_flags != b->sysfs_flags ? LINK_CHANGE_SYSFS_FLAGS : 0U) |
                (a->netlink_flags != b->netlink_flags ? LINK_CHANGE_NETLINK_FLAGS : 0U) |
                (a->ioctl_flags != b->ioctl_flags ? LINK_CHANGE_IOCTL_FLAGS : 0U) |
                (a->allmulti != b->allmulti ? LINK_CHANGE_ALL_MULTICAST : 0U) |
                (link_is_promiscuous(a) != link_is_promiscuous(b) ? LINK_CHANGE_PROMISCUOUS : 0U) |
                (link_is_user_requested(a) != link_is_user_requested(b) ? LINK_CHANGE_USER_REQUESTED : 0U);
}

unsigned link_take_changes(Link *l) {
        unsigned mask = link_readings_diff(&l->announced, &l->now) | l->ledger_changes;

        if (strcmp(l->name, l->announced_name) != 0)
                mask |= LINK_CHANGE_NAME;
        if (l->altered && !names_equal(l->alternative_names, l->announced_alternative_names))
                mask |= LINK_CHANGE_ALTERNATIVE_NAMES;
        if (l->promiscuous_timestamp != l->announced_timestamp)
                mask |= LINK_CHANGE_PROMISCUOUS_TIMESTAMP;

        l->announced = l->now;
        l->ledger_changes = 0;
        memcpy(l->announced_name, l->name, sizeof(l->name));
        l->announced_timestamp = l->promiscuous_timestamp;
        l->announced_alternative_names = names_free(l->announced_alternative_names);
        l->altered = false;
        return mask;
}

bool link_has_name(const Link *l, const char *name) {
        if (strcmp(l->name, name) == 0)
                return true;
        for (char **n = l->alternative_names; n && *n; n++)
                if (strcmp(*n, name) == 0)
                        return true;
        return false;
}
