/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "holders-bus.h"
#include "link-bus.h"
#include "log.h"
#include "manager-bus.h"
#include "promisc-names.h"
#include "reference-bus.h"
#include "util.h"

/* The bus daemon takes messages in the order in which they were sent, so that an answer to somebody waits behind all
 * signals before it. Hence what is sent in masses waits until the daemon has read most of what it has: the socket becomes
 * writable when a quarter of its buffer is in use, about 80 signals or a millisecond. The kernel's and our own lists hold
 * the rest. */
#define SEND_BUFFER      (128 * 1024)
#define SENT_PER_CHECK   32U

int bus_path_number(const char *path, const char *prefix, uint64_t *ret) {
        size_t n = strlen(prefix);
        const char *p = path + n;
        uint64_t v = 0;

        if (strncmp(path, prefix, n) != 0 || *p++ != '/' || *p < '1' || *p > '9')
                return 0;
        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
                    __builtin_add_overflow(v, (uint64_t) (*p - '0'), &v))
                        return 0;
        if (*p)
                return 0;

        *ret = v;
        return 1;
}

void bus_check_emitted(int r, const char *what) {
        if (r < 0)
                log_debug("Cannot send %s, ignoring: %s", what, strerror(-r));
}

static int on_writable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        manager_set_paused(((Bus *) userdata)->manager, false);
        return 0;
}

/* After each signal of those that come in masses. */
static void sent(Bus *b) {
        struct pollfd p = { .fd = b->writable_fd, .events = POLLOUT };

        if (++b->n_sent % SENT_PER_CHECK != 0 || poll(&p, 1, 0) != 0)
                return;
        if (sd_event_source_set_enabled(b->writable, SD_EVENT_ONESHOT) >= 0)
                manager_set_paused(b->manager, true);
}

static int watch_writable(Bus *b) {
        int size = SEND_BUFFER, r;

        if (setsockopt(sd_bus_get_fd(b->bus), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
                return -errno;

        /* sd-bus has its own descriptor in the event loop already, and one cannot be there twice. */
        b->writable_fd = fcntl(sd_bus_get_fd(b->bus), F_DUPFD_CLOEXEC, 3);
        if (b->writable_fd < 0)
                return -errno;

        r = sd_event_add_io(b->manager->event, &b->writable, b->writable_fd, EPOLLOUT, on_writable, b);
        return r < 0 ? r : sd_event_source_set_enabled(b->writable, SD_EVENT_OFF);
}

static void on_link_added(Link *l, void *userdata) {
        link_bus_added(userdata, l);
}

static void on_link_removed(Link *l, void *userdata) {
        Bus *b = userdata;

        calls_object_gone(b->calls, l, PROMISC_ERROR_NO_SUCH_LINK, "The link went while the call was waiting");
        link_bus_removed(b, l);
}

static void on_link_lost(int ifindex, void *userdata) {
        link_bus_lost(userdata, ifindex);
}

static void on_link_changed(Link *l, unsigned mask, void *userdata) {
        link_bus_changed(userdata, l, mask);
}

static void on_promiscuity_changed(Link *l, uint32_t old, const char *source, void *userdata) {
        Bus *b = userdata;

        link_bus_promiscuity_changed(b, l, old, source);
        sent(b);
}

static void on_reference_added(Reference *r, void *userdata) {
        reference_bus_added(userdata, r);
}

static void on_reference_ended(Reference *r, const char *cause, void *userdata) {
        Bus *b = userdata;

        calls_object_gone(b->calls, r, PROMISC_ERROR_NO_SUCH_REFERENCE, "The reference ended while the call was waiting");
        reference_bus_ended(b, r, cause);
        sent(b);
}

static void on_reference_lost(uint64_t id, const char *cause, void *userdata) {
        reference_bus_lost(userdata, id, cause);
}

static void on_changed(unsigned mask, void *userdata) {
        manager_bus_changed(userdata, mask);
}

static void on_resynchronized(const char *cause, unsigned corrected, void *userdata) {
        manager_bus_resynchronized(userdata, cause, corrected);
}

/* sd-bus wants to write as long as it has something queued. */
static bool on_is_sent(void *userdata) {
        int events = sd_bus_get_events(((Bus *) userdata)->bus);

        return events < 0 || !(events & POLLOUT);
}

static void on_caller_vanished(Caller *caller, void *userdata) {
        Bus *b = userdata;

        if (!LIST_EMPTY(&caller->references))
                manager_end_references_of(b->manager, caller, PROMISC_CAUSE_OWNER_VANISHED);
}

int bus_refuse_listing(uid_t uid, sd_bus_error *error) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                 "User %u has had too many objects listed in a short time, try again later", uid);
}

