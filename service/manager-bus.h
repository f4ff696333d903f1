/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* org.example.Promisc.Manager on /org/example/Promisc */

int manager_bus_register(Bus *b);

void manager_bus_changed(Bus *b, unsigned mask);
void manager_bus_resynchronized(Bus *b, const char *cause, unsigned corrected);
