/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "agent.h"
#include "bus.h"
#include "message.h"
#include "promisc-names.h"
#include "verbs.h"

static int release(sd_bus *bus, uint64_t id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        char path[sizeof(PROMISC_REFERENCE_PREFIX) + 24];
        int r;

        snprintf(path, sizeof(path), PROMISC_REFERENCE_PREFIX "/%" PRIu64, id);
        r = sd_bus_message_new_method_call(bus, &call, PROMISC_BUS_NAME, path, PROMISC_REFERENCE_INTERFACE,
                                           "Release");
        if (r >= 0)
                r = bus_call_interactive(bus, call, &error, NULL);
        if (r < 0 && (sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
                      sd_bus_error_has_name(&error, PROMISC_ERROR_NO_SUCH_REFERENCE))) {
                message("Cannot release %" PRIu64 ": no such reference", id);
                return r;
        }
        if (r < 0)
                return message_bus_error(&error, r, "Cannot release %" PRIu64, id);
        return 0;
}

int verb_release(const Options *o, char **args) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(agent_close) pid_t agent = 0;
        uint64_t id;
        int r, status = 0;

        for (char **i = args; *i; i++)
                if (parse_unsigned(*i, &id) < 0) {
                        message("Cannot release %s: not the number of a reference", *i);
                        return 2;
                }

        r = bus_open(o, &bus);
        if (r < 0)
                return r;
        agent_open(o, &agent);

        for (char **i = args; *i; i++)
                if (parse_unsigned(*i, &id) < 0 || release(bus, id) < 0)
                        status = 1;
        return status;
}
