/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>

#include "bus.h"
#include "held-by.h"
#include "json.h"
#include "message.h"
#include "objects.h"
#include "promisc-names.h"
#include "table.h"
#include "verbs.h"

static int get_objects(sd_bus *bus, Objects *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(bus, PROMISC_BUS_NAME, PROMISC_PATH, "org.freedesktop.DBus.ObjectManager",
                               "GetManagedObjects", &error, &reply, NULL);
        if (r < 0)
                return message_bus_error(&error, r, "Cannot list the links");
        r = objects_read(reply, ret);
        if (r < 0)
                return message_error(r, "Cannot understand the list of links");
        return 0;
}

/* A backslash in a pattern is one of an escaped name. */
static bool matches_name(const LinkInfo *l, const char *pattern) {
        if (fnmatch(pattern, l->name, FNM_NOESCAPE) == 0)
                return true;
        for (char **i = l->alternative_names; i && *i; i++)
                if (fnmatch(pattern, *i, FNM_NOESCAPE) == 0)
                        return true;
        return false;
}

/* Or it is the link's index, unless that is a link's name. */
static bool matches(const Objects *o, const LinkInfo *l, const char *pattern) {
        return matches_name(l, pattern) || objects_link_is_called(o, l, pattern);
}

static bool is_wanted(const Objects *o, const LinkInfo *l, char **patterns) {
        if (!*patterns)
                return true;
        for (; *patterns; patterns++)
                if (matches(o, l, *patterns))
                        return true;
        return false;
}

/* Returns 1 if a pattern matches no link, after saying which. */
static int check_patterns(const Objects *o, char **patterns) {
        int status = 0;

        for (; *patterns; patterns++) {
                bool found = false;

                for (size_t i = 0; i < o->n_links && !found; i++)
                        found = matches(o, o->links + i, *patterns);
                if (!found) {
                        message("Cannot list %s: no such link", *patterns);
                        status = 1;
                }
        }
        return status;
}

static int print_table(const Objects *objects, char **patterns, bool legend) {
        static const char *const headers[] = {
                ">IDX", "LINK", "PROMISC", "USER", ">COUNT", "HELD-BY", NULL
        };
        _cleanup_(table_freep) Table *t = NULL;
        size_t n_listed = 0;
        int r;

        r = table_new(headers, &t);
        if (r < 0)
                return message_error(r, "Cannot print");

        for (size_t i = 0; i < objects->n_links; i++) {
                const LinkInfo *l = objects->links + i;
                _cleanup_free_ char *holders = NULL;

                if (!is_wanted(objects, l, patterns))
                        continue;
                r = held_by_to_string(&l->held_by, &holders);
                if (r < 0)
                        return message_error(r, "Cannot print");
                n_listed++;
                table_add(t, "%d", l->ifindex);
                table_add(t, "%s", l->name);
                table_add(t, "%s", l->promiscuous ? "yes" : "no");
                table_add(t, "%s", l->user_requested ? "yes" : "no");
                table_add(t, "%" PRIu32, l->promiscuity);
                table_add(t, "%s", holders);
        }
        if (n_listed == 0 && *patterns)
                return 0; /* the errors say it */

        r = table_print(t, legend);
        if (r < 0)
                return message_error(r, "Cannot print");
        if (legend)
                printf("\n%zu link%s listed.\n", n_listed, n_listed == 1 ? "" : "s");
        return 0;
}

static void print_json(const Objects *objects, char **patterns, bool pretty) {
        Json j;

        json_init(&j, stdout, pretty);
        json_array(&j, NULL);
        for (size_t i = 0; i < objects->n_links; i++) {
                const LinkInfo *l = objects->links + i;

                if (!is_wanted(objects, l, patterns))
                        continue;
                json_object(&j, NULL);
                json_unsigned(&j, "idx", (uint64_t) l->ifindex);
                json_string(&j, "link", l->name);
                json_bool(&j, "promisc", l->promiscuous);
                json_bool(&j, "user", l->user_requested);
                json_unsigned(&j, "count", l->promiscuity);
                held_by_put_json(&l->held_by, &j, "held_by");
                json_end(&j);
        }
        json_end(&j);
}

int verb_list(const Options *o, char **args) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(objects_done) Objects objects = {};
        int r;

        r = bus_open(o, &bus);
        if (r < 0)
                return r;
        r = get_objects(bus, &objects);
        if (r < 0)
                return r;

        if (o->json == JSON_OFF) {
                r = print_table(&objects, args, o->legend);
                if (r < 0)
                        return r;
        } else
                print_json(&objects, args, o->json == JSON_PRETTY);
        return check_patterns(&objects, args);
}
