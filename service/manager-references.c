/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "manager-internal.h"
#include "promisc-names.h"
#include "util.h"

/* What one turn of the loop does for callers that vanished: units dropped, each a signal, or endings announced, two
 * signals each. About a millisecond for us and for the bus daemon, which others' replies wait for, too. */
#define DROPS_PER_TURN   64U
#define ENDINGS_PER_TURN 32U

static int compare_reference(const void *key, const void *item) {
        uint64_t a = *(const uint64_t *) key, b = ((const Reference *) item)->id;

        return a < b ? -1 : a > b;
}

Reference *manager_find_reference(const Manager *m, uint64_t id) {
        Reference *r = table_find(&m->references, &id);

        return r && reference_is_shown(r) ? r : NULL;
}

/* Needs no state to be unique while the machine is up: nobody acquires once a microsecond. */
static uint64_t next_id(Manager *m) {
        uint64_t now = now_usec(CLOCK_BOOTTIME);

        m->last_id = now > m->last_id ? now : m->last_id + 1;
        return m->last_id;
}

static void drop_unit(Manager *m, Reference *r) {
        packet_pool_drop(m->pool, &r->unit);
        if (!r->holds)
                return;
        r->holds = false;
        r->link->n_units--;
        r->link->dropped++;
}

void manager_end_reference(Manager *m, Reference *r, const char *cause) {
        Link *l = r->link;

        if (r->cause) {
                m->n_ending--;
                m->n_dropping -= r->unit.socket != NULL;
        }
        drop_unit(m, r);
        if (l->n_references == 1)
                l->identity_fd = close_fd(l->identity_fd);

        limits_give_reference(&m->limits, r->uid);
        m->now.references -= reference_is_shown(r);
        r->cause = NULL; /* its object is there until it has said why it goes */
        if (r->published && m->observer)
                m->observer->reference_ended(r, cause, m->observer_userdata);

        /* After that, so that whoever is killed in between is followed by one who tells of it. */
        if (r->recorded)
                state_remove(m->state, r->id);
        if (r->descriptor && m->state && !m->leaving)
                descriptor_remove(state_get_descriptors_fd(m->state), r->id);
        table_remove(&m->references, &r->id);
        reference_free(r);
}

void manager_end_references_on(Manager *m, Link *l, const char *cause) {
        Reference *r;

        while ((r = LIST_FIRST(&l->references)))
                manager_end_reference(m, r, r->cause ?: cause);
}

static unsigned drop_some(Manager *m) {
        unsigned n = 0;

        for (size_t i = m->references.n; i > 0 && m->n_dropping > 0 && n < DROPS_PER_TURN; i--) {
                Reference *r = m->references.items[i - 1];

                if (!r->cause || !r->unit.socket)
                        continue;
                drop_unit(m, r);
                m->n_dropping--;
                n++;
        }

        return n;
}

static void announce_some(Manager *m) {
        unsigned n = 0;

        for (size_t i = m->references.n; i > 0 && m->n_ending > 0 && n < ENDINGS_PER_TURN; i--) {
                Reference *r = m->references.items[i - 1];

                if (!r->cause)
                        continue;
                manager_end_reference(m, r, r->cause);
                n++;
        }
}

static int on_ending(sd_event_source *s, void *userdata) {
        Manager *m = userdata;

        /* The units first, of all: they are what costs others something. */
        if (drop_some(m) == 0)
                announce_some(m);

        manager_drain(m);
        if (m->n_ending == 0) {
                manager_publish(m);
                sd_event_source_set_enabled(s, SD_EVENT_OFF);
        }
        return 0;
}

void manager_end_references_of(Manager *m, Caller *caller, const char *cause) {
        Reference *r;

        while ((r = LIST_FIRST(&caller->references))) {
                reference_forget_caller(r);
                m->now.references -= reference_is_shown(r);
                r->cause = cause;
                m->n_ending++;
                m->n_dropping++;
        }

        if (!m->paused)
                sd_event_source_set_enabled(m->ending, SD_EVENT_ON);
}

void manager_end_all_references(Manager *m, const char *cause) {
        while (m->references.n > 0) {
                Reference *r = m->references.items[m->references.n - 1];

                manager_end_reference(m, r, r->cause ?: cause);
        }
        manager_catch_up(m);
        manager_publish(m);
}

static void end_by_itself(Reference *r, const char *cause) {
        Manager *m = r->manager;

        if (r->cause)
                return;
        manager_end_reference(m, r, cause);
        manager_drain(m);
        manager_publish(m);
}

int manager_on_descriptor_closed(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        end_by_itself(userdata, PROMISC_CAUSE_DESCRIPTOR_CLOSED);
        return 0;
}

static int on_expired(sd_event_source *s, uint64_t usec, void *userdata) {
        end_by_itself(userdata, PROMISC_CAUSE_EXPIRED);
        return 0;
}

int manager_arm_expiry(Manager *m, Reference *r) {
        if (r->deadline == 0)
                return 0;

        return sd_event_add_time(m->event, &r->timer, CLOCK_BOOTTIME, r->deadline, USEC_PER_MSEC, on_expired, r);
}

void manager_identify_link(Manager *m, Link *l) {
        if (l->n_references == 0 || l->identity_fd >= 0 ||
            views_open_identity(&m->views, l->name, l->ifindex, &l->identity_fd) < 0)
                return;
        if (fd_is_reserved(l->identity_fd))
                l->identity_fd = close_fd(l->identity_fd);
}

