/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "limits.h"
#include "ledger.h"
#include "link.h"
#include "options.h"
#include "counters.h"
#include "netlink-dump.h"
#include "packet-socket.h"
#include "reference.h"
#include "rtnl.h"
#include "state.h"
#include "table.h"
#include "views.h"

/* Everything that is known and held. It hears of the kernel through Rtnl and tells of changes through its observer; it
 * does not know how they are published. */

typedef enum ManagerChange {
        MANAGER_CHANGE_LINKS             = 1 << 0,
        MANAGER_CHANGE_PROMISCUOUS_LINKS = 1 << 1,
        MANAGER_CHANGE_REFERENCES        = 1 << 2,
} ManagerChange;

typedef struct ManagerObserver {
        /* The link's readings are complete. */
        void (*link_added)(Link *l, void *userdata);
        /* The link is freed after this; its references have ended before. */
        void (*link_removed)(Link *l, void *userdata);
        /* One that a former process told of, and that went before it could be taken over. */
        void (*link_lost)(int ifindex, void *userdata);
        /* LINK_CHANGE_… bits. */
        void (*link_changed)(Link *l, unsigned mask, void *userdata);
        /* Each single step of the counter, in the kernel's order. */
        void (*promiscuity_changed)(Link *l, uint32_t old, const char *source, void *userdata);
        void (*reference_added)(Reference *r, void *userdata);
        /* The reference is freed after this. */
        void (*reference_ended)(Reference *r, const char *cause, void *userdata);
        /* One that a former process held, and that ended before it could be taken over. */
        void (*reference_lost)(uint64_t id, const char *cause, void *userdata);
        /* MANAGER_CHANGE_… bits. */
        void (*changed)(unsigned mask, void *userdata);
        void (*resynchronized)(const char *cause, unsigned corrected, void *userdata);
        /* Whether all that was told so far has left this process, and would outlive it. */
        bool (*is_sent)(void *userdata);
} ManagerObserver;

/* Why all links are being read, the weightier last. */
typedef enum ManagerDump {
        DUMP_NONE,
        DUMP_START,
        DUMP_TIMER,
        DUMP_OVERRUN,
} ManagerDump;

typedef struct ManagerCounts {
        uint32_t links, promiscuous_links, references;
} ManagerCounts;

struct Manager {
        sd_event *event;
        Rtnl *rtnl;
        Views views;
        PacketPool *pool;
        NetlinkDump *diag;
        NetlinkDump *neighbors; /* for unicast_list_has() */
        Limits limits;
        Options options;
        State *state;       /* NULL: nothing lives on */
        Counters *counters; /* the same */
        char bus_id[33];    /* of the bus that callers are on */

        Table links;      /* by ifindex */
        Table references; /* by id */
        uint64_t last_serial, last_id;
        size_t n_ending;   /* references whose caller has left, to be ended in turns */
        size_t n_dropping; /* those of them that still hold their unit */
        sd_event_source *ending;
        bool paused;

        LIST_HEAD(, Link) stale; /* views are to be read again */
        sd_event_source *noting; /* enabled while something waits to be noted until it is sent */
        CounterSlot *forgotten;  /* of links whose end was told */
        size_t n_forgotten;
        ManagerCounts now, announced;
        uint64_t network_namespace; /* inode */
        uint64_t overruns;
        uint64_t read_timestamp; /* µs of CLOCK_MONOTONIC of the message in hand */

        ManagerDump dump;    /* under way */
        unsigned generation; /* of the dump under way or last done */
        unsigned corrected;  /* links that it found to have drifted, once it is done */
        unsigned passes;     /* of the timer since it began */
        bool synchronized;   /* a first dump is complete */
        bool quiet;          /* at the start, until all is known: nothing is told but … */
        bool goes_on;        /* … where a former process told of what was before: links and steps of the counter */
        bool leaving;        /* for a restart: what is held stays held */

        sd_event_source *resync_timer;
        sd_event_source *recheck; /* walks all views after a dump, some links a turn */
        int recheck_ifindex;      /* the last one walked */

        sd_event_source *publish_timer; /* publishing is put off until then */
        bool publish_deferred;
        bool publishing;
        bool accounts; /* which units are our own is known */
        struct SocketHolding *holdings; /* of other processes' packet sockets, by ifindex; for manager-ledger.c */
        size_t n_holdings, n_holdings_allocated;
        Link **uppers; /* links that are stacked on others, by their lower's ifindex; hsr devices have 0 there */
        size_t n_uppers, n_uppers_allocated;
        Holders holders;
        uint64_t publish_window; /* µs of CLOCK_MONOTONIC: its begin */
        unsigned publish_count;  /* within it */

