/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "manager-internal.h"
#include "promisc-names.h"
#include "text.h"
#include "util.h"

/* MAX_NEST_DEV of the kernel. */
#define STACK_DEPTH   8U

/* Links whose views are read in one turn of the loop: less than a millisecond. */
#define RECHECK_LINKS 64U

/* Passes of the timer that a dump may take. */
#define PASSES_MAX    3U

static int compare_link(const void *key, const void *item) {
        int a = *(const int *) key, b = ((const Link *) item)->ifindex;

        return a < b ? -1 : a > b;
}

Link *manager_find_link(const Manager *m, int ifindex) {
        return table_find(&m->links, &ifindex);
}

Link *manager_find_link_by_name(const Manager *m, const char *name) {
        for (size_t i = 0; i < m->links.n; i++) {
                Link *l = m->links.items[i];

                if (l->published && link_has_name(l, name))
                        return l;
        }
        return NULL;
}

void manager_ask_link(Manager *m, Link *l) {
        int r;

        if (l->asked)
                return; /* an answer is on its way */

        r = rtnl_ask(m->rtnl, l->ifindex);
        if (r < 0)
                log_debug("Cannot ask the kernel for link %i: %s", l->ifindex, strerror(-r));
        else
                l->asked = true;
}

/* The kernel does not announce what an upper device's addresses do to those below it (unicast lists, allmulti). */
static void ask_below(Manager *m, const Link *upper) {
        unsigned depth = 0;

        for (Link *l; upper && depth < STACK_DEPTH; upper = l, depth++) {
                if (link_kind_is_aggregate(upper->place.kind))
                        for (size_t i = 0; i < m->links.n; i++)
                                if (((Link *) m->links.items[i])->place.master == upper->ifindex)
                                        manager_ask_link(m, m->links.items[i]);

                l = upper->place.lower ? manager_find_link(m, upper->place.lower) : NULL;
                if (l)
                        manager_ask_link(m, l);
        }
}

static void mark_unaccounted(Manager *m, Link *l) {
        if (!l || l->now.promiscuity == 0)
                return;
        l->unaccounted = l->moved = true;
        manager_mark_stale(m, l);
}

/* What it holds on others may have changed. */
static void mark_neighbors(Manager *m, const LinkPlace *place, int ifindex) {
        if (place->lower)
                mark_unaccounted(m, manager_find_link(m, place->lower));
        for (size_t i = 0; i < ELEMENTSOF(place->ports); i++)
                if (place->ports[i])
                        mark_unaccounted(m, manager_find_link(m, place->ports[i]));
        if (link_kind_has_ports(place->kind))
                for (size_t i = 0; i < m->links.n; i++)
                        if (((Link *) m->links.items[i])->place.master == ifindex)
                                mark_unaccounted(m, m->links.items[i]);
}

static void remove_link(Manager *m, Link *l, const char *cause) {
        Link *lower = l->place.lower ? manager_find_link(m, l->place.lower) : NULL;

        manager_end_references_on(m, l, cause);
        manager_unmark_stale(m, l);

        if (l->published) {
                if (m->observer && (!m->quiet || m->goes_on))
                        m->observer->link_removed(l, m->observer_userdata);
                m->now.links--;
                if (link_is_promiscuous(&l->now))
                        m->now.promiscuous_links--;
                if (link_is_promiscuous(&l->announced) && !m->quiet)
                        manager_journal_link(l, false);
        } else if (l->slot && m->observer)
                m->observer->link_lost(l->ifindex, m->observer_userdata); /* only a former process published it */

        manager_forget_counter(m, l);
        mark_neighbors(m, &l->place, l->ifindex);
        table_remove(&m->links, &l->ifindex);
        link_free(l);

        if (lower) {
                manager_ask_link(m, lower);
                ask_below(m, lower);
        }
}

static int change_link(Manager *m, Link *l, const LinkMessage *msg, RtnlOrigin origin);

static int add_link(Manager *m, const LinkMessage *msg, RtnlOrigin origin) {
        bool go_on;
        uint32_t former;
        Link *l;
        int r;

        r = link_new(msg, &l);
        if (r < 0)
                return r;

        r = table_insert(&m->links, &l->ifindex, l);
        if (r < 0) {
                link_free(l);
                return r;
        }

        l->manager = m;
        l->serial = ++m->last_serial;
        go_on = m->counters && counters_take_former(m->counters, l->ifindex, &former, &l->slot);
        l->drifted = !go_on && origin == RTNL_ANSWER && m->dump != DUMP_NONE;
        l->generation = m->generation;
        mark_neighbors(m, &l->place, l->ifindex);
        manager_mark_stale(m, l);
        if (m->synchronized)
                manager_refresh_link(m, l);

        /* A former process has announced it, with that counter: whatever is different now is a change. */
        if (go_on) {
                l->now.promiscuity = former;
                return change_link(m, l, msg, origin);
        }
        return 0;
}

