/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held-by.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cleanup.h"

HeldBy held_by(const LinkInfo *l, unsigned n_references) {
        HeldBy h = {
                .references = n_references,
                .user = l->user_requested,
                .corrupt = l->promiscuity > INT32_MAX,
        };
        uint64_t known = (uint64_t) h.references + h.user;

        /* It can be less than what is known, where the one was read before the other. */
        if (!h.corrupt && l->promiscuity > known)
                h.others = l->promiscuity - (uint32_t) known;
        return h;
}

int held_by_to_string(const HeldBy *h, char **ret) {
        char references[32] = "", others[32] = "";
        const char *parts[4];
        size_t n = 0;

        if (h->references > 0) {
                snprintf(references, sizeof(references), "%u reference%s", h->references,
                         h->references == 1 ? "" : "s");
                parts[n++] = references;
        }
        if (h->user)
                parts[n++] = "user";
        if (h->others > 0) {
                snprintf(others, sizeof(others), "%" PRIu32 " other", h->others);
                parts[n++] = others;
        }
        if (h->corrupt)
                parts[n++] = "corrupt counter";
        if (n == 0)
                parts[n++] = "-";

        if (asprintf(ret, "%s%s%s%s%s%s%s", parts[0], n > 1 ? ", " : "", n > 1 ? parts[1] : "",
                     n > 2 ? ", " : "", n > 2 ? parts[2] : "", n > 3 ? ", " : "", n > 3 ? parts[3] : "") < 0)
                return -ENOMEM;
        return 0;
}

void held_by_put_json(const HeldBy *h, Json *j, const char *key) {
        json_object(j, key);
        if (h->references > 0)
                json_unsigned(j, "reference", h->references);
        if (h->user)
                json_unsigned(j, "user", 1);
        if (h->others > 0)
                json_unsigned(j, "other", h->others);
        json_end(j);
}