static int listed_again(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;

        return sd_bus_enqueue_for_read(b->bus, m);
}

static bool is_introspection_of_all(sd_bus_message *m) {
        const char *path = sd_bus_message_get_path(m);

        return sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Introspectable", "Introspect") && path &&
                (strcmp(path, PROMISC_LINK_PREFIX) == 0 || strcmp(path, PROMISC_REFERENCE_PREFIX) == 0);
}

/* How many objects the answer to this call lists with all their properties. Those that only get a line count less. */
static unsigned listing_size(const Manager *m, sd_bus_message *message) {
        if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))
                return m->now.links + m->now.references;
        if (sd_bus_message_is_method_call(message, PROMISC_MANAGER_INTERFACE, "ListReferences"))
                return m->now.references;
        if (sd_bus_message_is_method_call(message, PROMISC_MANAGER_INTERFACE, "ListLinks"))
                return m->now.links / 8;
        if (is_introspection_of_all(message))
                return (m->now.links + m->now.references) / 8;
        return 0;
}

/* Calls that list everything are metered. Returns 1 if the message was dealt with. */
static int meter(Bus *b, sd_bus_message *m, sd_bus_error *error) {
        unsigned n = listing_size(b->manager, m);
        Caller *caller;
        int r;

        /* None takes arguments; sd-bus refuses those, and nothing large is kept waiting. */
        if (n == 0 || sd_bus_message_is_empty(m) <= 0)
                return 0;

        r = call_identify(b->calls, m, listed_again, b, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (limits_charge_listing(&b->manager->limits, caller->uid, now_usec(CLOCK_MONOTONIC), n))
                return 0;

        bus_refuse_listing(caller->uid, error);
        bus_check_emitted(sd_bus_reply_method_error(m, error), "a refusal");
        sd_bus_error_free(error);
        return 1;
}

/* What the kernel did before a call was made is in the answer to it, storms of hundreds of events apart. */
static int before_call(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        uint8_t type;

        if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;

        manager_drain(b->manager);
        manager_publish(b->manager);
        return meter(b, message, error);
}

int bus_enumerate(const char *prefix, const char *child_prefix, const Table *items,
                  bool (*path)(const void *item, char buf[static BUS_PATH_MAX]), char ***ret) {
        char **paths, buf[BUS_PATH_MAX];
        size_t n = strlen(child_prefix);

        /* The objects themselves have none below them. */
        if (strncmp(prefix, child_prefix, n) == 0 && prefix[n] == '/')
                return 0;

        paths = calloc(items->n + 1, sizeof(char *));
        if (!paths)
                return -ENOMEM;

        n = 0;
        for (size_t i = 0; i < items->n; i++) {
                if (!path(items->items[i], buf))
                        continue;
                paths[n] = strdup(buf);
                if (!paths[n++]) {
                        while (n-- > 0)
                                free(paths[n]);
                        free(paths);
                        return -ENOMEM;
                }
        }

        *ret = paths;
        return 1;
}

static int publish(Bus *b) {
        static const ManagerObserver observer = {
                .link_added = on_link_added,
                .link_removed = on_link_removed,
                .link_lost = on_link_lost,
                .link_changed = on_link_changed,
                .promiscuity_changed = on_promiscuity_changed,
                .reference_added = on_reference_added,
                .reference_ended = on_reference_ended,
                .reference_lost = on_reference_lost,
                .changed = on_changed,
                .resynchronized = on_resynchronized,
                .is_sent = on_is_sent,
        };
        int r;

        r = sd_bus_add_filter(b->bus, NULL, before_call, b);
        if (r >= 0)
                r = sd_bus_add_object_manager(b->bus, NULL, PROMISC_PATH);
        if (r >= 0)
                r = manager_bus_register(b);
        if (r >= 0)
                r = link_bus_register(b);
        if (r >= 0)
                r = reference_bus_register(b);
        if (r < 0)
                return r;

        manager_set_observer(b->manager, &observer, b);
        return 0;
}

/* As sd_bus_open_system(). Descriptors are negotiated for AcquireDescriptor's reply; calls that wait keep those that came
 * with them, which call.c bounds. */
static int connect_system_bus(sd_bus **ret) {
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_description(bus, "promiscd");
        if (r >= 0)
                r = sd_bus_set_address(bus, secure_getenv("DBUS_SYSTEM_BUS_ADDRESS") ?:
                                            "unix:path=/run/dbus/system_bus_socket");
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0) {
                sd_bus_unref(bus);
                return r;
        }

        *ret = bus;
        return 0;
}

