/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "link-info.h"

/* Why tools disagree about the link, in plain words: sentences, one a line, without a final line end.
 * `n_references` are the service's own. */
int explain_link(const LinkInfo *l, unsigned n_references, char **ret);
