/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "objects.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bus.h"
#include "cleanup.h"
#include "promisc-names.h"

void objects_done(Objects *o) {
        for (size_t i = 0; i < o->n_links; i++)
                link_info_done(o->links + i);
        for (size_t i = 0; i < o->n_references; i++)
                reference_info_done(o->references + i);
        free(o->links);
        free(o->references);
        *o = (Objects){};
}

int objects_path_ifindex(const char *path) {
        uint64_t n;

        if (bus_path_number(path, PROMISC_LINK_PREFIX, &n) < 0 || n > INT_MAX)
                return -EINVAL;
        return (int) n;
}

LinkInfo *objects_find_link(const Objects *o, int ifindex) {
        for (size_t i = 0; i < o->n_links; i++)
                if (o->links[i].ifindex == ifindex)
                        return o->links + i;
        return NULL;
}

ReferenceInfo *objects_find_reference(const Objects *o, uint64_t id) {
        for (size_t i = 0; i < o->n_references; i++)
                if (o->references[i].id == id)
                        return o->references + i;
        return NULL;
}

void objects_remove_link(Objects *o, LinkInfo *l) {
        link_info_done(l);
        o->n_links--;
        memmove(l, l + 1, (size_t) (o->links + o->n_links - l) * sizeof(LinkInfo));
}

void objects_remove_reference(Objects *o, ReferenceInfo *reference) {
        reference_info_done(reference);
        o->n_references--;
        memmove(reference, reference + 1,
                (size_t) (o->references + o->n_references - reference) * sizeof(ReferenceInfo));
}

bool objects_link_is_called(const Objects *o, const LinkInfo *l, const char *text) {
        if (link_info_has_name(l, text))
                return true;
        if (!link_info_has_index(l, text))
                return false;
        for (size_t i = 0; i < o->n_links; i++)
                if (link_info_has_name(o->links + i, text))
                        return false;
        return true;
}

/* Makes room for one more. */
static int grow(void *array, size_t n, size_t *n_allocated, size_t size) {
        size_t more = *n_allocated ? *n_allocated * 2 : 16;
        void *p;

        if (n < *n_allocated)
                return 0;
        p = reallocarray(*(void **) array, more, size);
        if (!p)
                return -ENOMEM;
        *(void **) array = p;
        *n_allocated = more;
        return 0;
}

static int read_link(sd_bus_message *m, Objects *o) {
        _cleanup_(link_info_done) LinkInfo l = {};
        LinkInfo *old;
        int r;

        r = link_info_read(m, &l);
        if (r < 0)
                return r;
        if (!l.name)
                return -EBADMSG;

        old = objects_find_link(o, l.ifindex);
        if (old)
                link_info_done(old);
        else {
                r = grow(&o->links, o->n_links, &o->n_links_allocated, sizeof(LinkInfo));
                if (r < 0)
                        return r;
                old = o->links + o->n_links++;
        }
        *old = l;
        l = (LinkInfo){};
        return 0;
}

static int read_reference(sd_bus_message *m, Objects *o) {
        _cleanup_(reference_info_done) ReferenceInfo reference = {};
        ReferenceInfo *old;
        int r;

        r = reference_info_read(m, &reference);
        if (r < 0)
                return r;

        old = objects_find_reference(o, reference.id);
        if (old)
                reference_info_done(old);
        else {
                r = grow(&o->references, o->n_references, &o->n_references_allocated, sizeof(ReferenceInfo));
                if (r < 0)
                        return r;
                old = o->references + o->n_references++;
        }
        *old = reference;
        reference = (ReferenceInfo){};
        return 0;
}

int objects_read_one(sd_bus_message *m, Objects *o, const char **ret_path) {
        const char *path, *interface;
        int r;

        r = sd_bus_message_read_basic(m, 'o', &path);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                r = sd_bus_message_read_basic(m, 's', &interface);
                if (r < 0)
                        return r;
                if (strcmp(interface, PROMISC_LINK_INTERFACE) == 0)
                        r = read_link(m, o);
                else if (strcmp(interface, PROMISC_REFERENCE_INTERFACE) == 0)
                        r = read_reference(m, o);
                else
                        r = sd_bus_message_skip(m, "a{sv}");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        if (ret_path)
                *ret_path = path;
        return 0;
}

static int compare_links(const void *a, const void *b) {
        return ((const LinkInfo *) a)->ifindex - ((const LinkInfo *) b)->ifindex;
}

int objects_read(sd_bus_message *reply, Objects *ret) {
        _cleanup_(objects_done) Objects o = {};
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0) {
                r = objects_read_one(reply, &o, NULL);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        if (o.n_links > 0)
                qsort(o.links, o.n_links, sizeof(LinkInfo), compare_links);
        *ret = o;
        o = (Objects){};
        return 0;
}
