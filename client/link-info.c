/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-info.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bus.h"
#include "message.h"
#include "promisc-names.h"
#include "properties.h"
#include "text.h"

static const Property properties[] = {
        { "Index", "i", offsetof(LinkInfo, ifindex) },
        { "Name", "s", offsetof(LinkInfo, name) },
        { "AlternativeNames", "as", offsetof(LinkInfo, alternative_names), properties_read_strings },
        { "SysfsFlags", "u", offsetof(LinkInfo, sysfs_flags) },
        { "NetlinkFlags", "u", offsetof(LinkInfo, netlink_flags) },
        { "IoctlFlags", "u", offsetof(LinkInfo, ioctl_flags) },
        { "Promiscuity", "u", offsetof(LinkInfo, promiscuity) },
        { "AllMulticast", "u", offsetof(LinkInfo, all_multicast) },
        { "Promiscuous", "b", offsetof(LinkInfo, promiscuous) },
        { "UserRequested", "b", offsetof(LinkInfo, user_requested) },
        { "PromiscuousTimestamp", "t", offsetof(LinkInfo, promiscuous_since) },
        { "Holders", "a{su}", offsetof(LinkInfo, held_by), held_by_read },
};

void link_info_done(LinkInfo *l) {
        free(l->name);
        strv_free(l->alternative_names);
        held_by_done(&l->held_by);
        *l = (LinkInfo){};
}

int link_info_read(sd_bus_message *m, LinkInfo *l) {
        return properties_read(m, properties, ELEMENTSOF(properties), l);
}

int link_info_get(sd_bus *bus, const char *path, LinkInfo *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(link_info_done) LinkInfo l = {};
        int r;

        r = sd_bus_call_method(bus, PROMISC_BUS_NAME, path, "org.freedesktop.DBus.Properties", "GetAll",
                               &error, &reply, "s", PROMISC_LINK_INTERFACE);
        if (r < 0)
                return message_bus_error(&error, r, "Cannot read %s", path);
        r = link_info_read(reply, &l);
        if (r >= 0 && !l.name)
                r = -EBADMSG;
        if (r < 0)
                return message_error(r, "Cannot understand what promiscd says of %s", path);

        *ret = l;
        l = (LinkInfo){};
        return 0;
}

/* Shells complete raw bytes; the bus takes only text. */
static int bus_form(const char *text, char **ret) {
        if (!text_is_utf8(text))
                return text_escape(text, ret);
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

bool link_info_has_name(const LinkInfo *l, const char *text) {
        _cleanup_free_ char *name = NULL;

        if (bus_form(text, &name) < 0)
                return false;
        if (strcmp(l->name, name) == 0)
                return true;
        for (char **i = l->alternative_names; i && *i; i++)
                if (strcmp(*i, name) == 0)
                        return true;
        return false;
}

bool link_info_has_index(const LinkInfo *l, const char *text) {
        uint64_t n;

        return parse_unsigned(text, &n) >= 0 && n == (uint64_t) l->ifindex;
}

int link_info_find(sd_bus *bus, const char *text, char **ret_path) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *name = NULL;
        const char *path;
        uint64_t n;
        int r;

        r = bus_form(text, &name);
        if (r < 0)
                return message_error(r, "Cannot find %s", text);

        r = sd_bus_call_method(bus, PROMISC_BUS_NAME, PROMISC_PATH, PROMISC_MANAGER_INTERFACE,
                               "GetLinkByName", &error, &reply, "s", name);
        if (r >= 0)
                r = sd_bus_message_read(reply, "io", NULL, &path);
        else if (sd_bus_error_has_name(&error, PROMISC_ERROR_NO_SUCH_LINK) &&
                 parse_unsigned(text, &n) >= 0 && n <= INT_MAX) {
                /* A name goes first, because a link may be called by a number. */
                sd_bus_error_free(&error);
                r = sd_bus_call_method(bus, PROMISC_BUS_NAME, PROMISC_PATH, PROMISC_MANAGER_INTERFACE,
                                       "GetLinkByIndex", &error, &reply, "i", (int) n);
                if (r >= 0)
                        r = sd_bus_message_read(reply, "so", NULL, &path);
        }
        if (r < 0 && sd_bus_error_has_name(&error, PROMISC_ERROR_NO_SUCH_LINK)) {
                message("Cannot find %s: no such link", text);
                return r;
        }
        if (r < 0)
                return message_bus_error(&error, r, "Cannot find %s", text);

        *ret_path = strdup(path);
        return *ret_path ? 0 : message_error(-ENOMEM, "Cannot find %s", text);
}
