/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "holders-bus.h"
#include "identify.h"
#include "log.h"
#include "promisc-names.h"
#include "reference-bus.h"
#include "text.h"
#include "util.h"

/* What a call counts for in the meter of listings, which is in objects: a walk through /proc. */
#define LISTING_COST 500U

/* Answers that wait for the names of processes; root's, which is not limited, do not count. */
#define LISTINGS_MAX          64U
#define LISTINGS_PER_USER_MAX 8U

/* One holder as it was when the counter was read: what it names may be gone when the answer is sent. */
typedef struct Entry {
        Holder holder;
        char upper[NAME_ESCAPED_MAX];
        char reason[PROMISC_REASON_MAX + 1];
        pid_t pid; /* of a reference's caller, and 0 for others */
} Entry;

struct Listing {
        Bus *bus;
        LIST_ENTRY(Listing) listings;
        IdentifyQuestion *question;
        sd_bus_message *call;
        int ifindex;
        uint64_t serial; /* of the link */
        uid_t uid;       /* of the caller */
        Entry *entries;
        size_t n;
        bool incomplete; /* not all that have a socket were looked for */
};

static Listing *listing_free(Listing *l) {
        if (!l)
                return NULL;

        if (l->bus) {
                LIST_REMOVE(l, listings);
        }
        identify_question_cancel(l->question);
        sd_bus_message_unref(l->call);
        free(l->entries);
        free(l);
        return NULL;
}

static void listing_freep(Listing **l) {
        listing_free(*l);
}

static void describe(const Manager *m, Entry *e) {
        const Holder *h = &e->holder;
        const Link *upper = h->upper > 0 ? manager_find_link(m, h->upper) : NULL;
        const Reference *r = h->kind == HOLDER_REFERENCE ? table_find(&m->references, &h->id) : NULL;

        if (upper)
                name_escape(upper->name, e->upper);
        if (r) {
                strncpy(e->reason, r->reason, sizeof(e->reason) - 1);
                e->pid = r->pid;
        }
}

static int listing_new(Bus *b, sd_bus_message *call, uid_t uid, const Link *link, const Holders *h, Listing **ret) {
        _cleanup_(listing_freep) Listing *l = calloc(1, sizeof(Listing));

        if (!l)
                return -ENOMEM;
        l->entries = calloc(h->n + 1, sizeof(Entry));
        if (!l->entries)
                return -ENOMEM;

        l->bus = b;
        LIST_INSERT_HEAD(&b->listings, l, listings);
        l->call = sd_bus_message_ref(call);
        l->uid = uid;
        l->ifindex = link->ifindex;
        l->serial = link->serial;
        for (; l->n < h->n; l->n++) {
                l->entries[l->n].holder = h->items[l->n];
                describe(b->manager, l->entries + l->n);
        }

        *ret = TAKE_PTR(l);
        return 0;
}

/* --- the answer ---------------------------------------------------------------------------------------------------- */

/* Where those of the socket, or that process, would begin in what is in the order of inodes, then of pids. */
static size_t find_first(const Entry *e, const IdentifyProcess *processes, size_t n) {
        bool socket = e->holder.kind == HOLDER_PACKET_SOCKET;
        uint64_t inode = socket ? e->holder.inode : 0;
        pid_t pid = socket ? 0 : e->pid;
        size_t low = 0;

        while (low < n) {
                size_t middle = low + (n - low) / 2;
                const IdentifyProcess *p = processes + middle;

                if (p->inode < inode || (p->inode == inode && p->pid < pid))
                        low = middle + 1;
                else
                        n = middle;
        }
        return low;
}

/* An id is the time since the machine came up at which it was given: a process that is younger only has the number of the
 * one that acquired. */
static bool is_of(const Entry *e, const IdentifyProcess *p) {
        if (e->holder.kind == HOLDER_PACKET_SOCKET)
                return p->inode == e->holder.inode;
        return p->inode == 0 && p->pid == e->pid && p->started_usec <= e->holder.id;
}

