/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "bus.h"
#include "fd-store.h"
#include "log.h"
#include "manager.h"
#include "notify.h"
#include "options.h"
#include "promisc-names.h"
#include "util.h"

/* As LimitNOFILE= in promisc.service. */
#define DESCRIPTORS_WANTED 32768U

/* What systemd holds for us: the subscription, and packet sockets that a former process has stored. */
typedef struct Passed {
        int netlink; /* or -1 */
        int *packets;
        size_t n_packets;
} Passed;

static void passed_done(Passed *p) {
        close_fd(p->netlink);
        for (size_t i = 0; i < p->n_packets; i++)
                close_fd(p->packets[i]);
        free(p->packets);
}

static int take_passed(Passed *ret) {
        _cleanup_(freep) char **names = NULL;
        Passed p = { .netlink = -1 };
        int n, r = 0;

        n = sd_listen_fds_with_names(true, &names);
        if (n < 0) {
                log_error("Cannot take over the sockets passed in: %s", strerror(-n));
                return n;
        }

        p.packets = calloc((size_t) n + 1, sizeof(int));
        if (!p.packets)
                return -ENOMEM;

        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (strcmp(names[i], FD_STORE_NAME) == 0)
                        p.packets[p.n_packets++] = fd;
                else if (p.netlink < 0)
                        p.netlink = fd;
                else
                        r = -EINVAL;
                free(names[i]);
        }

        if (r < 0) {
                log_error("More than one socket was passed in, but only one netlink socket is of use");
                passed_done(&p);
                return r;
        }

        *ret = p;
        return 0;
}

static void adopt_packets(Manager *m, Passed *p) {
        int r;

        for (size_t i = 0; i < p->n_packets; i++) {
                r = packet_pool_adopt(m->pool, TAKE_FD(p->packets[i]));
                if (r < 0)
                        log_error("A stored descriptor is not one of our packet sockets, dropping it: %s", strerror(-r));
        }
}

/* systemd is told to send this one before it starts the service again (RestartKillSignal=): what is held stays held. */
static int on_restart(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Manager **m = userdata;

        if (*m)
                (*m)->leaving = fd_store_is_there();
        return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
}

static int setup_signals(sd_event *event, Manager **m) {
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGUSR1);
        sigaddset(&mask, SIGCHLD); /* sd-event collects children */
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        signal(SIGPIPE, SIG_IGN);

        r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, on_signal, NULL);
        return r < 0 ? r : sd_event_add_signal(event, NULL, SIGUSR1, on_restart, m);
}

static void stop(Bus *b) {
        Manager *m = b->manager;

        if (bus_is_open(b))
                notify_send("STOPPING=1", -1);
        else {
                /* We are started again. sd-bus also closes a connection when there is no memory to answer, so it is for the
                 * next process to see whether this was the end of the bus, and of whom on it. */
                log_error("The bus connection is lost");
                m->leaving = fd_store_is_there();
        }
        if (m->leaving)
                return;

        manager_end_all_references(m, PROMISC_CAUSE_SERVICE_STOPPED);
        if (fd_store_is_there())
                fd_store_empty();
}

/* Runs when the loop is told to exit, while the bus connection is still there. */
static int on_loop_exit(sd_event_source *s, void *userdata) {
        stop(userdata);
        return 0;
}

/* In this order nothing is missed, and nothing that is told is wrong: subscription and question for all links (by
 * manager_new()), bus objects, all links, the references of a former process, calls. The name comes before the links if
 * there are changes to be told of, and after them if not. */
static int start(Manager *m, Bus *b, Passed *passed) {
        bool goes_on = manager_goes_on(m);
        int r = 0;

        if (goes_on)
                r = bus_take_name(b);
        if (r >= 0)
                r = manager_synchronize(m);
        if (r < 0)
                return r;

        adopt_packets(m, passed);
        r = bus_restore(b);
        if (r >= 0 && !goes_on)
                r = bus_take_name(b);
        if (r < 0)
                return r;

        manager_go_live(m);
        return bus_serve(b);
}

static int serve(sd_event *event, Manager *m, Passed *passed) {
        sd_event_source *exit_source = NULL;
        Bus *b = NULL;
        int r;

        r = bus_new(m, &b);
        if (r < 0)
                return r;

        r = start(m, b, passed);
        if (r >= 0)
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
                        m->leaving = fd_store_is_there(); /* as after a crash */
                        if (!m->leaving)
                                stop(b);
                }
        } else
                m->leaving = true; /* the next try has what this one could not use */

        sd_event_source_disable_unref(exit_source);
        /* Before their callers. Whatever ends here has been told of, or goes on in the next process. */
        manager_set_observer(m, NULL, NULL);
        manager_free_references(m);
        bus_free(b);
        return r;
}

/* Callers can make us keep descriptors that they send. Under systemd LimitNOFILE= has been set already. */
static void raise_descriptor_limit(void) {
        struct rlimit l;

        if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= DESCRIPTORS_WANTED)
                return;
        l.rlim_cur = l.rlim_max < DESCRIPTORS_WANTED ? l.rlim_max : DESCRIPTORS_WANTED;
        if (setrlimit(RLIMIT_NOFILE, &l) < 0)
                log_debug("Cannot raise the limit of descriptors, ignoring: %s", strerror(errno));
}

static int run(const Options *options) {
        Passed passed = { .netlink = -1 };
        sd_event_source *watchdog = NULL;
        sd_event *event = NULL;
        Manager *m = NULL;
        int r;

        raise_descriptor_limit();
        r = take_passed(&passed);
        if (r < 0)
                return r;

        r = sd_event_default(&event);
        if (r >= 0)
                r = setup_signals(event, &m);
        if (r >= 0)
                r = notify_start_watchdog(event, &watchdog);
        if (r < 0) {
                log_error("Cannot set up the event loop: %s", strerror(-r));
                goto finish;
        }

        r = manager_new(event, TAKE_FD(passed.netlink), options, &m);
        if (r >= 0)
                r = serve(event, m, &passed);

finish:
        manager_free(m);
        sd_event_source_disable_unref(watchdog);
        sd_event_unref(event);
        passed_done(&passed);
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
