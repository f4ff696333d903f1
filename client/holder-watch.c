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

/* Lists in a second: each costs the machine a walk through all processes. The service allows a user twenty. */
#define RATE_MAX  10U
#define RATE_USEC UINT64_C(1000000)

/* After a list that could not be had; twice as long each time. */
#define RETRY_MIN_USEC UINT64_C(1000000)
#define RETRY_MAX_USEC UINT64_C(60000000)

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
        uint64_t rate_usec; /* CLOCK_MONOTONIC */
        unsigned n_asked;   /* since then */
        bool refused;       /* the service does not tell us */
        bool told;          /* … which was said */
        uint64_t retry_usec, retry_after_usec; /* not before this time (CLOCK_MONOTONIC), and how long that was */
        sd_event_source *timer;
        uint64_t timer_usec; /* CLOCK_MONOTONIC */
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
        Line *i = NULL;

        while (line && (i = next_waiting(l->watch, i, l->ifindex))) {
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
        l->wanted = l->wanted || (!l->call && l->last && l->last->list.anonymous);
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

/* Whoever may not know now may later: polkit answers late at times, and its rules change. */
static void on_refusal(HolderWatch *w, Watched *l, const sd_bus_error *error) {
        if (sd_bus_error_has_name(error, PROMISC_ERROR_NO_SUCH_LINK)) {
                settle_by_kind(w, l);
                return;
        }

        w->refused = true;
        w->retry_after_usec = w->retry_after_usec == 0 ? RETRY_MIN_USEC : 2 * w->retry_after_usec;
        if (w->retry_after_usec > RETRY_MAX_USEC)
                w->retry_after_usec = RETRY_MAX_USEC;
        w->retry_usec = now_monotonic() + w->retry_after_usec;

        if (holder_list_is_refusal(error) && !w->told) {
                w->told = true;
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
        w->refused = false;
        w->retry_after_usec = 0;
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

static bool is_within_rate(HolderWatch *w, uint64_t now) {
        if (now >= w->rate_usec + RATE_USEC) {
                w->rate_usec = now;
                w->n_asked = 0;
        }
        return w->n_asked < RATE_MAX;
}

static void arm(HolderWatch *w, uint64_t now) {
        bool lines = !TAILQ_EMPTY(&w->lines), wanted = false;
        uint64_t at = now + TICK_USEC;
        const Watched *l;

        TAILQ_FOREACH(l, &w->links, links)
                wanted = wanted || l->wanted;
        if (!lines && !wanted)
                return;
        if (!lines && w->refused && w->retry_usec > at)
                at = w->retry_usec;

        /* An earlier one stays, or in a storm it would never come. */
        if (sd_event_source_get_enabled(w->timer, NULL) > 0 && w->timer_usec <= at)
                return;
        w->timer_usec = at;
        if (sd_event_source_set_time(w->timer, at) < 0 || sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT) < 0)
                holder_watch_flush(w);
}

/* Those for which a line waits come first. */
static void ask_some(HolderWatch *w, uint64_t now, bool waiting) {
        Watched *l;

        TAILQ_FOREACH(l, &w->links, links) {
                if (w->n_calls >= CALLS_MAX || !is_within_rate(w, now))
                        break;
                if (!l->wanted || l->call || (waiting && !next_waiting(w, NULL, l->ifindex)))
                        continue;
                l->wanted = false;
                w->n_asked++;
                if (ask(w, l) < 0)
                        settle_by_kind(w, l);
        }
}

static void ask_next(HolderWatch *w) {
        uint64_t now = now_monotonic();

        if (!w->refused || now >= w->retry_usec) {
                ask_some(w, now, true);
                ask_some(w, now, false);
        }
        print_ready(w);
        arm(w, now);
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata) {
        uint64_t now = now_monotonic();
        HolderWatch *w = userdata;
        Watched *l;

        TAILQ_FOREACH(l, &w->links, links) {
                const Line *line = (l->wanted && !w->refused) || l->call ? NULL : next_waiting(w, NULL, l->ifindex);

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
        l->wanted = link->promiscuity > 0;
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
        w->refused = false;
        w->retry_after_usec = 0;
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
        l->wanted = l->wanted || !l->call; /* others may hold it now, at the same counter */
        if (w->refused && (!line || held_by_sum(&link->held_by) == line->event.new))
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
                l->wanted = true;
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
