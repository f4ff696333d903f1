/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "bus.h"
#include "log.h"
#include "manager.h"
#include "options.h"
#include "promisc-names.h"
#include "util.h"

/* The subscription that systemd holds for us, or -1. More than one, or something else, is a mistake in the units. */
static int take_passed_socket(int *ret_fd) {
        int n = sd_listen_fds(true);

        if (n < 0) {
                log_error("Cannot take over the sockets passed in: %s", strerror(-n));
                return n;
        }
        if (n > 1) {
                log_error("Got %i sockets passed in, but only one netlink socket is of use", n);
                return -EINVAL;
        }

        *ret_fd = n == 1 ? SD_LISTEN_FDS_START : -1;
        return 0;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
}

static int setup_signals(sd_event *event) {
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        signal(SIGPIPE, SIG_IGN);

        r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, NULL);
        return r < 0 ? r : sd_event_add_signal(event, NULL, SIGINT, on_signal, NULL);
}

static void stop(Bus *b) {
        if (bus_is_open(b))
                sd_notify(false, "STOPPING=1");
        else
                log_error("The bus connection is lost");

        manager_end_all_references(b->manager, PROMISC_CAUSE_SERVICE_STOPPED);
}

/* Runs when the loop is told to exit, while the bus connection is still there. */
static int on_loop_exit(sd_event_source *s, void *userdata) {
        stop(userdata);
        return 0;
}

static int serve(sd_event *event, Manager *m) {
        sd_event_source *exit_source = NULL;
        Bus *b = NULL;
        int r;

        r = bus_new(m, &b);
        if (r < 0)
                return r;

        r = sd_event_add_exit(event, &exit_source, on_loop_exit, b);
        if (r >= 0)
                /* sd-bus closes the connection in an exit source of its own. */
                r = sd_event_source_set_priority(exit_source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r >= 0) {
                log_info("Watching %u links, %u of them promiscuous", m->now.links, m->now.promiscuous_links);
                sd_notify(false, "READY=1");
                r = sd_event_loop(event);
                if (r < 0) {
                        log_error("The event loop failed: %s", strerror(-r));
                        stop(b);
                }
        }

        sd_event_source_disable_unref(exit_source);
        bus_free(b);
        return r;
}

static int run(const Options *options) {
        sd_event *event = NULL;
        Manager *m = NULL;
        int r, fd = -1;

        r = take_passed_socket(&fd);
        if (r < 0)
                return r;

        r = sd_event_default(&event);
        if (r >= 0)
                r = setup_signals(event);
        if (r >= 0)
                r = sd_event_set_watchdog(event, true);
        if (r < 0) {
                log_error("Cannot set up the event loop: %s", strerror(-r));
                close_fd(fd);
                goto finish;
        }

        /* Subscription, dump, bus objects, bus name, READY: in this order nothing is missed and nothing is wrong. */
        r = manager_new(event, fd, options, &m);
        if (r >= 0)
                r = manager_synchronize(m);
        if (r >= 0)
                r = serve(event, m);

finish:
        manager_free(m);
        sd_event_unref(event);
        return r == -ECANCELED ? 0 : r;
}

int main(int argc, char **argv) {
        Options options;
        int r;

        if (getenv("DEBUG_PROMISCD"))
                log_set_max_level(LOG_DEBUG);

        r = options_parse(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        /* A loop that ended by itself has its exit code in r. */
        return run(&options) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
