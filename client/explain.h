/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "holder-info.h"
#include "link-info.h"

/* Why tools disagree about the link, and who holds its counter, in plain words: paragraphs, one a line, without a final
 * line end. */
int explain_link(const LinkInfo *l, const HolderList *holders, char **ret);

/* Why they disagree about its state, which is the same for every link; NULL if they do not. */
const char *explain_state(const LinkInfo *l);