static int append_process(sd_bus_message *reply, const IdentifyProcess *p) {
        return sd_bus_message_append(reply, "(uss)", (uint32_t) p->pid, p->command, p->unit);
}

/* processes is NULL where nobody could be asked; then only a reference's caller is known, by number. None, and incomplete,
 * does not mean that nobody has it. */
static int append_processes(sd_bus_message *reply, const Entry *e, const IdentifyProcess *processes, size_t n,
                            bool incomplete) {
        bool any = !processes && e->pid > 0;
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "processes");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "a(uss)");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(uss)");

        if (r >= 0 && any)
                r = append_process(reply, &(const IdentifyProcess){ .pid = e->pid });
        for (size_t i = processes ? find_first(e, processes, n) : n; r >= 0 && i < n && is_of(e, processes + i); i++) {
                r = append_process(reply, processes + i);
                any = true;
        }

        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(reply);
        if (r >= 0 && incomplete && !any)
                r = sd_bus_message_append(reply, "{sv}", "incomplete", "b", true);
        return r;
}

static int append_who(sd_bus_message *reply, const Entry *e) {
        const Holder *h = &e->holder;
        char path[REFERENCE_PATH_MAX];

        switch (h->kind) {
        case HOLDER_PACKET_SOCKET:
                return sd_bus_message_append(reply, "{sv}{sv}", "inode", "t", h->inode, "uid", "u", (uint32_t) h->uid);
        case HOLDER_REFERENCE:
                return sd_bus_message_append(reply, "{sv}{sv}{sv}",
                                             "reference", "o", reference_bus_path(h->id, path),
                                             "uid", "u", (uint32_t) h->uid,
                                             "reason", "s", e->reason);
        default:
                return e->upper[0] ? sd_bus_message_append(reply, "{sv}", "upper", "s", e->upper) : 0;
        }
}

