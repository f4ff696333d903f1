/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "link-info.h"

/* Why tools disagree about the link, in plain words: paragraphs, one a line, without a final line end.
 * `n_references` are the service's own. */
int explain_link(const LinkInfo *l, unsigned n_references, char **ret);

/* Why they disagree about its state, which is the same for every link; NULL if they do not. */
const char *explain_state(const LinkInfo *l);
