/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "agent.h"
#include "bus.h"
#include "child.h"
#include "link-info.h"
#include "message.h"
#include "promisc-names.h"
#include "text.h"
#include "verbs.h"

typedef struct Held {
        const char *link; /* as the user called it */
        char *path;
        uint64_t id;
        bool held;
} Held;

typedef struct Hold {
        const Options *options;
        sd_bus *bus;
        sd_event *event;
        Held *links;
        size_t n_links;
        char *owner;       /* the service's unique name */
        bool failed;       /* a reference ended for another cause than its timeout */
        sigset_t old_mask; /* that COMMAND gets */
        pid_t child;
} Hold;

static void hold_done(Hold *h) {
        for (size_t i = 0; i < h->n_links; i++)
                free(h->links[i].path);
        free(h->links);
        free(h->owner);
        sd_event_unref(h->event);
        sd_bus_flush_close_unref(h->bus);
}

static void release_all(Hold *h) {
        for (size_t i = 0; i < h->n_links; i++) {
                Held *l = h->links + i;

                if (!l->held)
                        continue;
                l->held = false;
                /* Waits for it to be done. If it fails it has ended already, or ends when we leave the bus.
                 * */
                (void) sd_bus_call_method(h->bus, PROMISC_BUS_NAME, l->path, PROMISC_LINK_INTERFACE,
                                          "Release", NULL, NULL, "t", l->id);
        }
}

/* Within the loop: the bus is closed as soon as it ends. */
static int leave(Hold *h, int status) {
        release_all(h);
        return sd_event_exit(h->event, status);
}

static const char *explain_cause(const char *cause) {
        static const char *const causes[][2] = {
                { PROMISC_CAUSE_RELEASED, "it was released from elsewhere" },
                { PROMISC_CAUSE_REVOKED, "somebody else released it" },
                { PROMISC_CAUSE_EXPIRED, "its timeout has passed" },
                { PROMISC_CAUSE_LINK_REMOVED, "the link is gone" },
                { PROMISC_CAUSE_LINK_MOVED, "the link moved to another network namespace" },
                { PROMISC_CAUSE_SERVICE_STOPPED, "promiscd stopped" },
        };

        for (size_t i = 0; i < ELEMENTSOF(causes); i++)
                if (strcmp(causes[i][0], cause) == 0)
                        return causes[i][1];
        return cause;
}

static void end_one(Hold *h, Held *l, const char *cause) {
        message("Reference %" PRIu64 " on %s has ended: %s", l->id, l->link, explain_cause(cause));
        l->held = false;
        if (strcmp(cause, PROMISC_CAUSE_EXPIRED) != 0)
                h->failed = true;
}

/* COMMAND goes on; without one there is nothing to stay for. */
static int check_rest(Hold *h) {
        for (size_t i = 0; i < h->n_links; i++)
                if (h->links[i].held)
                        return 0;
        return h->child > 0 ? 0 : leave(h, h->failed);
}

static int on_released(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *cause, *sender = sd_bus_message_get_sender(signal);
        Hold *h = userdata;
        uint64_t id;

        if (!sender || !h->owner || strcmp(sender, h->owner) != 0 ||
            bus_path_number(sd_bus_message_get_path(signal), PROMISC_REFERENCE_PREFIX, &id) < 0 ||
            sd_bus_message_read_basic(signal, 's', &cause) < 0)
                return 0;

        for (size_t i = 0; i < h->n_links; i++)
                if (h->links[i].held && h->links[i].id == id)
                        end_one(h, h->links + i, cause);
        return check_rest(h);
}

static int end_all(Hold *h, const char *cause) {
        for (size_t i = 0; i < h->n_links; i++)
                if (h->links[i].held)
                        end_one(h, h->links + i, cause);
        return check_rest(h);
}

static int on_name_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *old;
        Hold *h = userdata;

        if (sd_bus_message_read(signal, "sss", NULL, &old, NULL) < 0 || !h->owner ||
            strcmp(old, h->owner) != 0)
                return 0;
        return end_all(h, "promiscd has left the bus");
}

static int on_disconnected(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        return end_all(userdata, "the connection to the bus is lost");
}

/* Before anything is acquired. */
static int subscribe(Hold *h) {
        int r;

        r = sd_bus_match_signal(h->bus, NULL, PROMISC_BUS_NAME, NULL, PROMISC_REFERENCE_INTERFACE,
                                "Released", on_released, h);
        if (r >= 0)
                r = sd_bus_add_match(
                                h->bus, NULL,
                                "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                "arg0='" PROMISC_BUS_NAME "'",
                                on_name_owner_changed, h);
        if (r >= 0)
                r = sd_bus_match_signal(h->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, h);
        return r < 0 ? message_error(r, "Cannot subscribe") : 0;
}

