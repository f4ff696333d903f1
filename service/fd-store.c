/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "fd-store.h"
#include "log.h"
#include "notify.h"
#include "util.h"

bool fd_store_is_there(void) {
        return sd_booted() > 0 && getenv("NOTIFY_SOCKET") && getenv("INVOCATION_ID");
}

static int send_to_manager(const char *text, int fd) {
        int r = notify_send(text, fd);

        if (r == 0)
                return -EOPNOTSUPP;
        return r == -EAGAIN ? -EBUSY : r < 0 ? r : 0;
}

/* A barrier: the manager closes its end of the pipe when it has dealt with all messages before. sd_notify_barrier() would
 * wait for that. */
static int barrier(int *ret_fd) {
        _cleanup_(close_fdp) int reader = -1, writer = -1;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        reader = fds[0];
        writer = fds[1];

        r = send_to_manager("BARRIER=1", writer);
        if (r < 0)
                return r;

        *ret_fd = TAKE_FD(reader);
        return 0;
}

unsigned fd_store_get_max(void) {
        const char *text = getenv("FDSTORE");
        unsigned long v;
        char *end;

        if (!text || *text < '0' || *text > '9')
                return UINT32_MAX;
        errno = 0;
        v = strtoul(text, &end, 10);
        return errno || *end || v > UINT32_MAX ? UINT32_MAX : (unsigned) v;
}

int fd_store_add(int fd) {
        /* Nothing ever arrives on a packet socket of protocol 0, so there is nothing to poll for. */
        return send_to_manager("FDSTORE=1\nFDNAME=" FD_STORE_NAME "\nFDPOLL=0", fd);
}

int fd_store_confirm(sd_event *event, sd_event_io_handler_t f, void *userdata, sd_event_source **ret) {
        _cleanup_(close_fdp) int reader = -1;
        sd_event_source *source;
        int r;

        r = barrier(&reader);
        if (r < 0)
                return r;

        r = sd_event_add_io(event, &source, reader, 0, f, userdata); /* EPOLLHUP always counts */
        if (r < 0)
                return r;
        r = sd_event_source_set_io_fd_own(source, true);
        if (r < 0) {
                sd_event_source_unref(source);
                return r;
        }

        TAKE_FD(reader);
        *ret = source;
        return 0;
}

void fd_store_empty(void) {
        int r;

        r = notify_send("FDSTOREREMOVE=1\nFDNAME=" FD_STORE_NAME, -1);
        if (r > 0)
                r = sd_notify_barrier(false, USEC_PER_SEC);
        if (r < 0)
                log_debug("Cannot empty the descriptor store, ignoring: %s", strerror(-r));
}
