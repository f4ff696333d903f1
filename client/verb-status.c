/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus.h"
#include "explain.h"
#include "flags.h"
#include "json.h"
#include "message.h"
#include "status.h"
#include "terminal.h"
#include "text.h"
#include "timestamp.h"
#include "verbs.h"

#define LABEL_WIDTH 20

static void put_label(const char *label) {
        printf("%*s%s ", LABEL_WIDTH - (int) strlen(label), "", label);
}

/* Text of others. */
static void put_escaped(const char *text) {
        _cleanup_free_ char *escaped = NULL;

        if (text_escape(text, &escaped) >= 0)
                fputs(escaped, stdout);
}

static void put_view(const char *label, uint32_t flags) {
        _cleanup_free_ char *names = NULL;

        put_label(label);
        printf("0x%08" PRIx32 "  %s\n", flags, flags_to_string(flags, &names) >= 0 ? names : "?");
}

/* One line each, with all that is known. */
static void put_holders(const HolderList *holders) {
        const char *label = "Held By:";

        for (size_t i = 0; i < holders->n; i++) {
                _cleanup_free_ char *text = NULL;

                put_label(label);
                label = "";
                put_escaped(holder_info_to_string(holders->items + i, &text) >= 0 ? text : "?");
                putchar('\n');
        }
        if (*label) {
                put_label(label);
                puts("nobody");
        }
}

static void put_references(const ReferenceList *references) {
        const char *label = "References:";
        char since[TIMESTAMP_SIZE];

        for (size_t i = 0; i < references->n; i++) {
                const ReferenceInfo *reference = references->items + i;

                put_label(label);
                label = "";
                printf("%" PRIu64 ", UID %" PRIu32 ", PID %" PRIu32 ", since %s: ", reference->id,
                       reference->uid, reference->pid, timestamp_format(reference->acquired, since));
                put_escaped(reference->reason ?: "");
                putchar('\n');
        }
        if (*label) {
                put_label(label);
                puts("none");
        }
}

static void put_since(const LinkInfo *l) {
        char when[TIMESTAMP_SIZE], ago[TIMESTAMP_SIZE];

        put_label("Promiscuous:");
        fputs(l->promiscuous ? "yes" : "no", stdout);
        if (l->promiscuous && l->promiscuous_since > 0)
                printf(" since %s; %s", timestamp_format(l->promiscuous_since, when),
                       timestamp_format_ago(l->promiscuous_since, timestamp_now(), ago));
        putchar('\n');
}

/* Begins in column `indent` and ends its last line. */
static void put_wrapped(const char *text, size_t indent) {
        _cleanup_free_ char *wrapped = NULL;

        puts(text_wrap(text, terminal_columns(), indent, &wrapped) >= 0 ? wrapped : text);
}

static void print_text(const Status *s) {
        const LinkInfo *l = &s->link;
        const char *label = "Alternative Names:";

        printf("%d: ", l->ifindex);
        put_escaped(l->name);
        putchar('\n');
        for (char **i = l->alternative_names; i && *i; i++) {
                put_label(label);
                put_escaped(*i);
                putchar('\n');
                label = "";
        }
        put_since(l);
        put_label("Requested by Hand:");
        puts(l->user_requested ? "yes" : "no");
        put_label("Counter:");
        printf("%" PRIu32 "\n", l->promiscuity);
        put_holders(&s->holders);
        put_label("All-Multicast:");
        printf("%" PRIu32 "\n", l->all_multicast);
        put_view("sysfs (device):", l->sysfs_flags);
        put_view("netlink (ip link):", l->netlink_flags);
        put_view("ioctl (ifconfig):", l->ioctl_flags);
        put_references(&s->references);
        put_label("Why:");
        put_wrapped(s->why, LABEL_WIDTH + 1);
}

static void put_json_view(Json *j, const char *key, uint32_t flags) {
        uint32_t rest = flags;
        const char *name;

        json_object(j, key);
        json_unsigned(j, "flags", flags);
        json_array(j, "names");
        while ((name = flags_next(&rest)))
                json_string(j, NULL, name);
        json_end(j);
        json_end(j);
}

static void put_json_time(Json *j, const char *key, uint64_t usec) {
        if (usec > 0)
                json_unsigned(j, key, usec);
        else
                json_null(j, key);
}

static void put_json(Json *j, const Status *s) {
        const LinkInfo *l = &s->link;

        json_object(j, NULL);
        json_unsigned(j, "idx", (uint64_t) l->ifindex);
        json_string(j, "link", l->name);
        json_array(j, "alternative_names");
        for (char **i = l->alternative_names; i && *i; i++)
                json_string(j, NULL, *i);
        json_end(j);
        json_bool(j, "promisc", l->promiscuous);
        json_bool(j, "user", l->user_requested);
        json_unsigned(j, "count", l->promiscuity);
        held_by_put_json(&l->held_by, j, "held_by");
        json_unsigned(j, "allmulti", l->all_multicast);
        put_json_time(j, "since", l->promiscuous ? l->promiscuous_since : 0);
        put_json_view(j, "sysfs", l->sysfs_flags);
        put_json_view(j, "netlink", l->netlink_flags);
        put_json_view(j, "ioctl", l->ioctl_flags);

        json_array(j, "holders");
        for (size_t i = 0; i < s->holders.n; i++)
                holder_info_put_json(s->holders.items + i, j, NULL);
        json_end(j);

        json_array(j, "references");
        for (size_t i = 0; i < s->references.n; i++) {
                const ReferenceInfo *reference = s->references.items + i;

                json_object(j, NULL);
                json_unsigned(j, "id", reference->id);
                json_unsigned(j, "uid", reference->uid);
                json_unsigned(j, "pid", reference->pid);
                put_json_time(j, "since", reference->acquired);
                json_string(j, "reason", reference->reason ?: "");
                json_end(j);
        }
        json_end(j);

        json_string(j, "why", s->why);
        json_end(j);
}

int verb_status(const Options *o, char **args) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *refusal = NULL;
        bool json = o->json != JSON_OFF, first = true;
        const char *state = NULL;
        int r, status = 0;
        Json j;

        r = bus_open(o, &bus);
        if (r < 0)
                return r;

        json_init(&j, stdout, o->json == JSON_PRETTY);
        if (json)
                json_array(&j, NULL);
        for (; *args; args++) {
                _cleanup_(status_done) Status s = {};

                if (status_get(bus, *args, &s) < 0) {
                        status = 1;
                        continue;
                }
                if (json)
                        put_json(&j, &s);
                else {
                        fputs(first ? "" : "\n", stdout);
                        print_text(&s);
                }
                first = false;
                state = explain_state(&s.link) ?: state;
                if (!refusal && s.holders.n > 0)
                        refusal = TAKE_PTR(s.refusal);
        }
        if (json)
                json_end(&j);
        else if (state && o->legend) {
                putchar('\n');
                put_wrapped(state, 0);
        }
        if (refusal)
                holder_list_tell_refusal(refusal);
        return status;
}
