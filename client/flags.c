/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flags.h"

#include <errno.h>
#include <linux/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

static const struct {
        uint32_t flag;
        const char *name;
} names[] = {
        { IFF_UP, "UP" },
        { IFF_BROADCAST, "BROADCAST" },
        { IFF_DEBUG, "DEBUG" },
        { IFF_LOOPBACK, "LOOPBACK" },
        { IFF_POINTOPOINT, "POINTOPOINT" },
        { IFF_NOTRAILERS, "NOTRAILERS" },
        { IFF_RUNNING, "RUNNING" },
        { IFF_NOARP, "NOARP" },
        { IFF_PROMISC, "PROMISC" },
        { IFF_ALLMULTI, "ALLMULTI" },
        { IFF_MASTER, "MASTER" },
        { IFF_SLAVE, "SLAVE" },
        { IFF_MULTICAST, "MULTICAST" },
        { IFF_PORTSEL, "PORTSEL" },
        { IFF_AUTOMEDIA, "AUTOMEDIA" },
        { IFF_DYNAMIC, "DYNAMIC" },
        { IFF_LOWER_UP, "LOWER_UP" },
        { IFF_DORMANT, "DORMANT" },
        { IFF_ECHO, "ECHO" },
};

const char *flags_next(uint32_t *flags) {
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (*flags & names[i].flag) {
                        *flags &= ~names[i].flag;
                        return names[i].name;
                }
        return NULL;
}

int flags_to_string(uint32_t flags, char **ret) {
        size_t size = 1;
        const char *name;
        char *s;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                size += strlen(names[i].name) + 1;
        s = malloc(size);
        if (!s)
                return -ENOMEM;

        *s = 0;
        while ((name = flags_next(&flags))) {
                if (*s)
                        strcat(s, " ");
                strcat(s, name);
        }
        *ret = s;
        return 0;
}
