/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "link-bus.h"
#include "log.h"
#include "promisc-names.h"
#include "reference-bus.h"
#include "text.h"
#include "util.h"

char *reference_bus_path(uint64_t id, char buf[static REFERENCE_PATH_MAX]) {
        snprintf(buf, REFERENCE_PATH_MAX, PROMISC_REFERENCE_PREFIX "/%" PRIu64, id);
        return buf;
}

static int reference_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                          sd_bus_error *error) {
        Bus *b = userdata;
        Reference *r;
        uint64_t id;

        if (!bus_path_number(path, PROMISC_REFERENCE_PREFIX, &id))
                return 0;
        r = manager_find_reference(b->manager, id);
        if (!r)
                return 0;

        *ret = r;
        return 1;
}

static bool reference_path_of(const void *item, char buf[static BUS_PATH_MAX]) {
        const Reference *r = item;

        reference_bus_path(r->id, buf);
        return reference_is_shown(r);
}

static int reference_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        return bus_enumerate(prefix, PROMISC_REFERENCE_PREFIX, &((Bus *) userdata)->manager->references,
                             reference_path_of, ret);
}

int reference_bus_release(Bus *b, sd_bus_message *m, sd_bus_message_handler_t handler, void *object, Reference *r,
                          sd_bus_error *error) {
        Question q = { .action = PROMISC_ACTION_RELEASE, .ifindex = r->link->ifindex };
        char name[NAME_ESCAPED_MAX];
        Caller *caller;
        bool own;
        int k;

        k = call_identify(b->calls, m, handler, object, &caller, error);
        if (k <= 0)
                return k < 0 ? k : 1;

        if (caller->uid != r->uid) {
                name_escape(r->link->name, q.interface);
                strcpy(q.reason, r->reason);
                k = call_authorize(b->calls, m, handler, object, caller, &q, error);
                if (k <= 0)
                        return k < 0 ? k : 1;
        }

        own = strcmp(caller->name, r->owner) == 0;
        if (!own)
                log_line(LOG_NOTICE, &(const LogContext){ .interface = name_escape(r->link->name, name), .reference = r->id },
                         "Reference %" PRIu64 " of user %u is being released by user %u", r->id, r->uid, caller->uid);
        manager_end_reference(b->manager, r, own ? PROMISC_CAUSE_RELEASED : PROMISC_CAUSE_REVOKED);
        manager_catch_up(b->manager);
        manager_publish(b->manager);

        return sd_bus_reply_method_return(m, NULL);
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Reference *r = userdata;

        return reference_bus_release(bus_of_manager(r->manager), m, method_release, r, r, error);
}

static const char *get_lifetime_of(const Reference *r) {
        return r->descriptor ? PROMISC_LIFETIME_DESCRIPTOR : PROMISC_LIFETIME_CONNECTION;
}

BUS_GETTER(Reference, link, "o", link_bus_path(o->link->ifindex, (char[LINK_PATH_MAX]){}))
BUS_GETTER(Reference, index, "i", o->link->ifindex)
BUS_GETTER(Reference, process_id, "u", (uint32_t) o->pid)

BUS_GETTER(Reference, lifetime, "s", get_lifetime_of(o))

static const sd_bus_vtable reference_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "t", NULL, offsetof(Reference, id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Link", "o", get_link, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Index", "i", get_index, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Owner", "s", NULL, offsetof(Reference, owner), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("UserId", "u", NULL, offsetof(Reference, uid), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ProcessId", "u", get_process_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Reason", "s", NULL, offsetof(Reference, reason), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Lifetime", "s", get_lifetime, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("AcquiredTimestamp", "t", NULL, offsetof(Reference, acquired_timestamp),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ExpiresTimestamp", "t", NULL, offsetof(Reference, expires_timestamp),
                        SD_BUS_VTABLE_PROPERTY_CONST),

        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_release,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Released", SD_BUS_ARGS("s", cause), 0),
        SD_BUS_VTABLE_END,
};

int reference_bus_append(sd_bus_message *reply, const Reference *r) {
        char name[NAME_ESCAPED_MAX], link_path[LINK_PATH_MAX], path[REFERENCE_PATH_MAX];

        return sd_bus_message_append(reply, "a{sv}", 12,
                                     "Path", "o", reference_bus_path(r->id, path),
                                     "InterfaceName", "s", name_escape(r->link->name, name),
                                     "Id", "t", r->id,
                                     "Link", "o", link_bus_path(r->link->ifindex, link_path),
                                     "Index", "i", r->link->ifindex,
                                     "Owner", "s", r->owner,
                                     "UserId", "u", (uint32_t) r->uid,
                                     "ProcessId", "u", (uint32_t) r->pid,
                                     "Reason", "s", r->reason,
                                     "Lifetime", "s", get_lifetime_of(r),
                                     "AcquiredTimestamp", "t", r->acquired_timestamp,
                                     "ExpiresTimestamp", "t", r->expires_timestamp);
}

int reference_bus_register(Bus *b) {
        int r;

        r = sd_bus_add_fallback_vtable(b->bus, NULL, PROMISC_REFERENCE_PREFIX, PROMISC_REFERENCE_INTERFACE,
                                       reference_vtable, reference_find, b);
        return r < 0 ? r : sd_bus_add_node_enumerator(b->bus, NULL, PROMISC_REFERENCE_PREFIX, reference_enumerate, b);
}

void reference_bus_added(Bus *b, const Reference *r) {
        char path[REFERENCE_PATH_MAX], name[NAME_ESCAPED_MAX];

        bus_check_emitted(sd_bus_emit_object_added(b->bus, reference_bus_path(r->id, path)), "InterfacesAdded");
        log_line(LOG_INFO, &(const LogContext){ name_escape(r->link->name, name), r->id, LOG_ID_ACQUIRED },
                 "Reference %" PRIu64 " acquired by user %u, process %i: %s", r->id, r->uid, (int) r->pid, r->reason);
}

void reference_bus_lost(Bus *b, uint64_t id, const char *cause) {
        char path[REFERENCE_PATH_MAX];

        bus_check_emitted(sd_bus_emit_signal(b->bus, reference_bus_path(id, path), PROMISC_REFERENCE_INTERFACE,
                                             "Released", "s", cause),
                          "Released");
        bus_check_emitted(sd_bus_emit_interfaces_removed(b->bus, path, PROMISC_REFERENCE_INTERFACE, NULL),
                          "InterfacesRemoved");
}

void reference_bus_ended(Bus *b, const Reference *r, const char *cause) {
        char path[REFERENCE_PATH_MAX], name[NAME_ESCAPED_MAX];

        reference_bus_path(r->id, path);
        bus_check_emitted(sd_bus_emit_signal(b->bus, path, PROMISC_REFERENCE_INTERFACE, "Released", "s", cause),
                          "Released");
        bus_check_emitted(sd_bus_emit_object_removed(b->bus, path), "InterfacesRemoved");
        log_line(LOG_INFO, &(const LogContext){ name_escape(r->link->name, name), r->id, LOG_ID_RELEASED },
                 "Reference %" PRIu64 " of user %u ended: %s", r->id, r->uid, cause);
}
