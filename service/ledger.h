/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Who holds the units of one counter. Nothing here asks anybody: what was found is added up, and what is left over is
 * shown, never guessed away. */

typedef enum HolderKind {
        HOLDER_USER, /* IFF_PROMISC, set by hand */
        HOLDER_REFERENCE,
        HOLDER_PACKET_SOCKET,
        HOLDER_BRIDGE,
        HOLDER_OPENVSWITCH,
        HOLDER_BOND,
        HOLDER_TEAM,
        HOLDER_HSR,
        HOLDER_DSA,
        HOLDER_VLAN,
        HOLDER_MACVLAN,
        HOLDER_MACVTAP,
        HOLDER_MACSEC,
        HOLDER_UNICAST_LIST, /* secondary unicast addresses on a device that cannot filter by them */
        HOLDER_UNATTRIBUTED, /* the rest */
        HOLDER_CORRUPT_COUNTER,
        HOLDER_KIND_MAX,
} HolderKind;

/* As in the contract. */
const char *holder_kind_to_string(HolderKind kind);

typedef struct Holder {
        HolderKind kind;
        bool possible;  /* whether it holds anything cannot be seen: it does if a unit is left that nothing else explains */
        uint32_t count; /* units */
        int upper;      /* ifindex of the device above: of a master, or one that is stacked on the link */
        uint64_t inode; /* of a packet socket */
        uid_t uid;      /* of a packet socket or reference */
        uint64_t id;    /* of a reference */
} Holder;

typedef struct Holders {
        Holder *items;
        size_t n, n_allocated;
} Holders;

/* Errors: -ENOMEM. */
int holders_add(Holders *h, const Holder *one);
void holders_clear(Holders *h); /* keeps the memory */
void holders_done(Holders *h);

/* Whether what certainly holds a unit is exactly what the counter says. Pure. */
bool holders_explain(const Holders *h, uint32_t counter);

/* Makes the counts add up to the counter. What is certain comes first, each in its order, then what is possible; of those
 * that the counter has no room for, none is left. The rest becomes an entry of its own: HOLDER_UNATTRIBUTED, or
 * HOLDER_CORRUPT_COUNTER for a counter above 2^31, which the kernel underflowed. Errors: -ENOMEM. */
int holders_settle(Holders *h, uint32_t counter);

/* The same in short: units by kind, which always add up to promiscuity. All zero for a counter of zero. */
typedef struct Ledger {
        uint32_t promiscuity;
        uint32_t units[HOLDER_KIND_MAX];
} Ledger;

/* Adds up what was settled. Pure. */
Ledger ledger_from_holders(const Holders *h);

/* Whether Holders differs; promiscuity then mostly does too, but need not. */
bool ledger_units_equal(const Ledger *a, const Ledger *b);