static void on_socket_ready(void *userdata) {
        calls_socket_ready(((Bus *) userdata)->calls);
}

int bus_new(Manager *m, Bus **ret) {
        Bus *b = calloc(1, sizeof(Bus));
        sd_id128_t id;
        int r;

        if (!b)
                return -ENOMEM;
        b->manager = m;
        b->writable_fd = -1;

        r = connect_system_bus(&b->bus);
        if (r >= 0)
                r = sd_bus_get_bus_id(b->bus, &id);
        if (r >= 0)
                r = calls_new(b->bus, &m->limits, &b->calls);
        if (r < 0) {
                log_error("Cannot connect to the system bus: %s", strerror(-r));
                goto fail;
        }
        sd_id128_to_string(id, m->bus_id);
        calls_set_vanished(b->calls, on_caller_vanished, b);
        manager_set_socket_ready(m, on_socket_ready, b);

        r = watch_writable(b);
        if (r >= 0)
                r = identify_new(m->event, NULL, NULL, &b->identify);
        if (r >= 0)
                r = publish(b);
        if (r < 0) {
                log_error("Cannot publish the objects: %s", strerror(-r));
                goto fail;
        }

        *ret = b;
        return 0;

fail:
        bus_free(b);
        return r;
}

int bus_take_name(Bus *b) {
        int r = sd_bus_request_name(b->bus, PROMISC_BUS_NAME, 0);

        if (r < 0)
                log_error("Cannot take the bus name %s: %s", PROMISC_BUS_NAME,
                          r == -EEXIST ? "another promiscd runs" : strerror(-r));
        return r;
}

static int get_caller(const char *name, Caller **ret, void *userdata) {
        return calls_get_caller(((Bus *) userdata)->calls, name, ret);
}

/* Waits for the answer: at the start nobody else does. */
static bool is_there(const char *name, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int there;

        if (sd_bus_call_method(((Bus *) userdata)->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s", name) < 0)
                return true;
        return sd_bus_message_read(reply, "b", &there) < 0 || there;
}

int bus_restore(Bus *b) {
        static const ManagerOwners owners = { .get = get_caller, .is_there = is_there };

        return manager_restore(b->manager, &owners, b);
}

int bus_serve(Bus *b) {
        int r;

        r = sd_bus_attach_event(b->bus, b->manager->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(b->bus, true);
        if (r < 0)
                log_error("Cannot serve the system bus: %s", strerror(-r));
        return r;
}

Bus *bus_free(Bus *b) {
        if (!b)
                return NULL;

        manager_set_observer(b->manager, NULL, NULL);
        manager_set_socket_ready(b->manager, NULL, NULL);
        calls_free(b->calls);
        holders_bus_end(b);
        identify_free(b->identify);
        sd_event_source_disable_unref(b->writable);
        close_fd(b->writable_fd);
        sd_bus_flush_close_unref(b->bus);
        free(b);
        return NULL;
}

bool bus_is_open(const Bus *b) {
        return sd_bus_is_open(b->bus) > 0;
}
