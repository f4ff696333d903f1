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

typedef struct Hold Hold;

typedef struct Held {
        Hold *hold;
        const char *link; /* as the user called it */
        char *path;
        uint64_t id;
        bool held;
} Held;

struct Hold {
        const Options *options;
        sd_bus *bus;
        sd_event *event;
        Held *links;
        size_t n_links;
        char owner[256];   /* the service's unique name; empty while it is away */
        bool failed;       /* a reference ended for another cause than its timeout */
        sigset_t old_mask; /* that COMMAND gets */
        pid_t child;
};

static void hold_done(Hold *h) {
        for (size_t i = 0; i < h->n_links; i++)
                free(h->links[i].path);
        free(h->links);
        sd_event_unref(h->event);
        sd_bus_flush_close_unref(h->bus);
}

/* A call that neither starts a service that is away nor waits for one. */
static int new_call(Hold *h, const char *path, const char *interface, const char *member,
                    sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(h->bus, &call, PROMISC_BUS_NAME, path, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, false);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

/* Waits for it to be done. */
static int release(Held *l) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = new_call(l->hold, l->path, PROMISC_LINK_INTERFACE, "Release", &call);
        if (r >= 0)
                r = sd_bus_message_append_basic(call, 't', &l->id);
        if (r >= 0)
                r = sd_bus_call(l->hold->bus, call, 0, &error, NULL);
        if (r >= 0 || sd_bus_error_has_names(&error, PROMISC_ERROR_NO_SUCH_REFERENCE,
                                             PROMISC_ERROR_NO_SUCH_LINK, SD_BUS_ERROR_UNKNOWN_OBJECT))
                return 0; /* or it has ended already */

        return message_bus_error(&error, r, "Cannot release, what is held ends as we leave the bus");
}

static void release_all(Hold *h) {
        int r = 0;

        for (size_t i = 0; i < h->n_links; i++) {
                Held *l = h->links + i;

                if (l->held && r >= 0)
                        r = release(l); /* that fails for all that are left too */
                l->held = false;
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

static bool holds_any(const Hold *h) {
        for (size_t i = 0; i < h->n_links; i++)
                if (h->links[i].held)
                        return true;
        return false;
}

/* COMMAND goes on; without one there is nothing to stay for. */
static int check_rest(Hold *h) {
        return h->child > 0 || holds_any(h) ? 0 : leave(h, h->failed);
}

static int on_released(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *cause, *sender = sd_bus_message_get_sender(signal);
        Hold *h = userdata;
        uint64_t id;

        if (!sender || strcmp(sender, h->owner) != 0 ||
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

static int on_asked(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Held *l = userdata;

        if (!l->held)
                return 0;
        if (!e)
                message("Reference %" PRIu64 " on %s lives on", l->id, l->link);
        else if (sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_OBJECT)) {
                end_one(l->hold, l, "promiscd came back without it");
                return check_rest(l->hold);
        } else if (!sd_bus_error_has_names(e, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                           SD_BUS_ERROR_SERVICE_UNKNOWN))
                message_bus_error(e, -EIO, "Cannot ask for reference %" PRIu64 " on %s", l->id, l->link);
        /* Otherwise it is away again; the next one is asked too. */
        return 0;
}

/* Asynchronously and without a time limit: it may still be busy with its return. */
static void ask(Held *l) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        char path[sizeof(PROMISC_REFERENCE_PREFIX "/18446744073709551615")];
        int r;

        snprintf(path, sizeof(path), PROMISC_REFERENCE_PREFIX "/%" PRIu64, l->id);
        r = new_call(l->hold, path, "org.freedesktop.DBus.Properties", "Get", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", PROMISC_REFERENCE_INTERFACE, "Id");
        if (r >= 0)
                r = sd_bus_call_async(l->hold->bus, NULL, call, on_asked, l, UINT64_MAX);
        if (r < 0)
                message_error(r, "Cannot ask for reference %" PRIu64 " on %s", l->id, l->link);
}

static void set_owner(Hold *h, const char *name) {
        snprintf(h->owner, sizeof(h->owner), "%s", name);
}

/* Under systemd the references outlive the service, with their ids; otherwise they end with it. */
static int on_name_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *new;
        Hold *h = userdata;

        if (sd_bus_message_read(signal, "sss", NULL, NULL, &new) < 0 || strcmp(new, h->owner) == 0 ||
            !holds_any(h))
                return 0;

        set_owner(h, new);
        if (!*new) {
                message("promiscd has left the bus; whether it holds on is known when it is back");
                return 0;
        }
        for (size_t i = 0; i < h->n_links; i++)
                if (h->links[i].held)
                        ask(h->links + i);
        return 0;
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
        set_owner(h, sd_bus_message_get_sender(reply));
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

                l->hold = h;
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
