/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "manager-internal.h"
#include "text.h"
#include "util.h"

/* Up to so many rounds of property changes in a window are published at once; then they wait for its end. Steps of the
 * counter are never put off. */
#define PUBLISH_WINDOW (100 * USEC_PER_MSEC)
#define PUBLISH_COUNT  16U

/* Of reading, in one round of publishing. */
#define ROUNDS_MAX 3U

void manager_mark_stale(Manager *m, Link *l) {
        l->fresh = false;
        if (l->stale)
                return;
        l->stale = true;
        LIST_INSERT_HEAD(&m->stale, l, stale_links);
}

void manager_unmark_stale(Manager *m, Link *l) {
        if (!l->stale)
                return;
        l->stale = false;
        LIST_REMOVE(l, stale_links);
}

static bool counts_as_promiscuous(const Link *l) {
        return l->published && link_is_promiscuous(&l->now);
}

void manager_refresh_link(Manager *m, Link *l) {
        bool before = counts_as_promiscuous(l), added = false;
        char name[NAME_ESCAPED_MAX];
        int r;

        r = link_read_views(l, &m->views);
        if (r < 0 && r != -ENODEV)
                log_link(LOG_WARNING, name_escape(l->name, name), "Cannot read the flags, ignoring: %s",
                         strerror(-r));

        if (r >= 0)
                manager_identify_link(m, l);

        if (!l->published) {
                if (r < 0)
                        return; /* being renamed or on its way out: the next message tells */
                l->published = added = true;
                link_take_changes(l);
                m->now.links++;
        }

        m->now.promiscuous_links += counts_as_promiscuous(l);
        m->now.promiscuous_links -= before;
        if (added) {
                if (m->observer && (!m->quiet || (m->goes_on && l->slot == 0))) {
                        manager_account_first(m, l);
                        link_take_changes(l);
                        l->told = m->quiet;
                        m->observer->link_added(l, m->observer_userdata);
                        if (link_is_promiscuous(&l->announced))
                                manager_journal_link(l, true);
                }
                manager_note_counter(m, l);
        }
}

static void tell_changed(Manager *m) {
        unsigned mask;

        mask = (m->now.links != m->announced.links ? MANAGER_CHANGE_LINKS : 0U) |
                (m->now.promiscuous_links != m->announced.promiscuous_links ? MANAGER_CHANGE_PROMISCUOUS_LINKS : 0U) |
                (m->now.references != m->announced.references ? MANAGER_CHANGE_REFERENCES : 0U);
        m->announced = m->now;
        if (mask && m->observer && !m->quiet)
                m->observer->changed(mask, m->observer_userdata);
}

/* Returns whether there were any. */
static bool refresh_links(Manager *m) {
        bool any = false;
        Link *l;

        LIST_FOREACH(l, &m->stale, stale_links)
                if (!l->fresh) {
                        manager_refresh_link(m, l);
                        l->fresh = any = true;
                }
        return any;
}

/* Those that came meanwhile stay for the next time. */
static void tell_links(Manager *m) {
        for (Link *l = LIST_FIRST(&m->stale), *next; l; l = next) {
                bool before = link_is_promiscuous(&l->announced), after;
                unsigned mask;

                next = LIST_NEXT(l, stale_links);
                if (!l->fresh)
                        continue;
                manager_unmark_stale(m, l);
                if (!l->published)
                        continue;

                mask = link_take_changes(l);
                if (mask && m->observer && (!m->quiet || l->told))
                        m->observer->link_changed(l, mask, m->observer_userdata);
                after = link_is_promiscuous(&l->announced);
                if (before != after && !m->quiet)
                        manager_journal_link(l, after);
                if (l->unaccounted && !m->quiet)
                        manager_mark_stale(m, l);
        }
}

static void defer(Manager *m, uint64_t until) {
        if (sd_event_source_set_time(m->publish_timer, until) >= 0 &&
            sd_event_source_set_enabled(m->publish_timer, SD_EVENT_ONESHOT) >= 0)
                m->publish_deferred = true;
}

void manager_publish(Manager *m) {
        if (m->publishing)
                return;
        m->publishing = true;

        /* The ledger's reading may bring news. */
        for (unsigned i = 0; i < ROUNDS_MAX && (refresh_links(m) || i == 0); i++)
                if (m->accounts)
                        manager_account(m);
        tell_links(m);
        tell_changed(m);

        m->publishing = false;
        if (!LIST_EMPTY(&m->stale) && !m->publish_deferred)
                defer(m, now_usec(CLOCK_MONOTONIC) + PUBLISH_WINDOW);
}

static int on_publish_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        /* It is a storm: until there is a window without, one round in each. */
        m->publish_deferred = false;
        m->publish_window = now_usec(CLOCK_MONOTONIC);
        m->publish_count = PUBLISH_COUNT;
        manager_publish(m);
        return 0;
}

void manager_queue_read(Manager *m, bool empty) {
        uint64_t now;

        if (!m->synchronized || m->publish_deferred || m->publishing)
                return;
        if (LIST_EMPTY(&m->stale) && memcmp(&m->now, &m->announced, sizeof(m->now)) == 0)
                return;

        now = now_usec(CLOCK_MONOTONIC);
        if (now - m->publish_window >= PUBLISH_WINDOW) {
                m->publish_window = now;
                m->publish_count = 0;
        }

        if (empty && m->publish_count < PUBLISH_COUNT) {
                m->publish_count++;
                manager_publish(m);
                return;
        }

        defer(m, m->publish_window + PUBLISH_WINDOW);
}

int manager_start_publishing(Manager *m) {
        int r;

        r = sd_event_add_time(m->event, &m->publish_timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_publish_timer, m);
        return r < 0 ? r : sd_event_source_set_enabled(m->publish_timer, SD_EVENT_OFF);
}
