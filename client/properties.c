/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "properties.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"

static const Property *find(const Property *table, size_t n, const char *name, const char *contents) {
        for (size_t i = 0; i < n; i++) {
                if (strcmp(table[i].name, name) != 0)
                        continue;
                if (strcmp(contents, table[i].signature) == 0)
                        return table + i;
        }
        return NULL;
}

static int read_value(sd_bus_message *m, const Property *p, void *base) {
        void *to = (char *) base + p->offset;
        char type = p->signature[0];
        int r;

        if (p->read)
                return p->read(m, to);

        if (type == 's' || type == 'o') {
                const char *s;
                char *copy;

                r = sd_bus_message_read_basic(m, type, &s);
                if (r < 0)
                        return r;
                copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
                free(*(char **) to);
                *(char **) to = copy;
                return 0;
        }

        return sd_bus_message_read_basic(m, type, to);
}

int properties_read_strings(sd_bus_message *m, void *to) {
        char **l = NULL;
        int r;

        r = sd_bus_message_read_strv(m, &l);
        if (r < 0)
                return r;
        strv_free(*(char ***) to);
        *(char ***) to = l;
        return 0;
}

static int read_entry(sd_bus_message *m, const Property *table, size_t n, void *base) {
        const Property *p;
        const char *name, *contents;
        char type;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;

        p = find(table, n, name, contents);
        if (!p)
                return sd_bus_message_skip(m, "v");

        r = sd_bus_message_enter_container(m, 'v', contents);
        if (r < 0)
                return r;
        r = read_value(m, p, base);
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

int properties_read(sd_bus_message *m, const Property *table, size_t n, void *base) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_entry(m, table, n, base);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}
