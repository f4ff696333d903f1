/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "manager-internal.h"
#include "text.h"

#define HOLDERS_TEXT_MAX 512U

/* "packet-socket=2 bridge=1". */
static void write_units(const Ledger *ledger, char text[static HOLDERS_TEXT_MAX]) {
        size_t n = 0;

        text[0] = '\0';
        for (HolderKind k = 0; k < HOLDER_KIND_MAX && n < HOLDERS_TEXT_MAX; k++)
                if (ledger->units[k] > 0)
                        n += (size_t) snprintf(text + n, HOLDERS_TEXT_MAX - n, "%s%s=%u", n > 0 ? " " : "",
                                               holder_kind_to_string(k), ledger->units[k]);
}

/* "packet-socket bridge". */
static void write_kinds(uint32_t kinds, char text[static HOLDERS_TEXT_MAX]) {
        size_t n = 0;

        text[0] = '\0';
        for (HolderKind k = 0; k < HOLDER_KIND_MAX && n < HOLDERS_TEXT_MAX; k++)
                if (kinds & (UINT32_C(1) << k))
                        n += (size_t) snprintf(text + n, HOLDERS_TEXT_MAX - n, "%s%s", n > 0 ? " " : "",
                                               holder_kind_to_string(k));
}

void manager_journal_link(const Link *l, bool promiscuous) {
        char name[NAME_ESCAPED_MAX], text[HOLDERS_TEXT_MAX];
        LogContext c = { .interface = name_escape(l->name, name), .holders = text };

        if (promiscuous) {
                write_units(&l->ledger, text);
                c.message_id = LOG_ID_STARTED;
                log_line(LOG_NOTICE, &c, "Became promiscuous, held by %s", text[0] ? text : "nobody known");
        } else {
                write_kinds(l->last_kinds, text);
                c.message_id = LOG_ID_STOPPED;
                log_line(LOG_NOTICE, &c, "No longer promiscuous, was held by %s", text[0] ? text : "nobody known");
        }
}
