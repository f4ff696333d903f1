/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "holder-watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "cleanup.h"
#include "promisc-names.h"
#include "timestamp.h"

/* While something waits. The service itself tells holders at most that often in a storm. */
#define TICK_USEC UINT64_C(100000)

/* For which a line waits for signals that may not come. */
#define WAIT_USEC UINT64_C(300000)

/* The service lists holders within two. */
#define CALL_USEC UINT64_C(5000000)

#define CALLS_MAX 8U
#define TRIES_MAX 3U

/* Lists of one link in a second: each costs the machine a walk through all processes. */
#define RATE_MAX  10U
#define RATE_USEC UINT64_C(1000000)

/* Who held a link's counter at some moment. */
typedef struct Reading {
        unsigned n_ref;
        HolderList list;
} Reading;

typedef struct Line {
        TAILQ_ENTRY(Line) lines;
        Event event;
        bool waits;          /* for a reading of who holds the link */
        uint64_t heard_usec; /* CLOCK_MONOTONIC */
        Reading *kinds; /* after it, as everybody may know; NULL if that was not told */
        Reading *before, *after;
} Line;

typedef struct Watched {
        TAILQ_ENTRY(Watched) links;
        HolderWatch *watch;
        int ifindex;
        Reading *last;
        bool wanted;
        sd_bus_slot *call;
        unsigned tries;
        uint64_t rate_usec; /* CLOCK_MONOTONIC */
        unsigned n_asked;   /* since then */
} Watched;

TAILQ_HEAD(LineList, Line);
TAILQ_HEAD(WatchedList, Watched);

struct HolderWatch {
        sd_bus *bus;
        const Options *options;
        const Objects *objects;
        struct LineList lines;
        struct WatchedList links;
        unsigned n_calls;
        bool refused; /* the service does not tell us */
        sd_event_source *timer;
};

