/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "message.h"
#include "promisc-names.h"

/* Names mean something only within a namespace: say so when the service's is not ours. Never a reason to
 * fail. */
static void compare_network_namespace(sd_bus *bus) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t inode;
        struct stat st;

        if (stat("/proc/self/ns/net", &st) < 0)
                return;
        if (sd_bus_get_property_trivial(bus, PROMISC_BUS_NAME, PROMISC_PATH, PROMISC_MANAGER_INTERFACE,
                                        "NetworkNamespace", &error, 't', &inode) < 0)
                return;
        if (inode != st.st_ino)
                message("note: promiscd shows another network namespace than this program is in");
}

/* How a transport fails says little: of ssh it is only seen that it ended. */
static int explain_connection(const Options *o, int r) {
        if (o->host)
                message("Cannot connect to the system bus of %s: ssh cannot log in there, or finds no "
                        "systemd-stdio-bridge",
                        o->host);
        else if (o->machine && r == -EHOSTDOWN)
                message("Cannot connect to the system bus of %s: no such container is running", o->machine);
        else
                message_error(r, "Cannot connect to the system bus of %s", o->machine ?: "this machine");
        return r;
}

int bus_open(const Options *o, sd_bus **ret) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        const char *name;
        int r;

        if (o->host)
                r = sd_bus_open_system_remote(&bus, o->host);
        else if (o->machine)
                r = sd_bus_open_system_machine(&bus, o->machine);
        else
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_get_unique_name(bus, &name); /* waits for the connection */
        if (r < 0)
                return explain_connection(o, r);

        r = sd_bus_set_allow_interactive_authorization(bus, o->ask_password);
        if (r < 0)
                return message_error(r, "Cannot set up the bus connection");

        if (!o->host && !o->machine)
                compare_network_namespace(bus);

        *ret = TAKE_PTR(bus);
        return 0;
}

int bus_call_interactive(sd_bus *bus, sd_bus_message *call, sd_bus_error *error,
                         sd_bus_message **ret_reply) {
        return sd_bus_call(bus, call, UINT64_MAX, error, ret_reply);
}

int parse_unsigned(const char *s, uint64_t *ret) {
        uint64_t n = 0;

        if (!*s)
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(n, 10, &n) ||
                    __builtin_add_overflow(n, (uint64_t) (*s - '0'), &n))
                        return -ERANGE;
        }
        *ret = n;
        return 0;
}

int bus_path_number(const char *path, const char *prefix, uint64_t *ret) {
        size_t n = strlen(prefix);

        if (strncmp(path, prefix, n) != 0 || path[n] != '/')
                return -EINVAL;
        return parse_unsigned(path + n + 1, ret);
}
