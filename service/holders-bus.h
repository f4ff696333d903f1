/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* ListHolders: the ledger in full. The counts are of one reading, made when polkit has answered; who has a socket open is
 * looked up after that, elsewhere, while others are served. */
int holders_bus_list(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* Ends those that wait for that, without an answer. */
void holders_bus_end(Bus *b);
