/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "manager-internal.h"

/* A counter is noted once nothing can keep its announcement from the bus, and the end of a link likewise. What is still
 * in our own queue when we are killed was never heard: the next process tells it. */

static bool is_sent(const Manager *m) {
        return !m->observer || m->observer->is_sent(m->observer_userdata);
}

static void note(Manager *m, Link *l) {
        l->unnoted = false;
        counters_set(m->counters, &l->slot, l->ifindex, l->now.promiscuity);
}

static bool wait_until_sent(Manager *m) {
        return !is_sent(m) && sd_event_source_set_enabled(m->noting, SD_EVENT_ON) >= 0;
}

void manager_note_counter(Manager *m, Link *l) {
        if (!m->counters || (!l->published && !l->slot))
                return;
        if (wait_until_sent(m))
                l->unnoted = true;
        else
                note(m, l);
}

void manager_forget_counter(Manager *m, Link *l) {
        CounterSlot *forgotten;

        if (!m->counters || l->slot == 0)
                return;

        forgotten = wait_until_sent(m) ?
                reallocarray(m->forgotten, m->n_forgotten + 1, sizeof(CounterSlot)) : NULL;
        if (!forgotten) {
                counters_clear(m->counters, &l->slot);
                return;
        }
        m->forgotten = forgotten;
        m->forgotten[m->n_forgotten++] = l->slot;
        l->slot = 0;
}

void manager_forget_former(Manager *m, int ifindex) {
        if (m->counters && counters_forget_former(m->counters, ifindex) && m->observer)
                m->observer->link_lost(ifindex, m->observer_userdata);
}

static void note_all(Manager *m) {
        for (size_t i = 0; i < m->links.n; i++)
                if (((Link *) m->links.items[i])->unnoted)
                        note(m, m->links.items[i]);
        while (m->n_forgotten > 0)
                counters_clear(m->counters, m->forgotten + --m->n_forgotten);
}

/* After each turn of the loop in which something was done, as long as something waits. */
static int on_turn(sd_event_source *s, void *userdata) {
        Manager *m = userdata;

        if (is_sent(m)) {
                note_all(m);
                sd_event_source_set_enabled(s, SD_EVENT_OFF);
        }
        return 0;
}

int manager_start_counters(Manager *m) {
        int r;

        r = sd_event_add_post(m->event, &m->noting, on_turn, m);
        return r < 0 ? r : sd_event_source_set_enabled(m->noting, SD_EVENT_OFF);
}

void manager_free_counters(Manager *m) {
        note_all(m); /* the connection was flushed before it was closed */
        sd_event_source_disable_unref(m->noting);
        free(m->forgotten);
        counters_close(m->counters);
}
