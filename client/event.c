/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event.h"

#include <inttypes.h>
#include <stdio.h>

#include "cleanup.h"
#include "json.h"
#include "text.h"
#include "timestamp.h"

#define TIME_WIDTH   26
#define LINK_WIDTH   15 /* the longest name that is not escaped */
#define CHANGE_WIDTH 11

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

static void print_text(const Event *e) {
        char when[TIMESTAMP_SIZE];
        int n;

        printf("%-*s ", TIME_WIDTH, timestamp_format_fine(timestamp_now(), when));
        put_escaped(e->link ?: "-", LINK_WIDTH);
        putchar(' ');

        switch (e->kind) {
        case EVENT_PROMISCUITY:
                n = printf("%" PRIu32 " → %" PRIu32, e->old, e->new) - 2; /* the arrow has three bytes */
                printf("%*s ", n < CHANGE_WIDTH ? CHANGE_WIDTH - n : 0, "");
                put_escaped(e->source, 0);
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

static void print_json(const Event *e, bool pretty) {
        Json j;

        json_init(&j, stdout, pretty);
        json_object(&j, NULL);
        json_unsigned(&j, "timestamp", timestamp_now());
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

void event_print_header(const Options *o) {
        if (o->json == JSON_OFF && o->legend)
                printf("%-*s %-*s %-*s SOURCE\n", TIME_WIDTH, "TIME", LINK_WIDTH, "LINK", CHANGE_WIDTH,
                       "CHANGE");
}

void event_print(const Options *o, const Event *e) {
        if (o->json == JSON_OFF)
                print_text(e);
        else
                print_json(e, o->json == JSON_PRETTY);
}
