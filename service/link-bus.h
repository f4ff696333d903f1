/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* org.example.Promisc on /org/example/Promisc/link/<ifindex> */

#define LINK_PATH_MAX (sizeof(PROMISC_LINK_PREFIX) + 12)

int link_bus_register(Bus *b);

/* Returns buf. */
char *link_bus_path(int ifindex, char buf[static LINK_PATH_MAX]);

void link_bus_added(Bus *b, const Link *l);
void link_bus_removed(Bus *b, const Link *l);

/* One that went while there was no object for it. */
void link_bus_lost(Bus *b, int ifindex);
void link_bus_changed(Bus *b, const Link *l, unsigned mask);
void link_bus_promiscuity_changed(Bus *b, const Link *l, uint32_t old, const char *source);