static uint64_t now_monotonic(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

/* --- readings ------------------------------------------------------------------------------------------------------ */

static Reading *reading_new(HolderList *list) {
        Reading *r = calloc(1, sizeof(Reading));

        if (!r)
                return NULL;
        *r = (Reading){ .n_ref = 1, .list = *list };
        *list = (HolderList){};
        return r;
}

static Reading *reading_ref(Reading *r) {
        if (r)
                r->n_ref++;
        return r;
}

static Reading *reading_unref(Reading *r) {
        if (r && --r->n_ref == 0) {
                holder_list_done(&r->list);
                free(r);
        }
        return NULL;
}

/* By kind alone, which everybody may know. */
static Reading *reading_by_kind(const LinkInfo *l) {
        _cleanup_(holder_list_done) HolderList list = {};

        if (holder_list_from_held_by(&l->held_by, &list) < 0)
                return NULL;
        if (list.n == 0)
                list.anonymous = false; /* nobody is nobody */
        return reading_new(&list);
}

/* --- lines --------------------------------------------------------------------------------------------------------- */

static void line_free(Line *l) {
        event_done(&l->event);
        reading_unref(l->kinds);
        reading_unref(l->before);
        reading_unref(l->after);
        free(l);
}

/* Up to the first that waits. */
static void print_ready(HolderWatch *w) {
        Line *l;

        while ((l = TAILQ_FIRST(&w->lines)) && !l->waits) {
                l->event.before = l->before ? &l->before->list : NULL;
                l->event.after = l->after ? &l->after->list : NULL;
                event_print(w->options, &l->event);
                TAILQ_REMOVE(&w->lines, l, lines);
                line_free(l);
        }
}

static Watched *find(HolderWatch *w, int ifindex) {
        Watched *l;

        TAILQ_FOREACH(l, &w->links, links)
                if (l->ifindex == ifindex)
                        return l;
        return NULL;
}

/* The next one of that link that waits. */
static Line *next_waiting(HolderWatch *w, Line *l, int ifindex) {
        l = l ? TAILQ_NEXT(l, lines) : TAILQ_FIRST(&w->lines);
        while (l && !(l->waits && l->event.ifindex == ifindex))
                l = TAILQ_NEXT(l, lines);
        return l;
}

/* The reading, if there is one, is that of who held the link after the change that `line` tells of. Of the lines before it that
 * wait, those of which the kinds were told have these; what others changed is in the next. Without a line none waits. */
static void settle(Watched *l, Line *line, Reading *after) {
        Reading *last = reading_ref(l->last);
        Line *i;

        while (line && (i = next_waiting(l->watch, NULL, l->ifindex))) {
                Reading *now = i == line && after ? after : i->kinds;

                i->waits = false;
                i->event.continued = !now && i != line;
                if (now) {
                        i->before = reading_ref(last);
                        i->after = reading_ref(now);
                        reading_unref(last);
                        last = reading_ref(now);
                }
                if (i == line)
                        break;
        }
        if (after) {
                reading_unref(last);
                last = reading_ref(after);
        }
        reading_unref(l->last);
        l->last = last;
        l->tries = 0;
}

/* --- asking -------------------------------------------------------------------------------------------------------- */

static void ask_next(HolderWatch *w);

static Line *last_waiting(HolderWatch *w, int ifindex) {
        Line *last = NULL, *i = NULL;

        while ((i = next_waiting(w, i, ifindex)))
                last = i;
        return last;
}

/* Where the kinds are all that can be had. */
static void settle_by_kind(HolderWatch *w, Watched *l) {
        const LinkInfo *link = objects_find_link(w->objects, l->ifindex);
        Reading *reading = link ? reading_by_kind(link) : NULL;
        Line *line = last_waiting(w, l->ifindex);

        if (reading && line && holder_list_sum(&reading->list) != line->event.new)
                reading = reading_unref(reading); /* it is of another moment */
        settle(l, line, reading);
        reading_unref(reading);
        /* So that the next change can be told in full. */
        l->wanted = l->wanted || (!w->refused && !l->call && l->last && l->last->list.anonymous);
}

/* Which of the changes it was read after. Returns false if that is not certain. */
static bool find_moment(HolderWatch *w, const Watched *l, const HolderList *list, Line **ret) {
        const LinkInfo *link = objects_find_link(w->objects, l->ifindex);
        Line *found = NULL, *i = NULL;
        uint64_t sum = holder_list_sum(list);

        if (!last_waiting(w, l->ifindex)) {
                *ret = NULL;
                return link && link->promiscuity == sum;
        }
        while ((i = next_waiting(w, i, l->ifindex)))
                if (i->event.new == sum) {
                        if (found)
                                return false;
                        found = i;
                }
        *ret = found;
        return found;
}

static bool is_refusal(const sd_bus_error *error) {
        return sd_bus_error_has_names(error, SD_BUS_ERROR_ACCESS_DENIED,
                                      SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED);
}

static void on_refusal(HolderWatch *w, Watched *l, const sd_bus_error *error) {
        if (is_refusal(error) && !w->refused) {
                w->refused = true;
                holder_list_tell_refusal(error->message ?: error->name);
        }
        settle_by_kind(w, l);
}

static void on_list(HolderWatch *w, Watched *l, sd_bus_message *reply) {
        _cleanup_(holder_list_done) HolderList list = {};
        Reading *reading;
        Line *line;

        if (holder_list_read(reply, &list) < 0) {
                settle_by_kind(w, l);
                return;
        }
        if (!find_moment(w, l, &list, &line)) {
                l->wanted = ++l->tries < TRIES_MAX;
                if (!l->wanted)
                        settle_by_kind(w, l);
                return;
        }

        reading = reading_new(&list);
        settle(l, line, reading);
        reading_unref(reading);
        l->wanted = l->wanted || last_waiting(w, l->ifindex);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Watched *l = userdata;
        HolderWatch *w = l->watch;

        l->call = sd_bus_slot_unref(l->call);
        w->n_calls--;
        if (sd_bus_message_is_method_error(reply, NULL))
                on_refusal(w, l, sd_bus_message_get_error(reply));
        else
                on_list(w, l, reply);
        print_ready(w);
        ask_next(w);
        return 0;
}

static int ask(HolderWatch *w, Watched *l) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        char path[64];
        int r;

        snprintf(path, sizeof(path), PROMISC_LINK_PREFIX "/%d", l->ifindex);
        r = holder_list_call_new(w->bus, path, &call);
        if (r >= 0)
                r = sd_bus_call_async(w->bus, &l->call, call, on_reply, l, CALL_USEC);
        if (r < 0)
                return r;
        w->n_calls++;
        return 0;
}

static bool is_within_rate(Watched *l, uint64_t now) {
        if (now >= l->rate_usec + RATE_USEC) {
                l->rate_usec = now;
                l->n_asked = 0;
        }
        return l->n_asked++ < RATE_MAX;
}

static void arm(HolderWatch *w) {
        bool busy = !TAILQ_EMPTY(&w->lines);
        const Watched *l;

        TAILQ_FOREACH(l, &w->links, links)
                busy = busy || l->wanted;
        /* One that is on its way stays, or in a storm it would never come. */
        if (!busy || sd_event_source_get_enabled(w->timer, NULL) > 0)
                return;
        if (sd_event_source_set_time_relative(w->timer, TICK_USEC) < 0 ||
            sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT) < 0)
                holder_watch_flush(w);
}

