/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>

#include "state.h"
#include "utf8-check.h"

/* A record that nobody need have written. It has one form only: what is taken is what would be written of
 * it. */

static void check_record(const char *text, size_t size, const StateReference *r) {
        char *written = malloc(STATE_TEXT_MAX);
        size_t n = strlen(r->reason);

        must(written);
        must(state_format(r, written) == size && size < STATE_TEXT_MAX);
        must(memcmp(written, text, size) == 0);
        free(written);

        must(r->id > 0 && r->ifindex > 0 && (r->address_length == 0 || r->address_length == 6) &&
             r->pid >= 0);
        must(n > 0 && n <= PROMISC_REASON_MAX && utf8_check_all(r->reason, is_control_or_format));
        must(r->owner[0] == ':' && strlen(r->bus) == 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = fuzz_copy(data, size);
        StateReference r, untouched;
        int k;

        memset(&untouched, 0xa5, sizeof(untouched));
        r = untouched;
        k = state_parse(text, size, &r);
        must(k == 0 || k == -EBADMSG);
        if (k == 0)
                check_record(text, size, &r);
        else
                must(memcmp(&r, &untouched, sizeof(r)) == 0);
        free(text);
        return 0;
}
