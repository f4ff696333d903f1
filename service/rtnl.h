/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "rtnl-parse.h"

/* The one rtnetlink socket: subscribed to RTNLGRP_LINK, and every question is asked on it, because only then are answers
 * in order with the events (a dump on a second socket gave false steps). Answers arrive like events, later. */

typedef struct Rtnl Rtnl;

typedef enum RtnlOrigin {
        RTNL_EVENT,  /* the kernel announced it by itself */
        RTNL_ANSWER, /* to a dump or to rtnl_ask() */
} RtnlOrigin;

typedef struct RtnlHandler {
        /* A link's state, or its end, in the kernel's order. */
        void (*link)(const LinkMessage *m, RtnlOrigin origin, void *userdata);
        /* A dump that was not interrupted has shown every link; all that it did not show are gone. */
        void (*dumped)(void *userdata);
        /* The kernel dropped events. What is queued is still read, in order; then a dump begins by itself. */
        void (*overrun)(void *userdata);
        /* The queue was read, to its end or to the limit of one turn. Also after a failure. */
        void (*drained)(bool empty, void *userdata);
        /* A dump was asked for: what is seen from here on, by its answers or by events, is there. Again if it is repeated. */
        void (*dumping)(void *userdata);
        /* rtnl_ask() for that link has no answer, mostly because it is gone. */
        void (*refused)(int ifindex, void *userdata);
} RtnlHandler;

/* Takes fd, a bound NETLINK_ROUTE socket, as the subscription; with -1 it opens its own, with the largest buffer that it
 * may have. The fd is owned from the call on, also when it fails.
 * Errors: -EINVAL if fd is something else; those of socket(), bind(), setsockopt(). */
int rtnl_new(sd_event *event, int fd, const RtnlHandler *handler, void *userdata, Rtnl **ret);
Rtnl *rtnl_free(Rtnl *r);

/* Asks for all links. While one dump runs, another is begun after it. */
int rtnl_dump(Rtnl *r);

/* The same, but no more is expected of a dump that was begun before. */
int rtnl_dump_anew(Rtnl *r);

/* Asks for one link; if it is gone, nothing comes. */
int rtnl_ask(Rtnl *r, int ifindex);

/* Reads what is queued now, at most a turn's worth, and reports it; never blocks. Re-entry from a handler is harmless: it
 * does nothing. Returns 0 when the queue is empty, 1 when there is more.
 * Errors: those of recvmmsg(): the socket is of no use any more. */
int rtnl_drain(Rtnl *r);

/* Reads all that was queued when it was called, however long that takes: 15 µs a message. */
int rtnl_catch_up(Rtnl *r);

/* The same, and also waits for what the kernel is just doing to links. */
int rtnl_settle(Rtnl *r);

/* The cookie of the network namespace that the socket is in. Errors: -ENOPROTOOPT before Linux 5.14. */
int rtnl_get_namespace(Rtnl *r, uint64_t *ret);

/* Stops and resumes reading in the loop (not rtnl_drain()): the kernel's buffer holds what comes meanwhile. */
int rtnl_set_enabled(Rtnl *r, bool enabled);