/* The kernel announces one step at a time, and says that it is one (ifi_change). Anything else had no event. */
static const char *step_source(uint32_t old, const LinkMessage *msg, RtnlOrigin origin) {
        uint32_t step = msg->promiscuity - old;

        return origin == RTNL_EVENT && (msg->change & IFF_PROMISC) && (step == 1 || step == UINT32_MAX) ?
                PROMISC_SOURCE_EVENT : PROMISC_SOURCE_RESYNC;
}

/* What the devices around it are told by: whether it is up, promiscuous, and where it stands. */
static void note_for_ledger(Manager *m, Link *l, const LinkMessage *msg) {
        bool placed = memcmp(&l->place, &msg->place, sizeof(LinkPlace)) != 0;
        uint32_t flags = l->now.netlink_flags ^ msg->flags;

        if (placed || (flags & IFF_PROMISC))
                l->unaccounted = true;
        if (placed || (flags & IFF_UP) || !l->now.promiscuity != !msg->promiscuity) {
                mark_neighbors(m, &l->place, l->ifindex);
                if (placed)
                        mark_neighbors(m, &msg->place, l->ifindex);
        }
}

static int change_link(Manager *m, Link *l, const LinkMessage *msg, RtnlOrigin origin) {
        uint32_t old = l->now.promiscuity;
        bool new;
        int r;

        note_for_ledger(m, l, msg);

        r = link_update(l, msg);
        if (r < 0)
                return r;
        new = r > 0 || old != msg->promiscuity;
        l->moved = l->moved || origin == RTNL_EVENT || new;

        if (origin == RTNL_ANSWER) {
                l->asked = false;
                l->drifted = l->drifted || (new && m->dump != DUMP_NONE);
        }
        l->generation = m->generation;

        if (old != msg->promiscuity) {
                link_set_promiscuity(l, msg->promiscuity);
                if (m->observer && (m->quiet ? m->goes_on : l->published))
                        m->observer->promiscuity_changed(l, old, step_source(old, msg, origin),
                                                         m->observer_userdata);
                manager_note_counter(m, l);
        }

        /* An answer that tells nothing new is not worth the reading of files, but a link that sysfs did not know under its
         * name has its views yet to be read. */
        if (origin == RTNL_EVENT || new || !l->published)
                manager_mark_stale(m, l);
        if (origin == RTNL_EVENT)
                ask_below(m, l);
        return 0;
}

static void on_link(const LinkMessage *msg, RtnlOrigin origin, void *userdata) {
        Manager *m = userdata;
        Link *l = manager_find_link(m, msg->ifindex);
        int r = 0;

        m->read_timestamp = now_usec(CLOCK_MONOTONIC);

        if (msg->removed) {
                manager_forget_former(m, msg->ifindex);
                if (l)
                        remove_link(m, l, msg->moved ? PROMISC_CAUSE_LINK_MOVED : PROMISC_CAUSE_LINK_REMOVED);
                return;
        }

        if (l)
                r = change_link(m, l, msg, origin);
        else {
                r = add_link(m, msg, origin);
                l = r < 0 ? NULL : manager_find_link(m, msg->ifindex);
                if (l && m->synchronized)
                        ask_below(m, l);
        }

        if (r < 0)
                log_error("Cannot take over a change of link %i, ignoring: %s", msg->ifindex, strerror(-r));
}

/* An overrun outranks the timer. */
static void expect_dump(Manager *m, ManagerDump why) {
        if (m->dump == DUMP_NONE)
                m->corrected = 0;
        if (m->dump < why)
                m->dump = why;
}

static void on_dumping(void *userdata) {
        Manager *m = userdata;

        m->generation++;
        m->passes = 0;
}

static void on_refused(int ifindex, void *userdata) {
        Link *l = manager_find_link(userdata, ifindex);

        if (l)
                l->asked = false;
}

static void on_overrun(void *userdata) {
        Manager *m = userdata;

        m->overruns++;
        log_notice("The kernel had to drop link events, reading all links again");
        if (m->synchronized)
                expect_dump(m, DUMP_OVERRUN); /* Rtnl begins it */
}

/* While events were lost a link can have gone and another come with the same index: what was held on it is gone. */
static void end_lost_references(Manager *m) {
        for (size_t i = 0; i < m->links.n; i++) {
                Link *l = m->links.items[i];

                if (l->identity_fd < 0 || views_check_identity(l->identity_fd, l->ifindex) >= 0)
                        continue;
                manager_end_references_on(m, l, PROMISC_CAUSE_LINK_REMOVED);
        }
}

