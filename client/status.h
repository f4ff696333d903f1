/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "holder-info.h"
#include "link-info.h"
#include "reference-info.h"

/* All that there is to say of one link. */
typedef struct Status {
        LinkInfo link;
        HolderList holders;       /* anonymous where the service does not tell who they are */
        char *refusal;            /* why it does not; NULL if it does */
        ReferenceList references; /* of this link */
        char *why;                /* what explain_link() says */
} Status;

void status_done(Status *s);

/* `name` is as the user gave it. Counter and holders are of one moment, or of the last of some tries. Says what went wrong. */
int status_get(sd_bus *bus, const char *name, Status *ret);
