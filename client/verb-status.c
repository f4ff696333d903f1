/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus.h"
#include "explain.h"
#include "flags.h"
#include "held-by.h"
#include "json.h"
#include "link-info.h"
#include "message.h"
#include "reference-info.h"
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

static void put_references(const LinkInfo *l, const ReferenceList *references) {
        const char *label = "References:";
        char since[TIMESTAMP_SIZE];

        for (size_t i = 0; i < references->n; i++) {
                const ReferenceInfo *reference = references->items + i;

                if (reference->ifindex != l->ifindex)
                        continue;
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

static void put_held_by(const LinkInfo *l, unsigned n_references) {
        _cleanup_free_ char *text = NULL;
        HeldBy h = held_by(l, n_references);

        put_label("Held By:");
        puts(held_by_to_string(&h, &text) >= 0 ? text : "?");
}

static void print_text(const LinkInfo *l, const ReferenceList *references, unsigned n_references,
                       const char *explanation) {
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
        put_held_by(l, n_references);
        put_label("All-Multicast:");
        printf("%" PRIu32 "\n", l->all_multicast);
        put_view("sysfs (device):", l->sysfs_flags);
        put_view("netlink (ip link):", l->netlink_flags);
        put_view("ioctl (ifconfig):", l->ioctl_flags);
        put_references(l, references);
        put_label("Why:");
        put_wrapped(explanation, LABEL_WIDTH + 1);
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

static void put_json(Json *j, const LinkInfo *l, const ReferenceList *references, unsigned n_references,
                     const char *explanation) {
        HeldBy h = held_by(l, n_references);

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
        held_by_put_json(&h, j, "held_by");
        json_unsigned(j, "allmulti", l->all_multicast);
        put_json_time(j, "since", l->promiscuous ? l->promiscuous_since : 0);
        put_json_view(j, "sysfs", l->sysfs_flags);
        put_json_view(j, "netlink", l->netlink_flags);
        put_json_view(j, "ioctl", l->ioctl_flags);

        json_array(j, "references");
        for (size_t i = 0; i < references->n; i++) {
                const ReferenceInfo *reference = references->items + i;

                if (reference->ifindex != l->ifindex)
                        continue;
                json_object(j, NULL);
                json_unsigned(j, "id", reference->id);
                json_unsigned(j, "uid", reference->uid);
                json_unsigned(j, "pid", reference->pid);
                put_json_time(j, "since", reference->acquired);
                json_string(j, "reason", reference->reason ?: "");
                json_end(j);
        }
        json_end(j);

        json_string(j, "why", explanation);
        json_end(j);
}

/* `j` is NULL for text. `*state` is left alone if there is nothing to say. */
static int show(sd_bus *bus, const char *name, Json *j, bool first, const char **state) {
        _cleanup_(reference_list_done) ReferenceList references = {};
        _cleanup_(link_info_done) LinkInfo l = {};
        _cleanup_free_ char *path = NULL, *explanation = NULL;
        unsigned n = 0;
        int r;

        r = link_info_find(bus, name, &path);
        if (r < 0)
                return r;
        r = link_info_get(bus, path, &l);
        if (r < 0)
                return r;
        r = reference_list_get(bus, &references);
        if (r < 0)
                return r;

        for (size_t i = 0; i < references.n; i++)
                n += references.items[i].ifindex == l.ifindex;
        r = explain_link(&l, n, &explanation);
        if (r < 0)
                return message_error(r, "Cannot show %s", name);

        *state = explain_state(&l) ?: *state;
        if (j)
                put_json(j, &l, &references, n, explanation);
        else {
                if (!first)
                        putchar('\n');
                print_text(&l, &references, n, explanation);
        }
        return 0;
}

int verb_status(const Options *o, char **args) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
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
                if (show(bus, *args, json ? &j : NULL, first, &state) < 0)
                        status = 1;
                else
                        first = false;
        }
        if (json)
                json_end(&j);
        else if (state && o->legend) {
                putchar('\n');
                put_wrapped(state, 0);
        }
        return status;
}
