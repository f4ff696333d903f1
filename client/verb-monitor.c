/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "bus.h"
#include "holder-watch.h"
#include "message.h"
#include "objects.h"
#include "promisc-names.h"
#include "verbs.h"

typedef struct Monitor {
        const Options *options;
        char **names;
        sd_bus *bus;
        sd_event *event;
        Objects objects;
        HolderWatch *holders;
        char *owner; /* the service's unique name: others could send us signals of the same form */
        bool asked;  /* a reading is on its way */
        bool ready;  /* the first reading is there */
} Monitor;

static void monitor_done(Monitor *m) {
        holder_watch_free(m->holders);
        objects_done(&m->objects);
        free(m->owner);
        sd_event_unref(m->event);
        sd_bus_flush_close_unref(m->bus);
}

static void watch(Monitor *m, LinkInfo *l) {
        if (!*m->names)
                l->watched = true;
        for (char **i = m->names; *i && !l->watched; i++)
                l->watched = objects_link_is_called(&m->objects, l, *i);
}

static const LinkInfo *find_watched(Monitor *m, int ifindex) {
        const LinkInfo *l = objects_find_link(&m->objects, ifindex);

        return l && l->watched ? l : NULL;
}

static int on_promiscuity_changed(Monitor *m, sd_bus_message *signal) {
        Event e = { .kind = EVENT_PROMISCUITY };
        const LinkInfo *l;
        int r;

        r = sd_bus_message_read(signal, "uuts", &e.old, &e.new, &e.timestamp_monotonic, &e.source);
        if (r < 0)
                return r;
        l = find_watched(m, objects_path_ifindex(sd_bus_message_get_path(signal)));
        if (!l)
                return 0;

        e.ifindex = l->ifindex;
        e.link = l->name;
        holder_watch_print(m->holders, &e);
        return 0;
}

static int on_properties_changed(Monitor *m, sd_bus_message *signal) {
        _cleanup_free_ char *old_name = NULL;
        const char *interface;
        LinkInfo *l;
        int r;

        r = sd_bus_message_read_basic(signal, 's', &interface);
        if (r < 0)
                return r;
        l = objects_find_link(&m->objects, objects_path_ifindex(sd_bus_message_get_path(signal)));
        if (!l || strcmp(interface, PROMISC_LINK_INTERFACE) != 0)
                return 0;

        old_name = strdup(l->name);
        if (!old_name)
                return -ENOMEM;
        r = link_info_read(signal, l);
        if (r < 0)
                return r;
        watch(m, l);
        if (l->watched)
                holder_watch_add(m->holders, l);
        holder_watch_tell(m->holders, l);

        if (l->watched && strcmp(old_name, l->name) != 0)
                holder_watch_print(m->holders, &(Event){ .kind = EVENT_LINK_RENAMED,
                                                         .ifindex = l->ifindex,
                                                         .link = l->name,
                                                         .old_name = old_name });
        return 0;
}

static int on_released(Monitor *m, sd_bus_message *signal) {
        Event e = { .kind = EVENT_REFERENCE_ENDED };
        ReferenceInfo *reference;
        const LinkInfo *l;
        int r;

        r = bus_path_number(sd_bus_message_get_path(signal), PROMISC_REFERENCE_PREFIX, &e.reference);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(signal, 's', &e.cause);
        if (r < 0)
                return r;
        reference = objects_find_reference(&m->objects, e.reference);
        if (!reference)
                return 0;

        l = find_watched(m, reference->ifindex);
        if (l) {
                e.ifindex = l->ifindex;
                e.link = l->name;
                holder_watch_print(m->holders, &e);
        }
        objects_remove_reference(&m->objects, reference);
        return 0;
}

static void print_new_reference(Monitor *m, uint64_t id) {
        const ReferenceInfo *reference = objects_find_reference(&m->objects, id);
        const LinkInfo *l = reference ? find_watched(m, reference->ifindex) : NULL;

        if (l)
                holder_watch_print(m->holders, &(Event){ .kind = EVENT_REFERENCE_TAKEN,
                                                         .ifindex = l->ifindex,
                                                         .link = l->name,
                                                         .reference = id,
                                                         .uid = reference->uid,
                                                         .pid = reference->pid,
                                                         .reason = reference->reason ?: "" });
}

