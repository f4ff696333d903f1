/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "options.h"

/* The connection to the bus that the options name. Says what went wrong. */
int bus_open(const Options *o, sd_bus **ret);

/* Calls that may ask for a password: no time limit, the service has one. */
int bus_call_interactive(sd_bus *bus, sd_bus_message *call, sd_bus_error *error, sd_bus_message **ret_reply);

/* The number at the end of `path` behind `prefix` and '/'. -EINVAL where there is none. */
int bus_path_number(const char *path, const char *prefix, uint64_t *ret);

/* Digits only, all of them. */
int parse_unsigned(const char *s, uint64_t *ret);
