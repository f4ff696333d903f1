/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "caller.h"
#include "limits.h"
#include "question.h"

/* Asynchronous authorization: org.freedesktop.PolicyKit1.Authority.CheckAuthorization on the same bus connection. */

typedef struct Polkit Polkit;
typedef struct PolkitCheck PolkitCheck;

/* Called once, later, never from within polkit_check(); the check is gone then. */
typedef void (*polkit_verdict_t)(Verdict verdict, void *userdata);

int polkit_new(sd_bus *bus, Polkit **ret);

/* Ends all checks without a call. */
Polkit *polkit_free(Polkit *p);

/* Asks whether that caller may. With interactive, polkit may ask a person, who has 5 minutes; else the answer is due in
 * 10 s. Counts as one authorization of the caller's user until polkit has answered or left, also when it was cancelled:
 * the bus allows a connection 128 open replies. Errors: -ENOMEM; those of sd_bus_call_async(). */
int polkit_check(Polkit *p, Limits *limits, const Caller *caller, const Question *q, bool interactive,
                 polkit_verdict_t f, void *userdata, PolkitCheck **ret);

/* Whether there are questions that polkit did not answer in time, and has not since. */
bool polkit_is_silent(const Polkit *p);

/* Nobody waits for the answer any more: polkit is told, f is not called. Takes NULL. */
PolkitCheck *polkit_check_cancel(PolkitCheck *c);
