/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "text-stream.h"
#include "text.h"
#include "timestamp.h"

#define TIME_WIDTH   26
#define LINK_WIDTH   15 /* the longest name that is not escaped */
#define CHANGE_WIDTH 11
#define SOURCE_WIDTH 6

static const char *const kind_names[] = {
        [EVENT_PROMISCUITY] = "promiscuity",         [EVENT_LINK_ADDED] = "link-added",
        [EVENT_LINK_REMOVED] = "link-removed",       [EVENT_LINK_RENAMED] = "link-renamed",
        [EVENT_REFERENCE_TAKEN] = "reference-taken", [EVENT_REFERENCE_ENDED] = "reference-ended",
        [EVENT_RESYNCHRONIZED] = "resynchronized",
};

static void put_escaped(const char *text, size_t width) {
        _cleanup_free_ char *escaped = NULL;
        size_t w;

        if (text_escape(text, &escaped) < 0)
                return;
        w = text_width(escaped);
        printf("%s%*s", escaped, w < width ? (int) (width - w) : 0, "");
}

typedef struct Who {
        FILE *file;
        bool any;
} Who;

/* "+packet-socket: tcpdump (pid 812)" */
static void put_change(const HolderInfo *h, int64_t units, void *userdata) {
        Who *who = userdata;

        fprintf(who->file, "%s%c", who->any ? "; " : "", units < 0 ? '-' : '+');
        holder_info_put(who->file, h, (uint64_t) (units < 0 ? -units : units));
        who->any = true;
}

static void put_who(const Event *e) {
        _cleanup_(text_stream_done) TextStream s = {};
        _cleanup_free_ char *text = NULL;
        Who who = {};

        if (e->continued) {
                fputs("…", stdout);
                return;
        }
        if (e->before && e->after && text_stream_open(&s) >= 0) {
                who.file = s.file;
                holder_list_compare(e->before, e->after, put_change, &who);
                who.any = text_stream_close(&s, &text) >= 0 && who.any;
        }
        if (who.any)
                put_escaped(text, 0);
        else
                fputs(text ? "as before" : "?", stdout);
}

static void print_text(const Event *e) {
        char when[TIMESTAMP_SIZE];
        int n;

        printf("%-*s ", TIME_WIDTH, timestamp_format_fine(e->timestamp, when));
        put_escaped(e->link ?: "-", LINK_WIDTH);
        putchar(' ');

        switch (e->kind) {
        case EVENT_PROMISCUITY:
                n = printf("%" PRIu32 " → %" PRIu32, e->old, e->new) - 2; /* the arrow has three bytes */
                printf("%*s ", n < CHANGE_WIDTH ? CHANGE_WIDTH - n : 0, "");
                put_escaped(e->source, SOURCE_WIDTH);
                putchar(' ');
                put_who(e);
                break;
        case EVENT_LINK_ADDED:
                printf("new link, counter %" PRIu32, e->new);
                break;
        case EVENT_LINK_REMOVED:
                printf("link is gone");
                break;
        case EVENT_LINK_RENAMED:
                printf("was renamed, before: ");
                put_escaped(e->old_name, 0);
                break;
        case EVENT_REFERENCE_TAKEN:
                printf("reference %" PRIu64 " taken by UID %" PRIu32 ", PID %" PRIu32 ": ", e->reference,
                       e->uid, e->pid);
                put_escaped(e->reason, 0);
                break;
        case EVENT_REFERENCE_ENDED:
                printf("reference %" PRIu64 " ended: ", e->reference);
                put_escaped(e->cause, 0);
                break;
        case EVENT_RESYNCHRONIZED:
                printf("resynchronized after ");
                put_escaped(e->cause, 0);
                printf(", %" PRIu32 " link%s corrected", e->corrected, e->corrected == 1 ? "" : "s");
                break;
        }
        putchar('\n');
}

typedef struct JsonWho {
        Json *json;
        int sign;
} JsonWho;

static void put_json_change(const HolderInfo *h, int64_t units, void *userdata) {
        const JsonWho *who = userdata;
        HolderInfo change = *h;

        if (units * who->sign <= 0)
                return;
        change.count = (uint32_t) (units * who->sign);
        holder_info_put_json(&change, who->json, NULL);
}

static void put_json_changes(Json *j, const char *key, const Event *e, int sign) {
        if (!e->before || !e->after) {
                json_null(j, key);
                return;
        }
        json_array(j, key);
        holder_list_compare(e->before, e->after, put_json_change, &(JsonWho){ j, sign });
        json_end(j);
}

static void print_json(const Event *e, bool pretty) {
        Json j;

        json_init(&j, stdout, pretty);
        json_object(&j, NULL);
        json_unsigned(&j, "timestamp", e->timestamp);
        json_string(&j, "event", kind_names[e->kind]);
        if (e->link) {
                json_unsigned(&j, "idx", (uint64_t) e->ifindex);
                json_string(&j, "link", e->link);
        }

        switch (e->kind) {
        case EVENT_PROMISCUITY:
                json_unsigned(&j, "old", e->old);
                json_unsigned(&j, "new", e->new);
                json_string(&j, "source", e->source);
                json_unsigned(&j, "timestamp_monotonic", e->timestamp_monotonic);
                put_json_changes(&j, "gained", e, 1);
                put_json_changes(&j, "lost", e, -1);
                break;
        case EVENT_LINK_ADDED:
                json_unsigned(&j, "count", e->new);
                break;
        case EVENT_LINK_REMOVED:
                break;
        case EVENT_LINK_RENAMED:
                json_string(&j, "old_name", e->old_name);
                break;
        case EVENT_REFERENCE_TAKEN:
                json_unsigned(&j, "id", e->reference);
                json_unsigned(&j, "uid", e->uid);
                json_unsigned(&j, "pid", e->pid);
                json_string(&j, "reason", e->reason);
                break;
        case EVENT_REFERENCE_ENDED:
                json_unsigned(&j, "id", e->reference);
                json_string(&j, "cause", e->cause);
                break;
        case EVENT_RESYNCHRONIZED:
                json_string(&j, "cause", e->cause);
                json_unsigned(&j, "corrected", e->corrected);
                break;
        }
        json_end(&j);
}

static int copy(const char *from, const char **ret) {
        if (!from)
                return 0;
        *ret = strdup(from);
        return *ret ? 0 : -ENOMEM;
}

int event_copy(const Event *e, Event *ret) {
        Event c = *e;

        c.link = c.source = c.old_name = c.reason = c.cause = NULL;
        c.before = c.after = NULL;
        if (copy(e->link, &c.link) < 0 || copy(e->source, &c.source) < 0 ||
            copy(e->old_name, &c.old_name) < 0 || copy(e->reason, &c.reason) < 0 ||
            copy(e->cause, &c.cause) < 0) {
                event_done(&c);
                return -ENOMEM;
        }
        *ret = c;
        return 0;
}

void event_done(Event *c) {
        free((char *) c->link);
        free((char *) c->source);
        free((char *) c->old_name);
        free((char *) c->reason);
        free((char *) c->cause);
        *c = (Event){};
}

void event_print_header(const Options *o) {
        if (o->json == JSON_OFF && o->legend)
                printf("%-*s %-*s %-*s %-*s WHO\n", TIME_WIDTH, "TIME", LINK_WIDTH, "LINK", CHANGE_WIDTH,
                       "CHANGE", SOURCE_WIDTH, "SOURCE");
}

void event_print(const Options *o, const Event *e) {
        if (o->json == JSON_OFF)
                print_text(e);
        else
                print_json(e, o->json == JSON_PRETTY);
}
