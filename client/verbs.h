/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "options.h"

/* One file each. `args` ends with NULL and does not have the verb itself. They return the exit status, or a
 * negative errno after they have said what went wrong. */

int verb_list(const Options *o, char **args);
int verb_status(const Options *o, char **args);
int verb_monitor(const Options *o, char **args);
int verb_hold(const Options *o, char **args);
int verb_references(const Options *o, char **args);
int verb_release(const Options *o, char **args);