/* "promiscctl hold tcpdump", whatever the command's name has in it, cut at a whole character. */
static int default_reason(char *const *command, char **ret) {
        _cleanup_free_ char *name = NULL;
        char *reason;
        int r;

        if (!command) {
                *ret = strdup("promiscctl hold");
                return *ret ? 0 : -ENOMEM;
        }

        r = text_escape(basename(command[0]), &name);
        if (r < 0)
                return r;
        if (asprintf(&reason, "promiscctl hold %s", name) < 0)
                return -ENOMEM;
        if (strlen(reason) > PROMISC_REASON_MAX) {
                size_t end = PROMISC_REASON_MAX;

                while ((reason[end] & 0xc0) == 0x80)
                        end--;
                reason[end] = 0;
        }
        *ret = reason;
        return 0;
}

static int acquire(Hold *h, Held *l, const char *reason) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_message_new_method_call(h->bus, &call, PROMISC_BUS_NAME, l->path, PROMISC_LINK_INTERFACE,
                                           "Acquire");
        if (r >= 0 && h->options->timeout > 0)
                r = sd_bus_message_append(call, "sa{sv}", reason, 1, "timeout", "t", h->options->timeout);
        else if (r >= 0)
                r = sd_bus_message_append(call, "sa{sv}", reason, 0);
        if (r >= 0)
                r = bus_call_interactive(h->bus, call, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "to", &l->id, NULL);
        if (r < 0)
                return message_bus_error(&error, r, "Cannot hold %s", l->link);

        l->held = true;
        if (!h->owner) {
                h->owner = strdup(sd_bus_message_get_sender(reply));
                if (!h->owner)
                        return message_error(-ENOMEM, "Cannot hold %s", l->link);
        }
        return 0;
}

static int find_all(Hold *h, char **names) {
        size_t n = 0;

        while (names[n])
                n++;
        h->links = calloc(n, sizeof(Held));
        if (!h->links)
                return message_error(-ENOMEM, "Cannot hold");
        for (; h->n_links < n; h->n_links++) {
                Held *l = h->links + h->n_links;
                int r;

                l->link = names[h->n_links];
                r = link_info_find(h->bus, l->link, &l->path);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* All or none. */
static int acquire_all(Hold *h) {
        _cleanup_(agent_close) pid_t agent = 0; /* gone before COMMAND has the terminal */
        _cleanup_free_ char *default_text = NULL;
        const char *reason = h->options->reason;
        int r;

        if (!reason) {
                r = default_reason(h->options->command, &default_text);
                if (r < 0)
                        return message_error(r, "Cannot hold");
                reason = default_text;
        }

        agent_open(h->options, &agent);
        for (size_t i = 0; i < h->n_links; i++) {
                r = acquire(h, h->links + i, reason);
                if (r < 0) {
                        release_all(h);
                        return r;
                }
        }
        return 0;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata) {
        return leave(userdata, child_exit_status(si));
}

static int on_stop_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Hold *h = userdata;

        if (h->child <= 0)
                return leave(h, 0);
        /* What comes from the terminal (the kernel) COMMAND got as well. It decides whether it ends. */
        if (si->ssi_code != SI_KERNEL)
                (void) kill(h->child, (int) si->ssi_signo);
        return 0;
}

static int set_up_loop(Hold *h) {
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
        sigset_t mask;
        int r;

        r = sd_event_default(&h->event);
        if (r < 0)
                return r;

        /* An inherited "ignored" would lose COMMAND's status. */
        if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
                return -errno;
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                sigaddset(&mask, signals[i]);
        if (sigprocmask(SIG_BLOCK, &mask, &h->old_mask) < 0)
                return -errno;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                r = sd_event_add_signal(h->event, NULL, signals[i], on_stop_signal, h);
                if (r < 0)
                        return r;
        }
        return sd_bus_attach_event(h->bus, h->event, SD_EVENT_PRIORITY_NORMAL);
}

/* Returns the exit status if it cannot be started. */
static int start_command(Hold *h) {
        int r;

        if (!h->options->command)
                return 0;
        r = child_spawn(h->options->command, &h->old_mask, &h->child);
        if (r < 0) {
                message_error(r, "Cannot run %s", h->options->command[0]);
                return child_error_status(r);
        }
        r = sd_event_add_child(h->event, NULL, h->child, WEXITED, on_child, h);
        return r < 0 ? message_error(r, "Cannot wait for %s", h->options->command[0]) : 0;
}

int verb_hold(const Options *o, char **args) {
        _cleanup_(hold_done) Hold h = { .options = o };
        int r;

        r = bus_open(o, &h.bus);
        if (r < 0)
                return r;
        r = find_all(&h, args);
        if (r < 0)
                return r;
        r = subscribe(&h);
        if (r < 0)
                return r;
        r = acquire_all(&h);
        if (r < 0)
                return r;

        r = set_up_loop(&h);
        if (r < 0)
                message_error(r, "Cannot set up the event loop");
        else
                r = start_command(&h);
        if (r != 0) {
                release_all(&h);
                return r;
        }
        r = sd_event_loop(h.event);
        return r < 0 ? message_error(r, "The event loop failed") : r;
}