static void ask_next(HolderWatch *w) {
        uint64_t now = now_monotonic();
        Watched *l;

        TAILQ_FOREACH(l, &w->links, links) {
                if (w->n_calls >= CALLS_MAX)
                        break;
                if (!l->wanted || l->call || !is_within_rate(l, now))
                        continue;
                l->wanted = false;
                if (w->refused || ask(w, l) < 0)
                        settle_by_kind(w, l);
        }
        print_ready(w);
        arm(w);
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata) {
        uint64_t now = now_monotonic();
        HolderWatch *w = userdata;
        Watched *l;

        TAILQ_FOREACH(l, &w->links, links) {
                const Line *line = l->wanted || l->call ? NULL : next_waiting(w, NULL, l->ifindex);

                if (line && now >= line->heard_usec + WAIT_USEC)
                        settle_by_kind(w, l);
        }
        ask_next(w);
        return 0;
}

/* --- what is heard ------------------------------------------------------------------------------------------------- */

void holder_watch_add(HolderWatch *w, const LinkInfo *link) {
        Watched *l = find(w, link->ifindex);

        if (!link->watched || l)
                return;
        l = calloc(1, sizeof(Watched));
        if (!l)
                return; /* then nothing is told of it */
        *l = (Watched){ .watch = w, .ifindex = link->ifindex, .last = reading_by_kind(link) };
        l->wanted = !w->refused && link->promiscuity > 0;
        TAILQ_INSERT_TAIL(&w->links, l, links);
        ask_next(w);
}

static void forget(HolderWatch *w, Watched *l) {
        settle_by_kind(w, l);
        if (l->call) {
                l->call = sd_bus_slot_unref(l->call);
                w->n_calls--;
        }
        reading_unref(l->last);
        TAILQ_REMOVE(&w->links, l, links);
        free(l);
}

void holder_watch_remove(HolderWatch *w, int ifindex) {
        Watched *l = find(w, ifindex);

        if (l)
                forget(w, l);
        print_ready(w);
}

void holder_watch_begin(HolderWatch *w) {
        while (!TAILQ_EMPTY(&w->links))
                forget(w, TAILQ_FIRST(&w->links));
        print_ready(w);
        for (size_t i = 0; i < w->objects->n_links; i++)
                holder_watch_add(w, w->objects->links + i);
}

void holder_watch_tell(HolderWatch *w, const LinkInfo *link) {
        Watched *l = find(w, link->ifindex);
        Line *line;

        if (!l)
                return;
        line = last_waiting(w, l->ifindex);
        if (line && !line->kinds && held_by_sum(&link->held_by) == line->event.new)
                line->kinds = reading_by_kind(link);
        if (!w->refused)
                l->wanted = l->wanted || !l->call; /* others may hold it now, at the same counter */
        else if (!line || held_by_sum(&link->held_by) == line->event.new)
                settle_by_kind(w, l);
        ask_next(w);
}

void holder_watch_print(HolderWatch *w, const Event *e) {
        Watched *l = e->kind == EVENT_PROMISCUITY ? find(w, e->ifindex) : NULL;
        Line *line = calloc(1, sizeof(Line));

        if (!line || event_copy(e, &line->event) < 0) {
                free(line);
                holder_watch_flush(w);
                event_print(w->options, e);
                return;
        }
        line->event.timestamp = timestamp_now();
        line->heard_usec = now_monotonic();
        TAILQ_INSERT_TAIL(&w->lines, line, lines);

        if (l) {
                line->waits = true;
                l->wanted = !w->refused;
        }
        ask_next(w);
}

void holder_watch_flush(HolderWatch *w) {
        Watched *l;

        TAILQ_FOREACH(l, &w->links, links)
                if (next_waiting(w, NULL, l->ifindex))
                        settle_by_kind(w, l);
        print_ready(w);
}

int holder_watch_new(sd_bus *bus, const Options *options, const Objects *objects, HolderWatch **ret) {
        HolderWatch *w = calloc(1, sizeof(HolderWatch));
        int r;

        if (!w)
                return -ENOMEM;
        *w = (HolderWatch){ .bus = sd_bus_ref(bus), .options = options, .objects = objects };
        TAILQ_INIT(&w->lines);
        TAILQ_INIT(&w->links);
        r = sd_event_add_time_relative(sd_bus_get_event(bus), &w->timer, CLOCK_MONOTONIC, 0, 0, on_tick, w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
        if (r < 0) {
                holder_watch_free(w);
                return r;
        }

        *ret = w;
        return 0;
}

HolderWatch *holder_watch_free(HolderWatch *w) {
        if (!w)
                return NULL;

        while (!TAILQ_EMPTY(&w->links))
                forget(w, TAILQ_FIRST(&w->links));
        while (!TAILQ_EMPTY(&w->lines)) {
                Line *l = TAILQ_FIRST(&w->lines);

                TAILQ_REMOVE(&w->lines, l, lines);
                line_free(l);
        }
        sd_event_source_disable_unref(w->timer);
        sd_bus_unref(w->bus);
        free(w);
        return NULL;
}
