/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "holders-bus.h"
#include "link-bus.h"
#include "promisc-names.h"
#include "reference-bus.h"
#include "text.h"
#include "util.h"

/* µs; more would wrap around when it is added to a clock. */
#define TIMEOUT_MAX (UINT64_MAX / 4)

char *link_bus_path(int ifindex, char buf[static LINK_PATH_MAX]) {
        snprintf(buf, LINK_PATH_MAX, PROMISC_LINK_PREFIX "/%i", ifindex);
        return buf;
}

static int link_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                     sd_bus_error *error) {
        Bus *b = userdata;
        uint64_t ifindex;
        Link *l;

        if (!bus_path_number(path, PROMISC_LINK_PREFIX, &ifindex) || ifindex > INT32_MAX)
                return 0;
        l = manager_find_link(b->manager, (int) ifindex);
        if (!l || !l->published)
                return 0;

        *ret = l;
        return 1;
}

static bool link_path_of(const void *item, char buf[static BUS_PATH_MAX]) {
        const Link *l = item;

        link_bus_path(l->ifindex, buf);
        return l->published;
}

static int link_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        return bus_enumerate(prefix, PROMISC_LINK_PREFIX, &((Bus *) userdata)->manager->links, link_path_of, ret);
}

/* --- Acquire ------------------------------------------------------------------------------------------------------- */

static int read_options(sd_bus_message *m, uint64_t *ret_timeout, sd_bus_error *error) {
        char shown[NAME_ESCAPED_MAX];
        uint64_t timeout = 0;
        bool seen = false;
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        return r;
                if (strcmp(key, "timeout") != 0)
                        /* What comes from outside is shown safely, as names are. */
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Unknown option \"%s\"",
                                                 name_escape(key, shown));
                if (seen)
                        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Option \"timeout\" is given twice");
                if (sd_bus_message_read(m, "v", "t", &timeout) < 0)
                        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                                "Option \"timeout\" must be of type t (µs)");
                if (timeout > TIMEOUT_MAX)
                        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Option \"timeout\" is too large");
                seen = true;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        *ret_timeout = timeout;
        return 0;
}

static int read_acquire(sd_bus_message *m, const char **ret_reason, uint64_t *ret_timeout, sd_bus_error *error) {
        const char *reason;
        int r;

        r = sd_bus_message_rewind(m, true); /* it may be read a second time */
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "s", &reason);
        if (r < 0)
                return r;
        if (!reason_is_valid(reason))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "The reason must be 1 to %u bytes of text without control or format characters",
                                         PROMISC_REASON_MAX);
        r = read_options(m, ret_timeout, error);
        if (r < 0)
                return r;

        *ret_reason = reason;
        return 0;
}

static int limit_to_error(const Bus *b, Limit limit, uid_t uid, sd_bus_error *error) {
        const Limits *l = &b->manager->limits;

        if (limit == LIMIT_REFERENCES_USER)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                         "User %u holds %u references already (ReferencesPerUserMax)", uid,
                                         l->references_per_user_max);
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                 "%u of at most %u references are held already (ReferencesMax; the last %u are for root)",
                                 l->n_references, l->references_max, PROMISC_REFERENCES_ROOT);
}

static int acquire_to_error(int r, const char *name, sd_bus_error *error) {
        switch (-r) {
        case ENODEV:
                return sd_bus_error_setf(error, PROMISC_ERROR_NO_SUCH_LINK, "Link %s went while the call was waiting",
                                         name);
        case EOVERFLOW:
                return sd_bus_error_setf(error, PROMISC_ERROR_COUNTER_OVERFLOW,
                                         "The kernel's counter of %s takes no more references", name);
        case EUSERS:
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                         "All %u packet sockets are in use", PACKET_SOCKETS_MAX);
        case EXFULL:
                return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                        "All packet sockets that the service manager keeps are in use (FileDescriptorStoreMax=)");
        case ENOMEM:
        case ENOBUFS:
                return sd_bus_error_set(error, SD_BUS_ERROR_NO_MEMORY, "The machine has no memory left");
        case ENOSPC:
        case EROFS:
        case EDQUOT:
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "No space is left for the record of the reference: %s",
                                         strerror(-r));
        case EBUSY:
                return sd_bus_error_set(error, SD_BUS_ERROR_FAILED,
                                        "The service manager takes no descriptor right now, try again later");
        case EMFILE:
        case ENFILE:
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "No file descriptor is left: %s", strerror(-r));
        default:
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "Cannot hold a reference on %s: %s", name,
                                         strerror(-r));
        }
}