static int on_interfaces_added(Monitor *m, sd_bus_message *signal) {
        const char *path;
        LinkInfo *l;
        uint64_t id;
        int r;

        r = objects_read_one(signal, &m->objects, &path);
        if (r < 0)
                return r;

        if (bus_path_number(path, PROMISC_REFERENCE_PREFIX, &id) >= 0) {
                print_new_reference(m, id);
                return 0;
        }

        l = objects_find_link(&m->objects, objects_path_ifindex(path));
        if (!l)
                return 0;
        watch(m, l);
        if (!l->watched)
                return 0;
        holder_watch_add(m->holders, l);
        holder_watch_print(m->holders, &(Event){ .kind = EVENT_LINK_ADDED,
                                                 .ifindex = l->ifindex,
                                                 .link = l->name,
                                                 .new = l->promiscuity });
        return 0;
}

static int on_interfaces_removed(Monitor *m, sd_bus_message *signal) {
        const char *path;
        LinkInfo *l;
        int r;

        r = sd_bus_message_read_basic(signal, 'o', &path);
        if (r < 0)
                return r;
        l = objects_find_link(&m->objects, objects_path_ifindex(path));
        if (!l)
                return 0; /* a reference: Released has told already */

        holder_watch_remove(m->holders, l->ifindex);
        if (l->watched)
                holder_watch_print(m->holders, &(Event){ .kind = EVENT_LINK_REMOVED,
                                                         .ifindex = l->ifindex,
                                                         .link = l->name });
        objects_remove_link(&m->objects, l);
        return 0;
}

static int on_resynchronized(Monitor *m, sd_bus_message *signal) {
        Event e = { .kind = EVENT_RESYNCHRONIZED };
        int r;

        r = sd_bus_message_read(signal, "su", &e.cause, &e.corrected);
        if (r < 0)
                return r;
        holder_watch_print(m->holders, &e);
        return 0;
}

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        static const struct {
                const char *interface, *member;
                int (*handle)(Monitor *m, sd_bus_message *signal);
        } handlers[] = {
                { PROMISC_LINK_INTERFACE, "PromiscuityChanged", on_promiscuity_changed },
                { "org.freedesktop.DBus.Properties", "PropertiesChanged", on_properties_changed },
                { "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", on_interfaces_added },
                { "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", on_interfaces_removed },
                { PROMISC_REFERENCE_INTERFACE, "Released", on_released },
                { PROMISC_MANAGER_INTERFACE, "Resynchronized", on_resynchronized },
        };
        const char *sender = sd_bus_message_get_sender(signal);
        Monitor *m = userdata;
        int r = 0;

        /* What comes before the first reading is in it. */
        if (!m->ready || !sender || strcmp(sender, m->owner) != 0)
                return 0;

        for (size_t i = 0; i < ELEMENTSOF(handlers); i++)
                if (sd_bus_message_is_signal(signal, handlers[i].interface, handlers[i].member)) {
                        r = handlers[i].handle(m, signal);
                        break;
                }
        if (r < 0)
                message_error(r, "Cannot understand signal %s, ignoring", sd_bus_message_get_member(signal));
        if (ferror(stdout))
                return sd_event_exit(m->event, 1);
        return 0;
}

static int set_owner(Monitor *m, const char *name) {
        char *owner = strdup(name);

        if (!owner)
                return -ENOMEM;
        free(m->owner);
        m->owner = owner;
        return 0;
}

static void take_objects(Monitor *m, Objects *objects) {
        _cleanup_(objects_done) Objects old = m->objects;

        m->objects = *objects;
        *objects = (Objects){};
        for (size_t i = 0; i < m->objects.n_links; i++) {
                LinkInfo *l = m->objects.links + i;
                const LinkInfo *before = objects_find_link(&old, l->ifindex);

                l->watched = before && before->watched;
                watch(m, l);
        }
        holder_watch_begin(m->holders);
}

static void tell_missing(const Monitor *m) {
        for (char **i = m->names; *i; i++) {
                bool found = false;

                for (size_t k = 0; k < m->objects.n_links && !found; k++)
                        found = objects_link_is_called(&m->objects, m->objects.links + k, *i);
                if (!found)
                        message("Waiting for %s: no such link yet", *i);
        }
}

