/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <systemd/sd-bus.h>

/* Where a property goes. Its signature is that of a basic type: s, o (char *, which is freed and replaced), i, u, t (int,
 * uint32_t, uint64_t) or b (int); or there is a function that reads it, and replaces what is there only if it can. */
typedef struct Property {
        const char *name, *signature;
        size_t offset;
        int (*read)(sd_bus_message *m, void *to);
} Property;

/* as, into char ** */
int properties_read_strings(sd_bus_message *m, void *to);

/* Reads an a{sv} into *base. Names that are not in the table are ignored, as are values of another type. */
int properties_read(sd_bus_message *m, const Property *table, size_t n, void *base);