/* A reference that holds nothing yet, on the books. */
static int book_reference(Manager *m, Link *l, Caller *caller, const char *reason, uint64_t timeout, int *ret_reader,
                          Reference **ret) {
        Reference *r;
        int k;

        k = limits_take_reference(&m->limits, caller->uid);
        if (k < 0)
                return k;

        k = reference_new(next_id(m), l, caller->name, caller->uid, caller->pid, reason, &r);
        if (k >= 0) {
                k = table_insert(&m->references, &r->id, r);
                if (k < 0)
                        reference_free(r);
        }
        if (k < 0) {
                limits_give_reference(&m->limits, caller->uid);
                return k;
        }

        manager_identify_link(m, l);
        if (timeout > 0) {
                r->expires_timestamp = r->acquired_timestamp + timeout;
                r->deadline = now_usec(CLOCK_BOOTTIME) + timeout;
        }
        k = manager_arm_expiry(m, r);
        if (k >= 0 && ret_reader)
                k = descriptor_new(m->event, m->state ? state_get_descriptors_fd(m->state) : -1, r->id,
                                   manager_on_descriptor_closed, r, &r->descriptor, ret_reader);
        else if (k >= 0)
                reference_bind_caller(r, caller);
        if (k < 0) {
                manager_end_reference(m, r, NULL);
                return k;
        }

        *ret = r;
        return 0;
}

/* The record is written before the unit is taken, so that no crash leaves a unit without one. */
static int record(Manager *m, Reference *r) {
        StateReference s = {
                .id = r->id,
                .ifindex = r->link->ifindex,
                .inode = packet_unit_get_inode(&r->unit),
                .address_length = r->unit.address_length,
                .descriptor = r->descriptor,
                .uid = r->uid,
                .pid = r->pid,
                .acquired = r->acquired_timestamp,
                .expires = r->expires_timestamp,
                .deadline = r->deadline,
        };
        int k;

        if (!m->state)
                return 0;

        strncpy(s.owner, r->owner, sizeof(s.owner) - 1);
        memcpy(s.bus, m->bus_id, sizeof(s.bus));
        strncpy(s.reason, r->reason, sizeof(s.reason) - 1);
        k = state_write(m->state, &s);
        if (k >= 0)
                r->recorded = true;
        return k;
}

static int take_unit(Manager *m, Reference *r) {
        int k;

        k = packet_pool_book(m->pool, r->link->ifindex, r->id, r->link->place.address_length, r->uid == 0, &r->unit);
        if (k >= 0)
                k = record(m, r);
        if (k >= 0)
                k = packet_unit_take(&r->unit);
        if (k < 0)
                return k;

        r->holds = true;
        r->link->n_units++;
        r->link->taken++;
        return 0;
}

int manager_acquire(Manager *m, Link *l, Caller *caller, const char *reason, uint64_t timeout, int *ret_reader,
                    Reference **ret) {
        _cleanup_(close_fdp) int reader = -1;
        uint64_t id, serial = l->serial;
        int k, ifindex = l->ifindex;
        Reference *r;
        Limit limit;

        /* What is queued is older than what the kernel would do now: a link that has gone is gone from here on. */
        manager_catch_up(m);
        l = manager_find_link(m, ifindex);
        if (!l || l->serial != serial || !l->published)
                return -ENODEV;

        /* An overrun may have hidden that it is another one. */
        if (l->identity_fd >= 0 && views_check_identity(l->identity_fd, ifindex) == -ENODEV)
                manager_end_references_on(m, l, PROMISC_CAUSE_LINK_REMOVED);

        limit = limits_check_reference(&m->limits, caller->uid);
        if (limit != LIMIT_NONE)
                return (int) limit;

        k = book_reference(m, l, caller, reason, timeout, ret_reader ? &reader : NULL, &r);
        if (k < 0)
                return k;
        id = r->id;

        k = take_unit(m, r);
        if (k < 0) {
                manager_end_reference(m, r, NULL);
                return k;
        }

        /* Also takes over the step that this made. If the link went in between, the unit is perhaps on another one with
         * the same index: its removal has ended the reference, and dropped the unit there. */
        manager_catch_up(m);
        r = table_find(&m->references, &id);
        if (!r)
                return -ENODEV;

        r->published = true;
        m->now.references++;
        if (m->observer)
                m->observer->reference_added(r, m->observer_userdata);
        manager_publish(m);

        if (ret_reader)
                *ret_reader = TAKE_FD(reader);
        *ret = r;
        return 0;
}

int manager_start_references(Manager *m) {
        int r;

        m->references.compare = compare_reference;
        r = sd_event_add_defer(m->event, &m->ending, on_ending, m);
        return r < 0 ? r : sd_event_source_set_enabled(m->ending, SD_EVENT_OFF);
}

void manager_free_references(Manager *m) {
        while (m->references.n > 0) {
                Reference *r = m->references.items[m->references.n - 1];

                if (m->leaving) {
                        r->unit.socket = NULL;
                        r->recorded = false;
                }
                manager_end_reference(m, r, NULL);
        }
        table_done(&m->references);
        m->ending = sd_event_source_disable_unref(m->ending);
}
