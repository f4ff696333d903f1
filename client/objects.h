/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "link-info.h"
#include "reference-info.h"

/* All objects of the service in one reading, as the ObjectManager gives them. */
typedef struct Objects {
        LinkInfo *links;
        size_t n_links, n_links_allocated;
        ReferenceInfo *references;
        size_t n_references, n_references_allocated;
} Objects;

void objects_done(Objects *o);

/* The reply of GetManagedObjects. Links come in the order of their index. */
int objects_read(sd_bus_message *reply, Objects *ret);

/* One object of it, which is also what InterfacesAdded carries (oa{sa{sv}}): it is added, or replaced. */
int objects_read_one(sd_bus_message *m, Objects *o, const char **ret_path);

LinkInfo *objects_find_link(const Objects *o, int ifindex);
ReferenceInfo *objects_find_reference(const Objects *o, uint64_t id);
void objects_remove_link(Objects *o, LinkInfo *l);
void objects_remove_reference(Objects *o, ReferenceInfo *reference);

/* `text` is its name or an alternative name, or its index if no link has that for a name. */
bool objects_link_is_called(const Objects *o, const LinkInfo *l, const char *text);

/* The ifindex in a link's path, -EINVAL for another path. */
int objects_path_ifindex(const char *path);
