/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "bus.h"
#include "json.h"
#include "message.h"
#include "reference-info.h"
#include "table.h"
#include "timestamp.h"
#include "verbs.h"

static int print_table(const ReferenceList *l, bool legend) {
        static const char *const headers[] = { ">ID",   "LINK",    ">UID",   ">PID", "OWNER",
                                               "SINCE", "EXPIRES", "REASON", NULL };
        char since[TIMESTAMP_SIZE], expires[TIMESTAMP_SIZE];
        _cleanup_(table_freep) Table *t = NULL;
        int r;

        r = table_new(headers, &t);
        if (r < 0)
                return message_error(r, "Cannot print");

        for (size_t i = 0; i < l->n; i++) {
                const ReferenceInfo *reference = l->items + i;

                table_add(t, "%" PRIu64, reference->id);
                table_add(t, "%s", reference->link_name ?: "-");
                table_add(t, "%" PRIu32, reference->uid);
                table_add(t, "%" PRIu32, reference->pid);
                table_add(t, "%s", reference->owner && *reference->owner ? reference->owner : "-");
                table_add(t, "%s", timestamp_format(reference->acquired, since));
                table_add(t, "%s", timestamp_format(reference->expires, expires));
                table_add(t, "%s", reference->reason ?: "-");
        }

        r = table_print(t, legend);
        if (r < 0)
                return message_error(r, "Cannot print");
        if (legend)
                printf("\n%zu reference%s listed.\n", l->n, l->n == 1 ? "" : "s");
        return 0;
}

static void print_json(const ReferenceList *l, bool pretty) {
        Json j;

        json_init(&j, stdout, pretty);
        json_array(&j, NULL);
        for (size_t i = 0; i < l->n; i++) {
                const ReferenceInfo *reference = l->items + i;

                json_object(&j, NULL);
                json_unsigned(&j, "id", reference->id);
                json_unsigned(&j, "idx", (uint64_t) reference->ifindex);
                json_string(&j, "link", reference->link_name ?: "");
                json_unsigned(&j, "uid", reference->uid);
                json_unsigned(&j, "pid", reference->pid);
                json_string(&j, "owner", reference->owner ?: "");
                json_unsigned(&j, "since", reference->acquired);
                if (reference->expires > 0)
                        json_unsigned(&j, "expires", reference->expires);
                else
                        json_null(&j, "expires");
                json_string(&j, "reason", reference->reason ?: "");
                json_end(&j);
        }
        json_end(&j);
}

int verb_references(const Options *o, char **args) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(reference_list_done) ReferenceList l = {};
        int r;

        r = bus_open(o, &bus);
        if (r < 0)
                return r;
        r = reference_list_get(bus, &l);
        if (r < 0)
                return r;

        if (o->json == JSON_OFF)
                return print_table(&l, o->legend);
        print_json(&l, o->json == JSON_PRETTY);
        return 0;
}
