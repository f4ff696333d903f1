/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "promisc-names.h"
#include "text.h"

/* What polkit is asked: the action and all details by which a rule, or the person at the prompt, may decide. */

typedef struct Question {
        const char *action;                /* one of PROMISC_ACTION_… */
        char interface[NAME_ESCAPED_MAX];  /* escaped name */
        int ifindex;
        char reason[PROMISC_REASON_MAX + 1]; /* "" where there is none */
} Question;

/* Whether an answer to a is an answer to b: nothing that was shown or decided by may differ. */
bool question_equal(const Question *a, const Question *b);

/* The text of the prompt. Errors: -ENOMEM. */
int question_message(const Question *q, char **ret);

/* What polkit's reply means. */
typedef enum Verdict {
        VERDICT_YES,
        VERDICT_NO,
        VERDICT_DISMISSED,         /* the person closed the prompt */
        VERDICT_NOBODY_TO_ASK,     /* polkit would ask, but there is no agent */
        VERDICT_NEEDS_INTERACTION, /* polkit would ask, but the caller does not allow it */
        VERDICT_NO_ANSWER,         /* in time */
        VERDICT_UNAVAILABLE,       /* no polkit, or it refused the question */
} Verdict;

Verdict verdict_from_reply(bool authorized, bool challenge, bool dismissed, bool interactive);
