/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reference-info.h"

#include <errno.h>
#include <string.h>

#include "message.h"
#include "promisc-names.h"
#include "properties.h"

static const Property properties[] = {
        { "Id", "t", offsetof(ReferenceInfo, id) },
        { "Index", "i", offsetof(ReferenceInfo, ifindex) },
        { "InterfaceName", "s", offsetof(ReferenceInfo, link_name) },
        { "Owner", "s", offsetof(ReferenceInfo, owner) },
        { "UserId", "u", offsetof(ReferenceInfo, uid) },
        { "ProcessId", "u", offsetof(ReferenceInfo, pid) },
        { "Reason", "s", offsetof(ReferenceInfo, reason) },
        { "AcquiredTimestamp", "t", offsetof(ReferenceInfo, acquired) },
        { "ExpiresTimestamp", "t", offsetof(ReferenceInfo, expires) },
};

void reference_info_done(ReferenceInfo *r) {
        free(r->link_name);
        free(r->owner);
        free(r->reason);
        *r = (ReferenceInfo){};
}

int reference_info_read(sd_bus_message *m, ReferenceInfo *reference) {
        return properties_read(m, properties, ELEMENTSOF(properties), reference);
}

void reference_list_done(ReferenceList *l) {
        for (size_t i = 0; i < l->n; i++)
                reference_info_done(l->items + i);
        free(l->items);
        *l = (ReferenceList){};
}

static int compare_ids(const void *a, const void *b) {
        uint64_t x = ((const ReferenceInfo *) a)->id, y = ((const ReferenceInfo *) b)->id;

        return x < y ? -1 : x > y;
}

static int read_list(sd_bus_message *m, ReferenceList *l) {
        size_t n_allocated = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "a{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(m, 0)) == 0) {
                if (l->n == n_allocated) {
                        size_t n = n_allocated ? n_allocated * 2 : 16;
                        ReferenceInfo *items = reallocarray(l->items, n, sizeof(ReferenceInfo));

                        if (!items)
                                return -ENOMEM;
                        l->items = items;
                        n_allocated = n;
                }
                l->items[l->n] = (ReferenceInfo){};
                r = reference_info_read(m, l->items + l->n++);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (l->n > 0)
                qsort(l->items, l->n, sizeof(ReferenceInfo), compare_ids);
        return 0;
}

int reference_list_get(sd_bus *bus, ReferenceList *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(reference_list_done) ReferenceList l = {};
        int r;

        r = sd_bus_call_method(bus, PROMISC_BUS_NAME, PROMISC_PATH, PROMISC_MANAGER_INTERFACE,
                               "ListReferences", &error, &reply, NULL);
        if (r < 0)
                return message_bus_error(&error, r, "Cannot list the references");
        r = read_list(reply, &l);
        if (r < 0)
                return message_error(r, "Cannot understand the list of references");

        *ret = l;
        l = (ReferenceList){};
        return 0;
}

void reference_list_filter(ReferenceList *l, int ifindex) {
        size_t n = 0;

        for (size_t i = 0; i < l->n; i++)
                if (l->items[i].ifindex == ifindex)
                        l->items[n++] = l->items[i];
                else
                        reference_info_done(l->items + i);
        l->n = n;
}
