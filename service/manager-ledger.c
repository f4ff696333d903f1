/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "manager-internal.h"
#include "packet-diag.h"
#include "stacking.h"
#include "unicast-list.h"
#include "util.h"

/* A reading is good if the counter is the same after it as before. Where everything that certainly holds a unit adds up to
 * the counter this is seen without asking: counter, flag and stacked devices come from one ordered stream, so that only
 * the packet sockets are newer, and whatever changed there since is a step of the counter. Otherwise the counter is
 * asked for again, some times; then the remainder is shown, and the next reading is soon. */

#define TRIES_MAX 3U

/* Links that are asked for in one reading, 26 µs each. */
#define ASKED_MAX 64U

typedef struct SocketHolding {
        int ifindex;
        uint32_t count;
        uint64_t inode;
        uid_t uid;
} SocketHolding;

/* --- what is there ------------------------------------------------------------------------------------------------- */

typedef struct Collection {
        Manager *manager;
        bool own;
        size_t first; /* holding of the socket in hand */
} Collection;

static int add_holding(Manager *m, const SocketHolding *one) {
        if (m->n_holdings == m->n_holdings_allocated) {
                size_t n = m->n_holdings_allocated ? m->n_holdings_allocated * 2 : 32;
                SocketHolding *holdings = reallocarray(m->holdings, n, sizeof(SocketHolding));

                if (!holdings)
                        return -ENOMEM;
                m->holdings = holdings;
                m->n_holdings_allocated = n;
        }

        m->holdings[m->n_holdings++] = *one;
        return 0;
}

static int on_entry(const PacketEntry *e, void *userdata) {
        Collection *c = userdata;
        Manager *m = c->manager;

        if (e->ifindex == 0) {
                c->own = packet_pool_has(m->pool, e->inode);
                c->first = m->n_holdings;
                return 0;
        }
        if (c->own)
                return 0; /* those are the references' */

        for (size_t i = c->first; i < m->n_holdings; i++)
                if (m->holdings[i].ifindex == e->ifindex) {
                        m->holdings[i].count++;
                        return 0;
                }
        return add_holding(m, &(const SocketHolding){ e->ifindex, 1, e->inode, e->uid });
}

