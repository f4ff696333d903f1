/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "counters.h"
#include "ledger.h"
#include "rtnl-parse.h"
#include "views.h"

/* One network interface: what was read of it, and what has been announced. */

typedef struct LinkReadings {
        uint32_t sysfs_flags, netlink_flags, ioctl_flags;
        uint32_t promiscuity, allmulti;
} LinkReadings;

/* One bit for each property that can change. */
typedef enum LinkChange {
        LINK_CHANGE_NAME                  = 1 << 0,
        LINK_CHANGE_ALTERNATIVE_NAMES     = 1 << 1,
        LINK_CHANGE_SYSFS_FLAGS           = 1 << 2,
        LINK_CHANGE_NETLINK_FLAGS         = 1 << 3,
        LINK_CHANGE_IOCTL_FLAGS           = 1 << 4,
        LINK_CHANGE_PROMISCUITY           = 1 << 5,
        LINK_CHANGE_ALL_MULTICAST         = 1 << 6,
        LINK_CHANGE_PROMISCUOUS           = 1 << 7,
        LINK_CHANGE_USER_REQUESTED        = 1 << 8,
        LINK_CHANGE_PROMISCUOUS_TIMESTAMP = 1 << 9,
        LINK_CHANGE_HOLDERS               = 1 << 10,
        LINK_CHANGE_UNATTRIBUTED          = 1 << 11,
} LinkChange;

typedef struct Reference Reference;
typedef struct Link Link;
typedef struct Manager Manager;

struct Link {
        Manager *manager;
        uint64_t serial; /* no two links ever have the same, other than indexes */
        int ifindex;
        LinkPlace place;

        bool published : 1;  /* the bus knows it: its views could be read at least once */
        bool stale : 1;      /* the views are older than the last message: on the manager's list of stale links */
        bool unnoted : 1;    /* the counter was told, but is not noted as such */
        bool asked : 1;      /* an RTM_GETLINK is on its way */
        bool drifted : 1;    /* the dump under way found what no event had told */
        bool altered : 1;    /* alternative names differ from those that were announced */
        bool fresh : 1;      /* while stale: the views have been read again already */
        bool told : 1;       /* on the bus before all was known, with what was known then */
        bool unaccounted : 1; /* something happened that a step of the counter does not explain by itself */
        bool moved : 1;      /* something came for it since the reading of the ledger began */
        unsigned generation; /* of the last dump that showed it */
        unsigned n_references;
        CounterSlot slot; /* where the announced counter is noted */

        char name[IF_NAMESIZE];
        char announced_name[IF_NAMESIZE];
        char **alternative_names;           /* NULL-terminated, or NULL */
        char **announced_alternative_names; /* only while altered */

        LinkReadings now, announced;

        Ledger ledger;            /* as it is shown, of one reading */
        uint32_t last_kinds;      /* HolderKind bits of the last one that was not empty */
        unsigned ledger_changes;  /* LINK_CHANGE_… bits of it that have not been announced */
        uint32_t n_units;         /* that our references hold */
        uint32_t taken, dropped;  /* of them, since that reading */
        uint32_t ups, downs;      /* steps of the counter since, by one */

        uint64_t promiscuous_timestamp; /* µs of CLOCK_REALTIME of the last 0→n that was seen, 0: none */
        uint64_t announced_timestamp;

        int identity_fd; /* views_open_identity(), while there are references; else -1 */

        LIST_ENTRY(Link) stale_links;
        LIST_HEAD(, Reference) references;
};

/* A link as the message describes it; the views are yet to be read. Errors: -ENOMEM. */
int link_new(const LinkMessage *m, Link **ret);
Link *link_free(Link *l);

/* Takes over what the message says, but not the counter: a change of that is announced by itself.
 * Returns 1 if any of it can be seen from outside and is new, else 0. Errors: -ENOMEM. */
int link_update(Link *l, const LinkMessage *m);

/* Takes over the counter, stamps a 0→n and notes the step for the ledger. */
void link_set_promiscuity(Link *l, uint32_t promiscuity);

/* Reads sysfs and ioctl. Errors: -ENODEV when the link is going or being renamed; what could be read is kept then. */
int link_read_views(Link *l, const Views *v);

/* Shows that ledger from now on. */
void link_set_ledger(Link *l, const Ledger *ledger);

/* Carries the ledger on over steps that are all our own references': nobody else's unit has moved then, because each
 * would have been a step of its own. Also a counter of 0 explains itself. Returns false if it has to be made anew. */
bool link_carry_ledger(Link *l);

/* What differs between two readings, as LINK_CHANGE_… bits, the derived properties among them; the counter is shown
 * with the ledger. Pure. */
unsigned link_readings_diff(const LinkReadings *a, const LinkReadings *b);

/* What differs from what was announced, the ledger among it; from now on that counts as announced. */
unsigned link_take_changes(Link *l);

static inline bool link_is_promiscuous(const LinkReadings *r) {
        return r->sysfs_flags & IFF_PROMISC;
}

static inline bool link_is_user_requested(const LinkReadings *r) {
        return r->netlink_flags & IFF_PROMISC;
}

/* Whether it has that name or alternative name (bytes). */
bool link_has_name(const Link *l, const char *name);
