/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "promisc-names.h"
#include "text.h"
#include "utf8-check.h"

/* Interface names and reasons: any string, as a name on its way out, as one on its way in, and as a reason.
 */

/* sd-bus's own opinion. The bus never gets further than its first greeting: nobody reads it. */
static bool bus_takes(const char *s) {
        static sd_bus *bus;
        sd_bus_message *m;
        int fds[2], r;

        if (!bus) {
                must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) >= 0);
                must(sd_bus_new(&bus) >= 0);
                must(sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
                must(sd_bus_start(bus) >= 0);
        }

        must(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0);
        r = sd_bus_message_append(m, "s", s);
        sd_bus_message_unref(m);
        return r >= 0;
}

static bool must_be_escaped(uint32_t c) {
        return is_control(c) || c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
               (c >= 0x2066 && c <= 0x2069);
}

static void check_name_out(const char *name) {
        char *escaped = malloc(NAME_ESCAPED_MAX), *back = malloc(NAME_MAX_BYTES + 1);
        size_t n = strlen(name);

        must(escaped && back);
        must(name_escape(name, escaped) == escaped);
        must(strlen(escaped) < NAME_ESCAPED_MAX);
        must(utf8_check_all(escaped, must_be_escaped));
        must(bus_takes(escaped));

        if (n > 0)
                must(name_unescape(escaped, back) == 0);
        if (n > 0 && n <= NAME_MAX_BYTES)
                must(strcmp(back, name) == 0);
        if (n > NAME_MAX_BYTES)
                must(memcmp(back, name, NAME_MAX_BYTES) == 0 && back[NAME_MAX_BYTES] == '\0');

        free(back);
        free(escaped);
}

/* Only the one form that name_escape() writes is taken: what is taken must come out the same. */
static void check_name_in(const char *escaped) {
        char *name = malloc(NAME_MAX_BYTES + 1), *again = malloc(NAME_ESCAPED_MAX);
        int r;

        must(name && again);
        name[0] = '\a';
        r = name_unescape(escaped, name);
        must(r == 0 || r == -EINVAL);
        if (r == 0)
                must(name[0] != '\0' && strcmp(name_escape(name, again), escaped) == 0);
        else
                must(name[0] == '\a');

        free(again);
        free(name);
}

static void check_reason(const char *reason) {
        size_t n = strlen(reason);
        bool valid = n > 0 && n <= PROMISC_REASON_MAX && utf8_check_all(reason, is_control_or_format);

        must(reason_is_valid(reason) == valid);
        if (valid)
                must(bus_takes(reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *s = fuzz_string(data, size);

        check_name_out(s);
        check_name_in(s);
        check_reason(s);
        free(s);
        return 0;
}
