/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "event.h"
#include "objects.h"

/* Finds out who made a counter change, by comparing who holds it before and after, and prints all lines in the order in
 * which they were heard, for which a line may have to wait for its turn. */

typedef struct HolderWatch HolderWatch;

/* The objects must be kept as the signals tell of them, and live longer. */
int holder_watch_new(sd_bus *bus, const Options *options, const Objects *objects, HolderWatch **ret);
HolderWatch *holder_watch_free(HolderWatch *w);

/* All objects have been read anew. */
void holder_watch_begin(HolderWatch *w);

/* One link's have, or it has become one to watch. */
void holder_watch_add(HolderWatch *w, const LinkInfo *l);
void holder_watch_remove(HolderWatch *w, int ifindex);

/* The property Holders came. */
void holder_watch_tell(HolderWatch *w, const LinkInfo *l);

/* Prints the event, now or later. */
void holder_watch_print(HolderWatch *w, const Event *e);

/* Prints what still waits, as it is. */
void holder_watch_flush(HolderWatch *w);