static int append_entry(sd_bus_message *reply, const Entry *e, const IdentifyProcess *processes, size_t n,
                        bool incomplete) {
        const Holder *h = &e->holder;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}", "kind", "s", holder_kind_to_string(h->kind),
                                          "count", "u", h->count);
        if (r >= 0)
                r = append_who(reply, e);
        if (r >= 0 && (h->kind == HOLDER_PACKET_SOCKET || h->kind == HOLDER_REFERENCE))
                r = append_processes(reply, e, processes, n, incomplete);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int answer(const Listing *l, const IdentifyProcess *processes, size_t n) {
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(l->call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < l->n; i++)
                r = append_entry(reply, l->entries + i, processes, n, l->incomplete);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

/* Once, until it works again: who asks often must not fill the journal. */
static void log_failure(Bus *b, int error) {
        if (error < 0 && !b->identify_failed)
                log_warning("Cannot tell which processes have packet sockets open, ignoring: %s", strerror(-error));
        else if (error < 0)
                log_debug("Cannot tell which processes have packet sockets open, ignoring: %s", strerror(-error));
        b->identify_failed = error < 0;
}

static int reply_error(sd_bus_message *call, int error) {
        return error == -ENOMEM ?
                       sd_bus_reply_method_errorf(call, SD_BUS_ERROR_NO_MEMORY, "The machine has no memory left") :
                       sd_bus_reply_method_errorf(call, SD_BUS_ERROR_FAILED, "Cannot list holders: %s", strerror(-error));
}

static void on_identified(int error, const IdentifyProcess *processes, size_t n, void *userdata) {
        _cleanup_(listing_freep) Listing *l = userdata;
        const Link *link = manager_find_link(l->bus->manager, l->ifindex);
        int r;

        l->question = NULL;
        l->incomplete = l->incomplete || error != 0;
        log_failure(l->bus, error);

        if (link && link->serial == l->serial) {
                r = answer(l, error < 0 ? NULL : processes, n);
                if (r < 0)
                        r = reply_error(l->call, r);
        } else
                r = sd_bus_reply_method_errorf(l->call, PROMISC_ERROR_NO_SUCH_LINK,
                                               "The link went while the call was waiting");
        bus_check_emitted(r, "the list of holders");
}

/* --- the call ------------------------------------------------------------------------------------------------------ */

/* Returns 1 if an answer will come. */
static int ask_who(Listing *l) {
        Identify *identify = l->bus->identify;
        _cleanup_(freep) uint64_t *inodes = calloc(l->n + 1, sizeof(uint64_t));
        _cleanup_(freep) pid_t *pids = calloc(l->n + 1, sizeof(pid_t));
        size_t n_inodes = 0, n_pids = 0;
        int r;

        if (!inodes || !pids)
                return -ENOMEM;
        for (size_t i = 0; i < l->n; i++) {
                const Entry *e = l->entries + i;

                if (e->holder.kind == HOLDER_PACKET_SOCKET && n_inodes < IDENTIFY_INODES_MAX)
                        inodes[n_inodes++] = e->holder.inode;
                else if (e->pid > 0 && n_pids < IDENTIFY_PIDS_MAX)
                        pids[n_pids++] = e->pid;
                else if (e->holder.kind == HOLDER_PACKET_SOCKET || e->pid > 0)
                        l->incomplete = true;
        }
        if (n_inodes + n_pids == 0)
                return 0;

        r = identify_ask(identify, inodes, n_inodes, pids, n_pids, on_identified, l, &l->question);
        return r < 0 ? r : 1;
}

static int list(Bus *b, sd_bus_message *m, uid_t uid, Link *link, sd_bus_error *error) {
        _cleanup_(holders_done) Holders holders = {};
        _cleanup_(listing_freep) Listing *l = NULL;
        int r, ifindex = link->ifindex;

        r = manager_list_holders(b->manager, link, &holders);
        if (r == -ENODEV)
                return sd_bus_error_set(error, PROMISC_ERROR_NO_SUCH_LINK, "The link went while the call was waiting");
        if (r >= 0)
                r = listing_new(b, m, uid, manager_find_link(b->manager, ifindex), &holders, &l);
        manager_publish(b->manager);
        if (r == -ENOMEM)
                return sd_bus_error_set(error, SD_BUS_ERROR_NO_MEMORY, "The machine has no memory left");
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "Cannot list packet sockets: %s", strerror(-r));

        r = ask_who(l);
        if (r > 0) {
                TAKE_PTR(l);
                return 1;
        }
        if (r < 0) {
                l->incomplete = true;
                log_failure(b, r);
        }
        return answer(l, NULL, 0);
}

/* Returns false if too many wait already. */
static bool may_wait(const Bus *b, uid_t uid) {
        unsigned n = 0, own = 0;
        const Listing *l;

        if (uid == 0)
                return true;
        LIST_FOREACH(l, &b->listings, listings) {
                n += l->uid != 0;
                own += l->uid == uid;
        }
        return n < LISTINGS_MAX && own < LISTINGS_PER_USER_MAX;
}

void holders_bus_end(Bus *b) {
        while (!LIST_EMPTY(&b->listings))
                listing_free(LIST_FIRST(&b->listings));
}

int holders_bus_list(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Link *l = userdata;
        Bus *b = bus_of_manager(l->manager);
        Question q = { .action = PROMISC_ACTION_INSPECT, .ifindex = l->ifindex };
        Caller *caller;
        int r;

        r = call_identify(b->calls, m, holders_bus_list, l, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        name_escape(l->name, q.interface);
        r = call_authorize(b->calls, m, holders_bus_list, l, caller, &q, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        if (!may_wait(b, caller->uid))
                return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too many lists of holders are being made already");
        if (!limits_charge_listing(&b->manager->limits, caller->uid, now_usec(CLOCK_MONOTONIC), LISTING_COST))
                return bus_refuse_listing(caller->uid, error);

        return list(b, m, caller->uid, l, error);
}
