/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "config.h"
#include "link-bus.h"
#include "manager-bus.h"
#include "promisc-names.h"
#include "reference-bus.h"
#include "text.h"

static int method_get_link_by_index(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        char name[NAME_ESCAPED_MAX], path[LINK_PATH_MAX];
        Link *l;
        int r, ifindex;

        r = sd_bus_message_read(m, "i", &ifindex);
        if (r < 0)
                return r;

        l = manager_find_link(b->manager, ifindex);
        if (!l || !l->published)
                return sd_bus_error_setf(error, PROMISC_ERROR_NO_SUCH_LINK, "No link has the index %i", ifindex);

        return sd_bus_reply_method_return(m, "so", name_escape(l->name, name), link_bus_path(ifindex, path));
}

static int method_get_link_by_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        char name[NAME_MAX_BYTES + 1], shown[NAME_ESCAPED_MAX], path[LINK_PATH_MAX];
        const char *escaped;
        Link *l = NULL;
        int r;

        r = sd_bus_message_read(m, "s", &escaped);
        if (r < 0)
                return r;

        if (name_unescape(escaped, name) >= 0)
                l = manager_find_link_by_name(b->manager, name);
        if (!l)
                return sd_bus_error_setf(error, PROMISC_ERROR_NO_SUCH_LINK, "No link has the name \"%s\"",
                                         name_escape(escaped, shown));

        return sd_bus_reply_method_return(m, "io", l->ifindex, link_bus_path(l->ifindex, path));
}

static int append_link(sd_bus_message *reply, const Link *l) {
        char name[NAME_ESCAPED_MAX], path[LINK_PATH_MAX];

        return sd_bus_message_append(reply, "(iso)", l->ifindex, name_escape(l->name, name),
                                     link_bus_path(l->ifindex, path));
}

static int send_and_unref(sd_bus_message *reply, int r) {
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static int method_list_links(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(iso)");
        for (size_t i = 0; r >= 0 && i < b->manager->links.n; i++) {
                const Link *l = b->manager->links.items[i];

                if (l->published)
                        r = append_link(reply, l);
        }

        return send_and_unref(reply, r);
}

static int method_list_references(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < b->manager->references.n; i++) {
                const Reference *reference = b->manager->references.items[i];

                if (reference_is_shown(reference))
                        r = reference_bus_append(reply, reference);
        }

        return send_and_unref(reply, r);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", PROMISCD_VERSION);
}

BUS_GETTER(Bus, network_namespace, "t", o->manager->network_namespace)
BUS_GETTER(Bus, links, "u", o->manager->now.links)
BUS_GETTER(Bus, promiscuous_links, "u", o->manager->now.promiscuous_links)
BUS_GETTER(Bus, references, "u", o->manager->now.references)
BUS_GETTER(Bus, references_max, "u", (uint32_t) o->manager->limits.references_max)
BUS_GETTER(Bus, references_per_user_max, "u", (uint32_t) o->manager->limits.references_per_user_max)
BUS_GETTER(Bus, overruns, "t", o->manager->overruns)

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("NetworkNamespace", "t", get_network_namespace, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Links", "u", get_links, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PromiscuousLinks", "u", get_promiscuous_links, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("References", "u", get_references, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ReferencesMax", "u", get_references_max, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ReferencesPerUserMax", "u", get_references_per_user_max, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Overruns", "t", get_overruns, 0, 0),

        SD_BUS_METHOD_WITH_ARGS("GetLinkByIndex", SD_BUS_ARGS("i", ifindex), SD_BUS_RESULT("s", name, "o", path),
                                method_get_link_by_index, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetLinkByName", SD_BUS_ARGS("s", name), SD_BUS_RESULT("i", ifindex, "o", path),
                                method_get_link_by_name, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListLinks", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(iso)", links), method_list_links,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListReferences", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", references),
                                method_list_references, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Resynchronized", SD_BUS_ARGS("s", cause, "u", corrected), 0),
        SD_BUS_VTABLE_END,
};

int manager_bus_register(Bus *b) {
        return sd_bus_add_object_vtable(b->bus, NULL, PROMISC_PATH, PROMISC_MANAGER_INTERFACE, manager_vtable, b);
}

void manager_bus_changed(Bus *b, unsigned mask) {
        char *names[4];
        size_t n = 0;

        if (mask & MANAGER_CHANGE_LINKS)
                names[n++] = (char *) "Links";
        if (mask & MANAGER_CHANGE_PROMISCUOUS_LINKS)
                names[n++] = (char *) "PromiscuousLinks";
        if (mask & MANAGER_CHANGE_REFERENCES)
                names[n++] = (char *) "References";
        names[n] = NULL;

        bus_check_emitted(sd_bus_emit_properties_changed_strv(b->bus, PROMISC_PATH, PROMISC_MANAGER_INTERFACE, names),
                          "PropertiesChanged");
}

void manager_bus_resynchronized(Bus *b, const char *cause, unsigned corrected) {
        bus_check_emitted(sd_bus_emit_signal(b->bus, PROMISC_PATH, PROMISC_MANAGER_INTERFACE, "Resynchronized", "su",
                                             cause, corrected),
                          "Resynchronized");
}
