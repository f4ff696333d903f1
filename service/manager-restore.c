/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "manager-internal.h"
#include "packet-diag.h"
#include "promisc-names.h"
#include "util.h"

/* What our sockets hold, by the kernel's word. */
typedef struct Held {
        PacketEntry *entries; /* with ifindex 0 for the socket itself; ifindex -1 once a record was found for it */
        size_t n, n_allocated;
        Manager *manager;

        const ManagerOwners *owners;
        void *userdata;
        unsigned n_restored;
} Held;

static int collect(const PacketEntry *e, void *userdata) {
        Held *h = userdata;

        if (!packet_pool_has(h->manager->pool, e->inode))
                return 0;

        if (h->n == h->n_allocated) {
                size_t n = h->n_allocated ? h->n_allocated * 2 : 64;
                PacketEntry *entries = reallocarray(h->entries, n, sizeof(PacketEntry));

                if (!entries)
                        return -ENOMEM;
                h->entries = entries;
                h->n_allocated = n;
        }
        h->entries[h->n++] = *e;
        return 0;
}

/* Whether the kernel has an entry for that record. It is no matter for a socket that the kernel does not list. */
static bool is_held(Held *h, const StateReference *s) {
        bool listed = false;

        for (size_t i = 0; i < h->n; i++) {
                PacketEntry *e = h->entries + i;
                uint64_t id = 0;

                if (e->inode != s->inode)
                        continue;
                listed = true;
                for (unsigned k = 0; k < e->address_length && k < 6; k++)
                        id = id << 8 | e->address[k];
                if (e->ifindex == s->ifindex && e->address_length == s->address_length &&
                    (e->address_length == 0 || id == (s->id & UINT64_C(0xffffffffffff)))) {
                        e->ifindex = -1;
                        return true;
                }
        }

        return !listed;
}

static int restore(Held *h, const StateReference *s) {
        Manager *m = h->manager;
        Caller *caller = NULL;
        Reference *r;
        Link *l;
        int k;

        l = manager_find_link(m, s->ifindex);
        if (!l || !l->published)
                return -ENODEV;
        k = s->descriptor ? 0 : h->owners->get(s->owner, &caller, h->userdata);
        if (k < 0)
                return k;
        k = limits_take_reference(&m->limits, s->uid);
        if (k < 0)
                return k;
        k = reference_new(s->id, l, s->owner, s->uid, s->pid, s->reason, &r);
        if (k < 0) {
                limits_give_reference(&m->limits, s->uid);
                return k;
        }
        if (caller)
                reference_bind_caller(r, caller);

        r->acquired_timestamp = s->acquired;
        r->expires_timestamp = s->expires;
        r->deadline = s->deadline;
        k = table_insert(&m->references, &r->id, r);
        if (k >= 0 && s->descriptor)
                k = descriptor_reopen(m->event, state_get_descriptors_fd(m->state), r->id,
                                      manager_on_descriptor_closed, r, &r->descriptor);
        if (k >= 0)
                k = packet_pool_restore(m->pool, s->inode, s->ifindex, s->id, s->address_length, &r->unit);
        if (k >= 0)
                k = manager_arm_expiry(m, r);
        if (k < 0) {
                packet_pool_drop(m->pool, &r->unit);
                table_remove(&m->references, &r->id);
                limits_give_reference(&m->limits, s->uid);
                reference_free(r);
                return k;
        }

        r->recorded = r->published = r->holds = true;
        l->n_units++;
        m->now.references++;
        if (r->id > m->last_id)
                m->last_id = r->id;
        manager_identify_link(m, l);
        return 0;
}

/* Why there is no unit for a record. Where the former process had dropped it already, and was killed before it told, the
 * reason that it had still holds. */
static const char *cause_of_loss(const Held *h, const StateReference *s) {
        if (s->deadline > 0 && s->deadline <= now_usec(CLOCK_BOOTTIME))
                return PROMISC_CAUSE_EXPIRED;
        if (!s->descriptor && !h->owners->is_there(s->owner, h->userdata))
                return PROMISC_CAUSE_OWNER_VANISHED;
        return PROMISC_CAUSE_LINK_REMOVED;
}

static void on_record(const StateReference *s, void *userdata) {
        Held *h = userdata;
        Manager *m = h->manager;
        const char *cause = NULL;
        int r;

        if (!packet_pool_has(m->pool, s->inode))
                cause = PROMISC_CAUSE_SERVICE_STOPPED; /* the process ended, and nothing kept its sockets */
        else if (!s->descriptor && strcmp(s->bus, m->bus_id) != 0)
                cause = PROMISC_CAUSE_OWNER_VANISHED; /* names of another bus mean nothing on this one */
        else if (!is_held(h, s))
                cause = cause_of_loss(h, s);
        else {
                r = restore(h, s);
                if (r >= 0) {
                        h->n_restored++;
                        return;
                }
                cause = r == -ENXIO ? PROMISC_CAUSE_DESCRIPTOR_CLOSED : PROMISC_CAUSE_SERVICE_STOPPED;
                if (r != -ENXIO)
                        log_error("Cannot take over reference %" PRIu64 ", dropping it: %s", s->id, strerror(-r));
        }

        log_notice("Reference %" PRIu64 " of user %u ended while the service was away: %s", s->id, s->uid, cause);
        if (packet_pool_has(m->pool, s->inode)) {
                uint8_t address[6];

                for (unsigned i = 0; i < sizeof(address); i++)
                        address[i] = (uint8_t) (s->id >> (40 - 8 * i));
                packet_pool_drop_entry(m->pool, s->inode, s->ifindex, address, s->address_length);
        }
        state_remove(m->state, s->id);
        if (s->descriptor)
                descriptor_remove(state_get_descriptors_fd(m->state), s->id);
        if (m->observer)
                m->observer->reference_lost(s->id, cause, m->observer_userdata);
}

static void drop_unrecorded(Held *h) {
        for (size_t i = 0; i < h->n; i++) {
                const PacketEntry *e = h->entries + i;

                if (e->ifindex <= 0)
                        continue;
                log_error("Dropping a unit on link %i that there is no record of", e->ifindex);
                packet_pool_drop_entry(h->manager->pool, e->inode, e->ifindex, e->address, e->address_length);
        }
}

static bool is_in_use(uint64_t id, void *userdata) {
        return manager_find_reference(userdata, id);
}

int manager_restore(Manager *m, const ManagerOwners *owners, void *userdata) {
        Held h = { .manager = m, .owners = owners, .userdata = userdata };
        int r;

        if (!m->state)
                return 0;

        r = packet_diag_each(m->diag, collect, &h);
        if (r >= 0)
                r = state_each(m->state, on_record, &h);
        if (r >= 0) {
                drop_unrecorded(&h);
                r = descriptor_sweep(state_get_descriptors_fd(m->state), is_in_use, m);
        }
        if (r >= 0) {
                if (h.n_restored > 0)
                        log_info("References taken over: %u", h.n_restored);
                manager_catch_up(m);
                m->announced = m->now;
        } else
                log_error("Cannot take over what was held: %s", strerror(-r));

        free(h.entries);
        return r;
}
