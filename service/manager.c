/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fd-store.h"
#include "log.h"
#include "manager-internal.h"
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

/* A link that only one of the kernel's list and sysfs shows. */
typedef struct Difference {
        Manager *manager;
        int missing;     /* ifindex of one that sysfs does not show, or 0 */
        uint64_t serial; /* its */
        int foreign;     /* ifindex of one that sysfs alone shows, or 0 */
        char name[IF_NAMESIZE];
} Difference;

static int find_foreign(const char *name, void *userdata) {
        Difference *d = userdata;
        uint32_t ifindex;

        if (views_read_ifindex(&d->manager->views, name, &ifindex) < 0 ||
            manager_find_link(d->manager, (int) ifindex))
                return 0;

        d->foreign = (int) ifindex;
        strncpy(d->name, name, sizeof(d->name) - 1);
        return 1;
}

static int count_name(const char *name, void *userdata) {
        ++*(size_t *) userdata;
        return 0;
}

/* Whether sysfs shows the links of the socket's namespace: each that the kernel lists, at its index, and no other, since
 * every namespace has a "lo" of index 1. Returns 1 if not, and one of those that differ. */
static int compare_with_sysfs(Manager *m, Difference *ret) {
        Difference d = { .manager = m };
        size_t n = 0;
        int r;

        for (size_t i = 0; i < m->links.n; i++) {
                Link *l = m->links.items[i];

                if (l->published)
                        continue;
                manager_mark_stale(m, l); /* for the next try */
                d.missing = l->ifindex;
                d.serial = l->serial;
                memcpy(d.name, l->name, sizeof(d.name));
                *ret = d;
                return 1;
        }

        r = views_each_name(&m->views, count_name, &n);
        if (r < 0 || n == m->links.n)
                return r;

        r = views_each_name(&m->views, find_foreign, &d);
        if (r > 0)
                *ret = d;
        return r;
}

/* Links come, go and are renamed while we look. Only the very same difference, still there after all events up to then were
 * taken over, is a verdict. */
static int check_sysfs(Manager *m) {
        Difference d, before = {};
        char name[NAME_ESCAPED_MAX];
        int r;

        for (;;) {
                manager_settle(m);
                manager_publish(m);
                r = compare_with_sysfs(m, &d);
                if (r <= 0)
                        break;
                if (d.serial == before.serial && d.foreign == before.foreign)
                        break;
                before = d;
        }

        if (r < 0) {
                log_error("Cannot read /sys/class/net: %s", strerror(-r));
                return r;
        }
        if (r == 0)
                return 0;

        name_escape(d.name, name);
        if (d.missing)
                log_error("/sys/class/net is not that of this network namespace: it does not show link %i as \"%s\". "
                          "Mount a sysfs of this namespace on /sys.", d.missing, name);
        else
                log_error("/sys/class/net is not that of this network namespace: it shows \"%s\" as link %i, which the "
                          "kernel does not list here. Mount a sysfs of this namespace on /sys.", name, d.foreign);
        return -EXDEV;
}

int manager_synchronize(Manager *m) {
        int r, code;

        while (!m->synchronized) {
                r = sd_event_run(m->event, UINT64_MAX);
                if (r < 0)
                        return r;
                if (sd_event_get_exit_code(m->event, &code) >= 0)
                        return code == 0 ? -ECANCELED : -EIO;
        }

        return check_sysfs(m);
}

/* A socket that was passed in may be another namespace's than the one that we hold references in. */
static int check_namespace(Manager *m) {
        uint64_t theirs, ours;
        socklen_t length = sizeof(ours);
        int r;

        r = rtnl_get_namespace(m->rtnl, &theirs);
        if (r >= 0 && getsockopt(m->views.ioctl_fd, SOL_SOCKET, SO_NETNS_COOKIE, &ours, &length) < 0)
                r = -errno;
        if (r == -ENOPROTOOPT)
                return 0; /* before Linux 5.14 there is no way to tell */
        if (r < 0)
                return r;
        if (theirs == ours)
                return 0;

        log_error("The netlink socket passed in is of another network namespace");
        return -EXDEV;
}

static void on_socket_ready(void *userdata) {
        Manager *m = userdata;

        if (m->socket_ready)
                m->socket_ready(m->socket_ready_userdata);
}

void manager_set_socket_ready(Manager *m, void (*f)(void *userdata), void *userdata) {
        m->socket_ready = f;
        m->socket_ready_userdata = userdata;
}

static int open_state(Manager *m) {
        int r;

        r = state_open(&m->state);
        if (r < 0 || !m->state)
                return r;

        r = counters_open(state_get_fd(m->state), m->network_namespace, &m->counters);
        if (r < 0)
                return r;
        m->goes_on = counters_have_former(m->counters);
        return 0;
}

bool manager_goes_on(const Manager *m) {
        return m->goes_on;
}

void manager_go_live(Manager *m) {
        int r;

        manager_start_ledger(m);
        m->quiet = false;
        /* What no event took away is not there any more: the dump is over. */
        for (int ifindex; m->counters && (ifindex = counters_get_former(m->counters)); m->corrected++)
                manager_forget_former(m, ifindex);
        if (m->goes_on && m->observer)
                m->observer->resynchronized(PROMISC_RESYNC_RESTART, m->corrected, m->observer_userdata);

        r = packet_pool_prepare(m->pool, false);
        if (r < 0 && r != -EUSERS && r != -EXFULL) /* all in use is no reason to worry anybody but the next who wants one */
                log_warning("Cannot open a packet socket, so that no references can be held%s: %s",
                            r == -EPERM ? " (CAP_NET_RAW is needed)" : "", strerror(-r));
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

        r = check_namespace(m);
        if (r < 0)
                return r;

        r = open_state(m);
        if (r < 0) {
                log_error("Cannot open the state in $RUNTIME_DIRECTORY: %s", strerror(-r));
                return r;
        }

        r = packet_pool_new(m->state && fd_store_is_there() ? m->event : NULL, on_socket_ready, m, &m->pool);
        if (r >= 0)
                r = netlink_dump_new(NETLINK_SOCK_DIAG, &m->diag);
        if (r >= 0)
                r = netlink_dump_new(NETLINK_ROUTE, &m->neighbors);
        if (r >= 0)
                r = manager_start_references(m);
        if (r >= 0)
                r = manager_start_counters(m);
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
        m->quiet = true;
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
        manager_free_counters(m);
        manager_free_links(m);
        manager_free_ledger(m);
        limits_done(&m->limits);
        state_close(m->state);

        rtnl_free(m->rtnl);
        packet_pool_free(m->pool);
        netlink_dump_free(m->diag);
        netlink_dump_free(m->neighbors);
        views_close(&m->views);
        sd_event_source_disable_unref(m->publish_timer);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}
