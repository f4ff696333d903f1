/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "util.h"

#define CORRUPT_ABOVE (UINT32_C(1) << 31)

const char *holder_kind_to_string(HolderKind kind) {
        static const char *const names[HOLDER_KIND_MAX] = {
                [HOLDER_USER] = "user",
                [HOLDER_REFERENCE] = "reference",
                [HOLDER_PACKET_SOCKET] = "packet-socket",
                [HOLDER_BRIDGE] = "bridge",
                [HOLDER_OPENVSWITCH] = "openvswitch",
                [HOLDER_BOND] = "bond",
                [HOLDER_TEAM] = "team",
                [HOLDER_HSR] = "hsr",
                [HOLDER_DSA] = "dsa",
                [HOLDER_VLAN] = "vlan",
                [HOLDER_MACVLAN] = "macvlan",
                [HOLDER_MACVTAP] = "macvtap",
                [HOLDER_MACSEC] = "macsec",
                [HOLDER_UNICAST_LIST] = "unicast-list",
                [HOLDER_UNATTRIBUTED] = "unattributed",
                [HOLDER_CORRUPT_COUNTER] = "corrupt-counter",
        };

        return names[kind];
}

int holders_add(Holders *h, const Holder *one) {
        if (h->n == h->n_allocated) {
                size_t n = h->n_allocated ? h->n_allocated * 2 : 16;
                Holder *items = reallocarray(h->items, n, sizeof(Holder));

                if (!items)
                        return -ENOMEM;
                h->items = items;
                h->n_allocated = n;
        }

        h->items[h->n++] = *one;
        return 0;
}

void holders_clear(Holders *h) {
        h->n = 0;
}

void holders_done(Holders *h) {
        free(h->items);
        *h = (Holders){};
}

bool holders_explain(const Holders *h, uint32_t counter) {
        uint64_t sum = 0;

        for (size_t i = 0; i < h->n; i++)
                if (!h->items[i].possible)
                        sum += h->items[i].count;
        return sum == counter;
}

/* Returns what the counter has left. */
static uint32_t give(Holders *h, bool possible, uint32_t left) {
        for (size_t i = 0; i < h->n; i++) {
                Holder *o = h->items + i;

                if (o->possible != possible)
                        continue;
                if (o->count > left)
                        o->count = left;
                left -= o->count;
        }
        return left;
}

static void remove_empty(Holders *h) {
        size_t n = 0;

        for (size_t i = 0; i < h->n; i++)
                if (h->items[i].count > 0)
                        h->items[n++] = h->items[i];
        h->n = n;
}

int holders_settle(Holders *h, uint32_t counter) {
        bool corrupt = counter > CORRUPT_ABOVE;
        uint32_t left;

        left = give(h, false, counter);
        if (corrupt)
                give(h, true, 0); /* what is left over is no measure of anything */
        else
                left = give(h, true, left);
        remove_empty(h);

        if (left == 0)
                return 0;
        return holders_add(h, &(const Holder){
                .kind = corrupt ? HOLDER_CORRUPT_COUNTER : HOLDER_UNATTRIBUTED,
                .count = left,
        });
}

Ledger ledger_from_holders(const Holders *h) {
        Ledger l = {};

        for (size_t i = 0; i < h->n; i++) {
                l.units[h->items[i].kind] += h->items[i].count;
                l.promiscuity += h->items[i].count;
        }
        return l;
}

bool ledger_units_equal(const Ledger *a, const Ledger *b) {
        return memcmp(a->units, b->units, sizeof(a->units)) == 0;
}
