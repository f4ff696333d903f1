/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "manager.h"

/* Between the parts of the manager: what links are there (manager-links.c), who holds their counters (manager-ledger.c), what
 * of all that has been told (manager-publish.c) and noted as told (manager-counters.c), what is held (manager-references.c)
 * and what was held before (manager-restore.c). */

extern const RtnlHandler manager_rtnl_handler;

/* Makes the timers and asks for all links the first time. */
int manager_start_links(Manager *m);
void manager_free_links(Manager *m);

/* Has the kernel asked for it again; the answer arrives like an event. */
void manager_ask_link(Manager *m, Link *l);

/* Makes the ledgers of all stale links anew, as far as they changed. Reads the kernel's queue meanwhile, so that links can
 * come and go. One that kept moving stays unaccounted, and is made again with the next round. */
void manager_account(Manager *m);

/* The same for one link, before it is told of: with what is known. */
void manager_account_first(Manager *m, Link *l);

/* It is known which units are our own: makes all ledgers. */
void manager_start_ledger(Manager *m);

/* One line that it became promiscuous, or no longer is. */
void manager_journal_link(const Link *l, bool promiscuous);

void manager_free_ledger(Manager *m);

/* Puts the link on the list of those whose views are to be read, and takes it off. */
void manager_mark_stale(Manager *m, Link *l);
void manager_unmark_stale(Manager *m, Link *l);

/* Reads the views; the first time that they can be read the link is published. */
void manager_refresh_link(Manager *m, Link *l);

/* Notes the counter as announced, and that the link is gone: now, or as soon as what was told of it has been sent. */
void manager_note_counter(Manager *m, Link *l);
void manager_forget_counter(Manager *m, Link *l);
int manager_start_counters(Manager *m);
void manager_free_counters(Manager *m);

/* A link that only a former process knew is gone. */
void manager_forget_former(Manager *m, int ifindex);

/* For the event source of a reference's descriptor. */
int manager_on_descriptor_closed(sd_event_source *s, int fd, uint32_t revents, void *userdata);

/* Starts the clock of a reference with a deadline. */
int manager_arm_expiry(Manager *m, Reference *r);

/* The queue was read: publishes now or, in a storm, soon. */
void manager_queue_read(Manager *m, bool empty);

/* Makes the timer that publishes what was put off. */
int manager_start_publishing(Manager *m);
