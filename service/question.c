/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "question.h"

bool question_equal(const Question *a, const Question *b) {
        return strcmp(a->action, b->action) == 0 && strcmp(a->interface, b->interface) == 0 &&
                a->ifindex == b->ifindex && strcmp(a->reason, b->reason) == 0;
}

int question_message(const Question *q, char **ret) {
        int n;

        if (strcmp(q->action, PROMISC_ACTION_RELEASE) == 0)
                n = asprintf(ret,
                             "Authentication is required to release another user's promiscuous reference "
                             "on network interface %s (%s)", q->interface, q->reason);
        else
                n = asprintf(ret,
                             "Authentication is required to make network interface %s promiscuous (%s)",
                             q->interface, q->reason);

        return n < 0 ? -ENOMEM : 0;
}

Verdict verdict_from_reply(bool authorized, bool challenge, bool dismissed, bool interactive) {
        if (authorized)
                return VERDICT_YES;
        if (dismissed)
                return VERDICT_DISMISSED;
        if (!challenge)
                return VERDICT_NO;
        return interactive ? VERDICT_NOBODY_TO_ASK : VERDICT_NEEDS_INTERACTION;
}