/* A service that is not there yet will come, and one that came and went will come again. */
static int on_refusal(Monitor *m, const sd_bus_error *error) {
        if (!m->ready &&
            sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
                message_bus_error(error, -EIO, "Waiting for the service");
                return 0;
        }
        message_bus_error(error, -EIO, "Cannot watch the links");
        return m->ready ? 0 : sd_event_exit(m->event, 1);
}

static int on_objects(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_(objects_done) Objects objects = {};
        Monitor *m = userdata;
        int r;

        m->asked = false;
        if (sd_bus_message_is_method_error(reply, NULL))
                return on_refusal(m, sd_bus_message_get_error(reply));

        r = objects_read(reply, &objects);
        if (r >= 0)
                r = set_owner(m, sd_bus_message_get_sender(reply));
        if (r < 0) {
                message_error(r, "Cannot understand the list of links");
                return sd_event_exit(m->event, 1);
        }

        take_objects(m, &objects);
        if (!m->ready) {
                m->ready = true;
                event_print_header(m->options);
                tell_missing(m);
        }
        return 0;
}

/* Asynchronously, so that the reply has its place among the signals. */
static int request_objects(Monitor *m) {
        int r = sd_bus_call_method_async(m->bus, NULL, PROMISC_BUS_NAME, PROMISC_PATH,
                                         "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                                         on_objects, m, NULL);

        if (r < 0)
                return message_error(r, "Cannot watch the links");
        m->asked = true;
        return 0;
}

static int on_name_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *old, *new;
        Monitor *m = userdata;
        int r;

        r = sd_bus_message_read(signal, "sss", &name, &old, &new);
        if (r < 0 || strcmp(name, PROMISC_BUS_NAME) != 0 || (m->asked && !m->ready))
                return 0; /* before the first reading: our own call has started it */

        r = set_owner(m, new);
        if (r < 0)
                return sd_event_exit(m->event, message_error(r, "Cannot watch the links") < 0);
        if (!*new) {
                message("promiscd has left the bus, waiting for it to come back");
                return 0;
        }
        message("promiscd is on the bus%s", m->ready ? " again" : "");
        return request_objects(m) < 0 ? sd_event_exit(m->event, 1) : 0;
}

static int on_disconnected(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        Monitor *m = userdata;

        message("The connection to the bus is lost");
        return sd_event_exit(m->event, 1);
}

/* Before anything is read. */
static int subscribe(Monitor *m) {
        int r;

        r = sd_bus_match_signal(m->bus, NULL, PROMISC_BUS_NAME, NULL, NULL, NULL, on_signal, m);
        if (r >= 0)
                r = sd_bus_add_match(
                                m->bus, NULL,
                                "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                "arg0='" PROMISC_BUS_NAME "'",
                                on_name_owner_changed, m);
        if (r >= 0)
                r = sd_bus_match_signal(m->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, m);
        return r < 0 ? message_error(r, "Cannot watch the links") : 0;
}

static int set_up_loop(Monitor *m) {
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        r = sd_event_default(&m->event);
        if (r < 0)
                return r;
        r = sd_event_add_signal(m->event, NULL, SIGINT, NULL, NULL);
        if (r < 0)
                return r;
        r = sd_event_add_signal(m->event, NULL, SIGTERM, NULL, NULL);
        if (r < 0)
                return r;
        return sd_bus_attach_event(m->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
}

int verb_monitor(const Options *o, char **args) {
        _cleanup_(monitor_done) Monitor m = { .options = o, .names = args };
        int r;

        setvbuf(stdout, NULL, _IOLBF, 0);

        r = bus_open(o, &m.bus);
        if (r < 0)
                return r;
        r = subscribe(&m);
        if (r < 0)
                return r;
        r = set_up_loop(&m);
        if (r < 0)
                return message_error(r, "Cannot set up the event loop");
        r = holder_watch_new(m.bus, o, &m.objects, &m.holders);
        if (r < 0)
                return message_error(r, "Cannot set up the event loop");
        r = request_objects(&m);
        if (r < 0)
                return r;
        r = sd_event_loop(m.event);
        holder_watch_flush(m.holders);
        return r < 0 ? message_error(r, "The event loop failed") : r;
}