        void (*socket_ready)(void *userdata);
        void *socket_ready_userdata;

        const ManagerObserver *observer; /* NULL until there is a bus */
        void *observer_userdata;
};

/* Subscribes and asks for all links; netlink_fd as for rtnl_new(). Errors: those of rtnl_new() and views_open(). */
int manager_new(sd_event *event, int netlink_fd, const Options *options, Manager **ret);
Manager *manager_free(Manager *m);

/* Whether a former process left counters to go on from: then its changes meanwhile are told by manager_synchronize(), and
 * the observer is to be there before. */
bool manager_goes_on(const Manager *m);

/* Whom a former process held references for. */
typedef struct ManagerOwners {
        /* The caller of that name, who may turn out to have left. Errors: as callers_get(). */
        int (*get)(const char *name, Caller **ret, void *userdata);
        /* Whether that name is on the bus now. */
        bool (*is_there)(const char *name, void *userdata);
} ManagerOwners;

/* Takes over what a former process held: its sockets have been given to the pool. */
int manager_restore(Manager *m, const ManagerOwners *owners, void *userdata);

/* All is known and taken over: from now on everything is told. */
void manager_go_live(Manager *m);

/* Another packet socket is ready: those that wait for one may try again. */
void manager_set_socket_ready(Manager *m, void (*f)(void *userdata), void *userdata);

/* Runs the event loop until all links are known and sysfs agrees with them.
 * Errors: -EXDEV after a message: sysfs shows another network namespace; -ECANCELED when the loop was told to exit. */
int manager_synchronize(Manager *m);

/* From now on changes are told; userdata goes to each call. NULL ends that. */
void manager_set_observer(Manager *m, const ManagerObserver *observer, void *userdata);

/* While paused nothing is told by itself that comes in masses: the kernel's buffer and our lists hold it. */
void manager_set_paused(Manager *m, bool paused);

/* Takes over what the kernel has queued, at most a turn's worth, which is nearly always all. */
void manager_drain(Manager *m);

/* Takes over all that the kernel had queued when this was called: for what must not be done on old knowledge. */
void manager_catch_up(Manager *m);
void manager_settle(Manager *m);

/* Tells of all changes that were taken over, without waiting. */
void manager_publish(Manager *m);

/* Who holds the units of the link's counter, one entry each, in one reading: the counts add up to the counter.
 * Errors: -ENODEV the link went meanwhile; -ENOMEM; those of netlink. */
int manager_list_holders(Manager *m, Link *l, Holders *ret);

Link *manager_find_link(const Manager *m, int ifindex);
/* By name or alternative name (bytes). */
Link *manager_find_link_by_name(const Manager *m, const char *name);
/* One that is to be seen. */
Reference *manager_find_reference(const Manager *m, uint64_t id);

/* One more unit on the link for that caller, after timeout µs (0: none) to end by itself. It lives as long as the caller's
 * connection or, where ret_reader is not NULL, as the descriptor that is returned there, which is the caller's to pass on. The observer has been told of
 * all that this caused when it returns.
 * Positive results are the caller's business: LIMIT_REFERENCES_…. Errors: -EAGAIN until a socket is ready; -ENODEV the link went meanwhile; -EOVERFLOW,
 * -EUSERS and others of packet_pool_book(); -ENOSPC and others of state_write(); -ENOMEM. Nothing is held then. */
int manager_acquire(Manager *m, Link *link, Caller *caller, const char *reason, uint64_t timeout, int *ret_reader,
                    Reference **ret);

/* Ends one; cause is one of PROMISC_CAUSE_…. */
void manager_end_reference(Manager *m, Reference *r, const char *cause);

/* Opens the identity of a link with references, where it has none yet and descriptors are left. Without it, only an
 * overrun that hides a removal cannot be told from nothing. */
void manager_identify_link(Manager *m, Link *l);

/* Ends all on this link, which is going. */
void manager_end_references_on(Manager *m, Link *l, const char *cause);

/* Ends all that this caller holds, who is going. Nobody sees them any more; the rest is done in turns, so that others do
 * not wait: all units first, then the announcements. */
void manager_end_references_of(Manager *m, Caller *caller, const char *cause);

void manager_end_all_references(Manager *m, const char *cause);

/* Makes the source that announces in turns. */
int manager_start_references(Manager *m);
void manager_free_references(Manager *m);