static Question acquire_question(const Link *l, const char *reason) {
        Question q = { .action = PROMISC_ACTION_ACQUIRE, .ifindex = l->ifindex };

        name_escape(l->name, q.interface);
        strcpy(q.reason, reason); /* was checked to fit */
        return q;
}

static int reply_acquired(sd_bus_message *m, const Reference *r, int reader) {
        char path[REFERENCE_PATH_MAX];

        reference_bus_path(r->id, path);
        return reader < 0 ? sd_bus_reply_method_return(m, "to", r->id, path) :
                            sd_bus_reply_method_return(m, "toh", r->id, path, reader);
}

static int acquire(sd_bus_message *m, Link *l, sd_bus_message_handler_t handler, bool descriptor, sd_bus_error *error) {
        Bus *b = bus_of_manager(l->manager);
        _cleanup_(close_fdp) int reader = -1;
        const char *reason = NULL;
        Reference *reference;
        uint64_t timeout = 0;
        Caller *caller;
        Question q;
        Limit limit;
        int r;

        r = read_acquire(m, &reason, &timeout, error);
        if (r < 0)
                return r;
        r = call_identify(b->calls, m, handler, l, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        /* Nobody is asked for what would be refused anyway. */
        limit = limits_check_reference(&b->manager->limits, caller->uid);
        if (limit != LIMIT_NONE)
                return limit_to_error(b, limit, caller->uid, error);

        q = acquire_question(l, reason);
        r = call_authorize(b->calls, m, handler, l, caller, &q, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = manager_acquire(b->manager, l, caller, reason, timeout, descriptor ? &reader : NULL, &reference);
        if (r == -EAGAIN) {
                r = call_wait_for_socket(b->calls, m, handler, l, caller, error);
                return r < 0 ? r : 1;
        }
        if (r > 0)
                return limit_to_error(b, (Limit) r, caller->uid, error);
        if (r < 0)
                return acquire_to_error(r, q.interface, error);

        r = reply_acquired(m, reference, reader);
        if (r < 0) {
                /* Nobody would know of it. */
                manager_end_reference(b->manager, reference, PROMISC_CAUSE_RELEASED);
                manager_catch_up(b->manager);
                manager_publish(b->manager);
                return acquire_to_error(r, q.interface, error);
        }
        return r;
}

static int method_acquire(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return acquire(m, userdata, method_acquire, false, error);
}

static int method_acquire_descriptor(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return acquire(m, userdata, method_acquire_descriptor, true, error);
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Link *l = userdata;
        Bus *b = bus_of_manager(l->manager);
        Reference *reference;
        uint64_t id;
        int r;

        r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = sd_bus_message_read(m, "t", &id);
        if (r < 0)
                return r;

        reference = manager_find_reference(b->manager, id);
        if (!reference || reference->link != l)
                return sd_bus_error_setf(error, PROMISC_ERROR_NO_SUCH_REFERENCE,
                                         "Reference %" PRIu64 " is not held on this link", id);

        return reference_bus_release(b, m, method_release, l, reference, error);
}

/* --- properties and signals ---------------------------------------------------------------------------------------- */

BUS_GETTER(Link, name, "s", name_escape(o->name, (char[NAME_ESCAPED_MAX]){}))
BUS_GETTER(Link, promiscuous, "b", (int) link_is_promiscuous(&o->now))
BUS_GETTER(Link, user_requested, "b", (int) link_is_user_requested(&o->now))

static int get_alternative_names(sd_bus *bus, const char *path, const char *interface, const char *property,
                                 sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Link *l = userdata;
        char name[NAME_ESCAPED_MAX];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (char **n = l->alternative_names; r >= 0 && n && *n; n++)
                r = sd_bus_message_append(reply, "s", name_escape(*n, name));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_holders(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Link *l = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{su}");
        for (HolderKind k = 0; r >= 0 && k < HOLDER_KIND_MAX; k++)
                if (l->ledger.units[k] > 0)
                        r = sd_bus_message_append(reply, "{su}", holder_kind_to_string(k), l->ledger.units[k]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const sd_bus_vtable link_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Index", "i", NULL, offsetof(Link, ifindex), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("AlternativeNames", "as", get_alternative_names, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SysfsFlags", "u", NULL, offsetof(Link, now.sysfs_flags),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NetlinkFlags", "u", NULL, offsetof(Link, now.netlink_flags),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("IoctlFlags", "u", NULL, offsetof(Link, now.ioctl_flags),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Promiscuity", "u", NULL, offsetof(Link, ledger.promiscuity),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("AllMulticast", "u", NULL, offsetof(Link, now.allmulti),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Promiscuous", "b", get_promiscuous, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("UserRequested", "b", get_user_requested, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PromiscuousTimestamp", "t", NULL, offsetof(Link, promiscuous_timestamp),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Holders", "a{su}", get_holders, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Unattributed", "u", NULL, offsetof(Link, ledger.units[HOLDER_UNATTRIBUTED]),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),

        SD_BUS_METHOD_WITH_ARGS("Acquire", SD_BUS_ARGS("s", reason, "a{sv}", options),
                                SD_BUS_RESULT("t", id, "o", reference), method_acquire, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AcquireDescriptor", SD_BUS_ARGS("s", reason, "a{sv}", options),
                                SD_BUS_RESULT("t", id, "o", reference, "h", fd), method_acquire_descriptor,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("t", id), SD_BUS_NO_RESULT, method_release,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListHolders", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", holders), holders_bus_list,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("PromiscuityChanged",
                                SD_BUS_ARGS("u", old, "u", new, "t", timestamp_monotonic, "s", source), 0),
        SD_BUS_VTABLE_END,
};

/* In the order of the LINK_CHANGE_… bits. */
static const char *const property_of_change[] = {
        "Name",        "AlternativeNames", "SysfsFlags",  "NetlinkFlags",  "IoctlFlags",
        "Promiscuity", "AllMulticast",     "Promiscuous", "UserRequested", "PromiscuousTimestamp",
        "Holders",     "Unattributed",
};

int link_bus_register(Bus *b) {
        int r;

        r = sd_bus_add_fallback_vtable(b->bus, NULL, PROMISC_LINK_PREFIX, PROMISC_LINK_INTERFACE, link_vtable,
                                       link_find, b);
        return r < 0 ? r : sd_bus_add_node_enumerator(b->bus, NULL, PROMISC_LINK_PREFIX, link_enumerate, b);
}

void link_bus_added(Bus *b, const Link *l) {
        char path[LINK_PATH_MAX];

        bus_check_emitted(sd_bus_emit_object_added(b->bus, link_bus_path(l->ifindex, path)), "InterfacesAdded");
}

void link_bus_removed(Bus *b, const Link *l) {
        char path[LINK_PATH_MAX];

        bus_check_emitted(sd_bus_emit_object_removed(b->bus, link_bus_path(l->ifindex, path)), "InterfacesRemoved");
}

void link_bus_lost(Bus *b, int ifindex) {
        char path[LINK_PATH_MAX];

        bus_check_emitted(sd_bus_emit_interfaces_removed(b->bus, link_bus_path(ifindex, path), PROMISC_LINK_INTERFACE,
                                                         NULL),
                          "InterfacesRemoved");
}

void link_bus_changed(Bus *b, const Link *l, unsigned mask) {
        char *names[ELEMENTSOF(property_of_change) + 1], path[LINK_PATH_MAX];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(property_of_change); i++)
                if (mask & (1U << i))
                        names[n++] = (char *) property_of_change[i];
        names[n] = NULL;

        bus_check_emitted(sd_bus_emit_properties_changed_strv(b->bus, link_bus_path(l->ifindex, path),
                                                              PROMISC_LINK_INTERFACE, names),
                          "PropertiesChanged");
}

void link_bus_promiscuity_changed(Bus *b, const Link *l, uint32_t old, const char *source) {
        char path[LINK_PATH_MAX];

        bus_check_emitted(sd_bus_emit_signal(b->bus, link_bus_path(l->ifindex, path), PROMISC_LINK_INTERFACE,
                                             "PromiscuityChanged", "uuts", old, l->now.promiscuity,
                                             b->manager->read_timestamp, source),
                          "PromiscuityChanged");
}