static void sweep(Manager *m) {
        for (size_t i = m->links.n; i > 0; i--) {
                Link *l = m->links.items[i - 1];

                if (l->generation == m->generation)
                        continue;
                if (m->synchronized)
                        m->corrected++;
                remove_link(m, l, PROMISC_CAUSE_LINK_REMOVED);
        }
}

static void on_dumped(void *userdata) {
        Manager *m = userdata;
        ManagerDump why = m->dump;

        m->dump = DUMP_NONE;
        sweep(m);
        for (size_t i = 0; i < m->links.n; i++) {
                Link *l = m->links.items[i];

                m->corrected += l->drifted;
                l->asked = l->drifted = false;
        }

        if (why == DUMP_OVERRUN)
                end_lost_references(m);
        m->synchronized = true;

        if (m->observer && (why == DUMP_OVERRUN || (why == DUMP_TIMER && m->corrected > 0)))
                m->observer->resynchronized(why == DUMP_OVERRUN ? PROMISC_RESYNC_OVERRUN : PROMISC_RESYNC_TIMER,
                                            m->corrected, m->observer_userdata);

        if (why == DUMP_TIMER || why == DUMP_OVERRUN) {
                m->recheck_ifindex = 0;
                sd_event_source_set_enabled(m->recheck, SD_EVENT_ON);
        }
}

static int on_resync_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        int r;

        sd_event_source_set_time_relative(s, m->options.resync_usec);

        /* One that is under way will do, unless its end never comes. */
        if (m->dump != DUMP_NONE && ++m->passes < PASSES_MAX)
                return 0;

        r = rtnl_dump_anew(m->rtnl);
        if (r < 0)
                log_warning("Cannot ask the kernel for all links, trying again later: %s", strerror(-r));
        else
                expect_dump(m, DUMP_TIMER);
        return 0;
}

/* sysfs and ioctl have no events of their own: read them all now and then, some in each turn of the loop. */
static int on_recheck(sd_event_source *s, void *userdata) {
        Manager *m = userdata;
        unsigned n = 0;

        for (size_t i = table_position_after(&m->links, &m->recheck_ifindex);
             i < m->links.n && n < RECHECK_LINKS; i++, n++) {
                Link *l = m->links.items[i];

                manager_mark_stale(m, l);
                l->unaccounted = l->unaccounted || l->now.promiscuity > 0; /* nor has what a ledger rests on */
                m->recheck_ifindex = l->ifindex;
        }
        if (n < RECHECK_LINKS)
                sd_event_source_set_enabled(s, SD_EVENT_OFF);

        manager_publish(m);
        return 0;
}

static void on_drained(bool empty, void *userdata) {
        manager_queue_read(userdata, empty);
}

const RtnlHandler manager_rtnl_handler = {
        .link = on_link,
        .dumped = on_dumped,
        .overrun = on_overrun,
        .drained = on_drained,
        .dumping = on_dumping,
        .refused = on_refused,
};

static void check_read(Manager *m, int r) {
        if (r >= 0)
                return;
        log_error("Cannot read the netlink socket, giving up: %s", strerror(-r));
        sd_event_exit(m->event, EXIT_FAILURE);
}

void manager_drain(Manager *m) {
        check_read(m, rtnl_drain(m->rtnl));
}

void manager_settle(Manager *m) {
        check_read(m, rtnl_settle(m->rtnl));
}

void manager_catch_up(Manager *m) {
        check_read(m, rtnl_catch_up(m->rtnl));
}

int manager_start_links(Manager *m) {
        int r;

        m->links.compare = compare_link;
        m->dump = DUMP_START;

        r = sd_event_add_defer(m->event, &m->recheck, on_recheck, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->recheck, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(m->recheck, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0 && m->options.resync_usec > 0) {
                r = sd_event_add_time_relative(m->event, &m->resync_timer, CLOCK_MONOTONIC, m->options.resync_usec, 0,
                                               on_resync_timer, m);
                if (r >= 0)
                        r = sd_event_source_set_enabled(m->resync_timer, SD_EVENT_ON);
        }

        return r < 0 ? r : rtnl_dump(m->rtnl);
}

void manager_free_links(Manager *m) {
        for (size_t i = 0; i < m->links.n; i++)
                link_free(m->links.items[i]);
        table_done(&m->links);
        sd_event_source_disable_unref(m->resync_timer);
        sd_event_source_disable_unref(m->recheck);
}
