/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <systemd/sd-bus.h>

/* Where a property goes: `type` is 's', 'o' (char *), 'i', 'u', 't' (int, uint32_t, uint64_t), 'b' (int) or
 * 'a' for an array of strings (char **). Strings are freed and replaced. */
typedef struct Property {
        const char *name;
        char type;
        size_t offset;
} Property;

/* Reads an a{sv} into *base. Names that are not in the table are ignored, as are values of another type. */
int properties_read(sd_bus_message *m, const Property *table, size_t n, void *base);
