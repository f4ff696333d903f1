/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "status.h"

#include <errno.h>
#include <string.h>

#include "explain.h"
#include "message.h"

/* The counter and its holders are two calls. */
#define TRIES_MAX 5U

void status_done(Status *s) {
        link_info_done(&s->link);
        holder_list_done(&s->holders);
        reference_list_done(&s->references);
        free(s->refusal);
        free(s->why);
        *s = (Status){};
}

/* Returns 0 also if the service does not tell. */
static int get_holders(sd_bus *bus, const char *path, Status *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = holder_list_call_new(bus, path, &call);
        if (r < 0)
                return message_error(r, "Cannot list the holders of %s", path);
        r = sd_bus_call(bus, call, 0, &error, &reply);
        if (r < 0 && !holder_list_is_refusal(&error))
                return message_bus_error(&error, r, "Cannot list the holders of %s", s->link.name);
        if (r < 0) {
                s->refusal = strdup(error.message ?: error.name);
                if (!s->refusal)
                        return message_error(-ENOMEM, "Cannot list the holders of %s", path);
                r = holder_list_from_held_by(&s->link.held_by, &s->holders);
        } else
                r = holder_list_read(reply, &s->holders);
        return r < 0 ? message_error(r, "Cannot understand who holds %s", path) : 0;
}

static int get_link(sd_bus *bus, const char *path, Status *s) {
        int r;

        for (unsigned i = 0; i < TRIES_MAX; i++) {
                status_done(s);
                r = link_info_get(bus, path, &s->link);
                if (r < 0)
                        return r;
                r = get_holders(bus, path, s);
                if (r < 0)
                        return r;
                if (holder_list_sum(&s->holders) == s->link.promiscuity)
                        break;
        }
        return 0;
}

int status_get(sd_bus *bus, const char *name, Status *ret) {
        _cleanup_(status_done) Status s = {};
        _cleanup_free_ char *path = NULL;
        int r;

        r = link_info_find(bus, name, &path);
        if (r < 0)
                return r;
        r = get_link(bus, path, &s);
        if (r < 0)
                return r;
        r = reference_list_get(bus, &s.references);
        if (r < 0)
                return r;
        reference_list_filter(&s.references, s.link.ifindex);

        r = explain_link(&s.link, &s.holders, &s.why);
        if (r < 0)
                return message_error(r, "Cannot show %s", name);

        *ret = s;
        s = (Status){};
        return 0;
}
