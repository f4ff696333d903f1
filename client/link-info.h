/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "held-by.h"

/* One link as the service tells it. */
typedef struct LinkInfo {
        int ifindex;
        char *name;
        char **alternative_names;
        uint32_t sysfs_flags, netlink_flags, ioctl_flags;
        uint32_t promiscuity;
        uint32_t all_multicast;
        int promiscuous;
        int user_requested;
        uint64_t promiscuous_since;
        HeldBy held_by; /* of one reading with promiscuity */

        bool watched; /* the user of "monitor" asked for it */
} LinkInfo;

void link_info_done(LinkInfo *l);

/* Reads an a{sv} of properties into *l. */
int link_info_read(sd_bus_message *m, LinkInfo *l);

int link_info_get(sd_bus *bus, const char *path, LinkInfo *ret);

/* `text` is its name, as on the bus, or an alternative name. */
bool link_info_has_name(const LinkInfo *l, const char *text);
bool link_info_has_index(const LinkInfo *l, const char *text);

/* Asks the service for the link that is called `text`. Says what went wrong. */
int link_info_find(sd_bus *bus, const char *text, char **ret_path);
