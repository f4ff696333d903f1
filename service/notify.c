/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "log.h"
#include "notify.h"
#include "util.h"

static int get_address(struct sockaddr_un *ret, socklen_t *ret_length) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        if (!path)
                return 0;
        if ((path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(a.sun_path))
                return -EINVAL;

        strcpy(a.sun_path, path);
        if (path[0] == '@')
                a.sun_path[0] = '\0'; /* an abstract one */
        *ret = a;
        *ret_length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(path));
        return 1;
}

int notify_send(const char *text, int fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { (char *) text, strlen(text) };
        struct sockaddr_un address;
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &address };
        _cleanup_(close_fdp) int sock = -1;
        int r;

        r = get_address(&address, &m.msg_namelen);
        if (r <= 0)
                return r;

        if (fd >= 0) {
                m.msg_control = &control;
                m.msg_controllen = sizeof(control);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        }

        sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (sock < 0)
                return -errno;
        return sendmsg(sock, &m, MSG_NOSIGNAL) < 0 ? -errno : 1;
}

static int on_watchdog(sd_event_source *s, uint64_t usec, void *userdata) {
        uint64_t period = 0;
        int r;

        /* One that is not taken is not missed: the next is due before the time is up. */
        r = notify_send("WATCHDOG=1", -1);
        if (r < 0)
                log_debug("Cannot tell the manager that all is well: %s", strerror(-r));

        if (sd_watchdog_enabled(false, &period) > 0)
                sd_event_source_set_time_relative(s, period / 3);
        return 0;
}

int notify_start_watchdog(sd_event *event, sd_event_source **ret) {
        sd_event_source *s = NULL;
        uint64_t period;
        int r;

        r = sd_watchdog_enabled(false, &period);
        if (r <= 0)
                return r;

        r = sd_event_add_time_relative(event, &s, CLOCK_MONOTONIC, 0, period / 10, on_watchdog, NULL);
        if (r >= 0)
                r = sd_event_source_set_enabled(s, SD_EVENT_ON);
        if (r < 0) {
                sd_event_source_unref(s);
                return r;
        }

        *ret = s;
        return 0;
}