static int compare_holding(const void *a, const void *b) {
        const SocketHolding *x = a, *y = b;

        if (x->ifindex != y->ifindex)
                return x->ifindex < y->ifindex ? -1 : 1;
        return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int read_sockets(Manager *m) {
        int r;

        m->n_holdings = 0;
        r = packet_diag_each(m->diag, on_entry, &(Collection){ .manager = m });
        if (r < 0)
                return r;

        if (m->n_holdings > 1)
                qsort(m->holdings, m->n_holdings, sizeof(SocketHolding), compare_holding);
        return 0;
}

static int compare_upper(const void *a, const void *b) {
        const Link *x = *(Link *const *) a, *y = *(Link *const *) b;

        if (x->place.lower != y->place.lower)
                return x->place.lower < y->place.lower ? -1 : 1;
        return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

/* Good until the kernel's queue is read. */
static int index_uppers(Manager *m) {
        m->n_uppers = 0;

        for (size_t i = 0; i < m->links.n; i++) {
                Link *l = m->links.items[i];

                if (l->place.lower == 0 && l->place.kind != LINK_KIND_HSR)
                        continue;
                if (m->n_uppers == m->n_uppers_allocated) {
                        size_t n = m->n_uppers_allocated ? m->n_uppers_allocated * 2 : 32;
                        Link **uppers = reallocarray(m->uppers, n, sizeof(Link *));

                        if (!uppers)
                                return -ENOMEM;
                        m->uppers = uppers;
                        m->n_uppers_allocated = n;
                }
                m->uppers[m->n_uppers++] = l;
        }

        if (m->n_uppers > 1)
                qsort(m->uppers, m->n_uppers, sizeof(Link *), compare_upper);
        return 0;
}

static int read_surroundings(Manager *m) {
        int r;

        r = read_sockets(m);
        return r < 0 ? r : index_uppers(m);
}

/* --- one link ------------------------------------------------------------------------------------------------------ */

static StackedLink stacked(const Link *l) {
        return (StackedLink){
                .ifindex = l->ifindex,
                .place = l->place,
                .up = l->now.netlink_flags & IFF_UP,
                .promiscuous = l->now.promiscuity > 0,
        };
}

static unsigned count_auto_ports(const Manager *m, int master) {
        unsigned n = 0;

        for (size_t i = 0; i < m->links.n; i++) {
                const Link *l = m->links.items[i];

                n += l->place.master == master && l->place.auto_port;
        }
        return n;
}

static int add_master(Manager *m, const Link *l, Holders *h) {
        StackedLink port = stacked(l), above;
        unsigned auto_ports = 0;
        const Link *master;
        Holder one;

        if (stacking_of_self(&port, &one) && holders_add(h, &one) < 0)
                return -ENOMEM;
        if (l->place.master == 0)
                return 0;

        master = manager_find_link(m, l->place.master);
        if (master) {
                above = stacked(master);
                if (above.place.vlan_filtering)
                        auto_ports = count_auto_ports(m, master->ifindex);
        }
        return stacking_of_master(&port, master ? &above : NULL, auto_ports, &one) ? holders_add(h, &one) : 0;
}

/* The first of those that are stacked on it. */
static size_t first_upper(const Manager *m, int ifindex) {
        size_t low = 0, high = m->n_uppers;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (m->uppers[middle]->place.lower < ifindex)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int add_uppers(Manager *m, const Link *l, Holders *h) {
        for (size_t i = 0; i < m->n_uppers && m->uppers[i]->place.lower == 0; i++) {
                StackedLink hsr = stacked(m->uppers[i]);
                Holder one;

                if (stacking_of_hsr(&hsr, l->ifindex, &one) && holders_add(h, &one) < 0)
                        return -ENOMEM;
        }
        for (size_t i = first_upper(m, l->ifindex); i < m->n_uppers && m->uppers[i]->place.lower == l->ifindex; i++) {
                StackedLink upper = stacked(m->uppers[i]);
                Holder one;

                if (stacking_of_upper(&upper, &one) && holders_add(h, &one) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_sockets(Manager *m, const Link *l, Holders *h) {
        size_t low = 0, high = m->n_holdings;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (m->holdings[middle].ifindex < l->ifindex)
                        low = middle + 1;
                else
                        high = middle;
        }

        for (; low < m->n_holdings && m->holdings[low].ifindex == l->ifindex; low++) {
                const SocketHolding *s = m->holdings + low;
                Holder one = { .kind = HOLDER_PACKET_SOCKET, .count = s->count, .inode = s->inode, .uid = s->uid };

                if (holders_add(h, &one) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* In the order of the list of references, which the short form sums up. */
static int add_references(const Link *l, bool each, Holders *h) {
        const Reference *r;

        if (!each)
                return l->n_units == 0 ? 0 :
                                         holders_add(h, &(const Holder){ .kind = HOLDER_REFERENCE, .count = l->n_units });

        LIST_FOREACH(r, &l->references, of_link) {
                Holder one = { .kind = HOLDER_REFERENCE, .count = 1, .uid = r->uid, .id = r->id };

                if (r->holds && holders_add(h, &one) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Also good without read_surroundings(): then nobody has a socket, and nothing is stacked. */
static int gather(Manager *m, const Link *l, bool each, Holders *h) {
        int r = 0;

        holders_clear(h);
        if (link_is_user_requested(&l->now))
                r = holders_add(h, &(const Holder){ .kind = HOLDER_USER, .count = 1 });
        if (r >= 0)
                r = add_references(l, each, h);
        if (r >= 0)
                r = add_sockets(m, l, h);
        if (r >= 0)
                r = add_master(m, l, h);
        return r < 0 ? r : add_uppers(m, l, h);
}

static int add_unicast_list(Manager *m, const Link *l, Holders *h) {
        bool listed = false;
        int r;

        for (size_t i = first_upper(m, l->ifindex); i < m->n_uppers && m->uppers[i]->place.lower == l->ifindex; i++) {
                StackedLink upper = stacked(m->uppers[i]);

                listed = listed || stacking_lists_address(&upper);
        }

        r = listed ? 0 : unicast_list_has(m->neighbors, l->ifindex, &listed);
        if (r < 0)
                log_debug("Cannot read the unicast list of link %i, ignoring: %s", l->ifindex, strerror(-r));
        return listed ? holders_add(h, &(const Holder){ .kind = HOLDER_UNICAST_LIST, .possible = true, .count = 1 }) : 0;
}

/* Of a third port, the interlink, rtnetlink says nothing. */
static int add_interlinks(Manager *m, const Link *l, Holders *h) {
        for (size_t i = 0; i < m->n_uppers && m->uppers[i]->place.lower == 0; i++) {
                Holder one = { .kind = HOLDER_HSR, .possible = true, .count = 1, .upper = m->uppers[i]->ifindex };
                StackedLink hsr = stacked(m->uppers[i]);

                if (!stacking_of_hsr(&hsr, l->ifindex, &(Holder){}) &&
                    views_has_upper(&m->views, l->name, m->uppers[i]->name) && holders_add(h, &one) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* What takes a system call of its own to see, and is asked for only if a unit is left. */
static int add_unlikely(Manager *m, const Link *l, Holders *h) {
        int r;

        if (holders_explain(h, l->now.promiscuity))
                return 0;
        r = add_interlinks(m, l, h);
        return r < 0 ? r : add_unicast_list(m, l, h);
}

/* Adds what can only be told by what is left over, and makes it add up. */
static int settle(Manager *m, const Link *l, Holders *h) {
        int r = add_unlikely(m, l, h);

        return r < 0 ? r : holders_settle(h, l->now.promiscuity);
}

/* --- the short form ------------------------------------------------------------------------------------------------ */

static bool is_due(const Link *l) {
        return l->published && l->fresh && (l->unaccounted || l->ups || l->downs || l->taken || l->dropped);
}

static void show(Link *l, const Holders *h) {
        Ledger ledger = ledger_from_holders(h);

        link_set_ledger(l, &ledger);
}

/* Returns whether it adds up, or is the best that there is (final). */
static bool account(Manager *m, Link *l, bool final) {
        Holders *h = &m->holders;

        if (gather(m, l, false, h) < 0)
                return false;
        if (!final && !holders_explain(h, l->now.promiscuity))
                return false;
        if (settle(m, l, h) < 0)
                return false;

        show(l, h);
        return true;
}

static unsigned carry(Manager *m) {
        unsigned n = 0;
        Link *l;

        LIST_FOREACH(l, &m->stale, stale_links)
                if (is_due(l) && !link_carry_ledger(l))
                        n++;
        return n;
}

/* Returns how many do not add up and have been asked for. */
static unsigned account_certain(Manager *m) {
        unsigned n = 0;
        Link *l;

        LIST_FOREACH(l, &m->stale, stale_links) {
                if (!is_due(l))
                        continue;
                if (account(m, l, false)) {
                        l->unaccounted = false;
                        continue;
                }
                l->moved = n >= ASKED_MAX;
                if (!l->moved)
                        manager_ask_link(m, l);
                n++;
        }
        return n;
}

static void account_rest(Manager *m, bool settled) {
        Link *l;

        LIST_FOREACH(l, &m->stale, stale_links)
                if (is_due(l) && (settled ? !l->moved : true) && account(m, l, true))
                        l->unaccounted = l->moved;
}

void manager_account(Manager *m) {
        int r = 0;

        for (unsigned i = 0; carry(m) > 0 && i < TRIES_MAX; i++) {
                r = read_surroundings(m);
                if (r < 0)
                        break;
                if (account_certain(m) == 0)
                        return;

                manager_drain(m); /* the answers, and whatever happened meanwhile */
                r = index_uppers(m);
                if (r < 0)
                        break;
                account_rest(m, true);
        }

        if (r < 0)
                log_debug("Cannot list the packet sockets: %s", strerror(-r));
        else if (carry(m) > 0)
                account_rest(m, false); /* it kept moving: the sum is right, but the remainder may not be one */
}

void manager_account_first(Manager *m, Link *l) {
        if (l->now.promiscuity == 0)
                return;

        if (m->quiet || read_surroundings(m) < 0)
                m->n_holdings = m->n_uppers = 0; /* which sockets are our own is not known yet */
        account(m, l, true);
        l->unaccounted = true;
}

void manager_start_ledger(Manager *m) {
        m->accounts = true;
        for (size_t i = 0; i < m->links.n; i++) {
                Link *l = m->links.items[i];

                if (l->now.promiscuity == 0 || l->stale)
                        continue;
                manager_mark_stale(m, l);
                l->fresh = true; /* the views are as they were */
        }
        manager_publish(m);
}

void manager_free_ledger(Manager *m) {
        free(m->holdings);
        free(m->uppers);
        holders_done(&m->holders);
}

/* --- in full ------------------------------------------------------------------------------------------------------- */

int manager_list_holders(Manager *m, Link *l, Holders *ret) {
        uint64_t serial = l->serial;
        int r, ifindex = l->ifindex;

        for (unsigned i = 0; i < TRIES_MAX; i++) {
                manager_catch_up(m);
                l = manager_find_link(m, ifindex);
                if (!l || l->serial != serial)
                        return -ENODEV;

                l->moved = false;
                r = read_surroundings(m);
                if (r >= 0)
                        r = gather(m, l, true, ret);
                if (r >= 0)
                        r = add_unlikely(m, l, ret);
                if (r < 0)
                        return r;

                manager_ask_link(m, l);
                manager_catch_up(m);
                l = manager_find_link(m, ifindex);
                if (!l || l->serial != serial)
                        return -ENODEV;
                if (!l->moved)
                        break;
        }

        return holders_settle(ret, l->now.promiscuity);
}
