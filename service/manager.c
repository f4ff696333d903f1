/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "manager-links.h"
#include "promisc-names.h"
#include "text.h"
#include "util.h"

void manager_set_observer(Manager *m, const ManagerObserver *observer, void *userdata) {
        m->observer = observer;
        m->observer_userdata = userdata;
}

void manager_set_paused(Manager *m, bool paused) {
        int r;

        m->paused = paused;
        r = rtnl_set_enabled(m->rtnl, !paused);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->ending, !paused && m->n_ending > 0 ? SD_EVENT_ON : SD_EVENT_OFF);
        if (r < 0)
                log_debug("Cannot pause or go on, ignoring: %s", strerror(-r));
}

static int count_name(const char *name, void *userdata) {
        ++*(size_t *) userdata;
        return 0;
}

/* Whether sysfs shows the links of the socket's namespace: each that the kernel lists, at its index, and no other, since
 * every namespace has a "lo" of index 1. The first that is missing is named. */
static int compare_with_sysfs(Manager *m, const Link **ret_missing) {
        size_t n = 0;
        int r;

        *ret_missing = NULL;
        for (size_t i = 0; i < m->links.n; i++) {
                Link *l = m->links.items[i];

                if (!l->published) {
                        *ret_missing = l;
                        manager_mark_stale(m, l); /* for the next try */
                        return -EXDEV;
                }
        }

        r = views_each_name(&m->views, count_name, &n);
        if (r < 0)
                return r;
        return n == m->links.n ? 0 : -EXDEV;
}

int manager_synchronize(Manager *m) {
        char name[NAME_ESCAPED_MAX];
        const Link *missing;
        int r;

        while (!m->synchronized) {
                r = sd_event_run(m->event, UINT64_MAX);
                if (r < 0)
                        return r;
                if (sd_event_get_state(m->event) == SD_EVENT_FINISHED)
                        return -ECANCELED;
        }

        /* Links may come, go and be renamed while we look: only what stays is a verdict. */
        for (unsigned tries = 0; tries < 10; tries++) {
                manager_drain(m);
                manager_publish(m);
                r = compare_with_sysfs(m, &missing);
                if (r != -EXDEV)
                        break;
        }

        if (r == -EXDEV && missing)
                log_error("/sys/class/net is not that of this network namespace: it does not show link %i as \"%s\". "
                          "Mount a sysfs of this namespace on /sys.", missing->ifindex,
                          name_escape(missing->name, name));
        else if (r == -EXDEV)
                log_error("/sys/class/net is not that of this network namespace: it shows links that the kernel does "
                          "not list here. Mount a sysfs of this namespace on /sys.");
        else if (r < 0)
                log_error("Cannot read /sys/class/net: %s", strerror(-r));
        return r;
}

static int setup(Manager *m, int netlink_fd) {
        int r;

        r = rtnl_new(m->event, netlink_fd, &manager_rtnl_handler, m, &m->rtnl);
        if (r < 0) {
                if (netlink_fd >= 0)
                        log_error("The socket passed in is not a bound AF_NETLINK socket of protocol NETLINK_ROUTE: %s",
                                  strerror(-r));
                else
                        log_error("Cannot open a netlink socket: %s", strerror(-r));
                return r;
        }

        r = views_open(&m->views);
        if (r < 0) {
                log_error("Cannot open /sys/class/net: %s", strerror(-r));
                return r;
        }

        r = packet_pool_new(&m->pool);
        if (r >= 0)
                r = manager_start_references(m);
        if (r >= 0)
                r = manager_start_publishing(m);
        if (r >= 0)
                r = manager_start_links(m);
        if (r < 0)
                log_error("Cannot set up: %s", strerror(-r));
        return r;
}

int manager_new(sd_event *event, int netlink_fd, const Options *options, Manager **ret) {
        Manager *m = calloc(1, sizeof(Manager));
        struct stat st;
        int r;

        if (!m) {
                close_fd(netlink_fd);
                return -ENOMEM;
        }

        m->event = sd_event_ref(event);
        m->options = *options;
        m->views = VIEWS_NONE;
        limits_init(&m->limits, options->references_max, options->references_per_user_max);
        if (stat("/proc/self/ns/net", &st) >= 0)
                m->network_namespace = st.st_ino;

        r = setup(m, netlink_fd);
        if (r < 0) {
                manager_free(m);
                return r;
        }

        *ret = m;
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;

        m->observer = NULL;
        manager_free_references(m);
        manager_free_links(m);
        limits_done(&m->limits);

        rtnl_free(m->rtnl);
        packet_pool_free(m->pool);
        views_close(&m->views);
        sd_event_source_disable_unref(m->publish_timer);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}
