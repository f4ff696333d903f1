/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "config.h"
#include "serve.h"
#include "util.h"

/* promiscd asks at once, and is not kept waiting by somebody who does not. */
#define REQUEST_USEC (500 * USEC_PER_MSEC)
#define IDLE_USEC    (10 * USEC_PER_SEC)

static int fail(const char *what, int error) {
        fprintf(stderr, "promisc-identify: %s: %s\n", what, strerror(-error));
        return EXIT_FAILURE;
}

/* The user whose socket it is: systemd gave it to the service's (SocketUser=). */
static int owner_of(int listener, uid_t *ret) {
        struct sockaddr_un a = {};
        socklen_t size = sizeof(a) - 1; /* so that the name ends with a NUL */
        struct stat st;

        if (getsockname(listener, (struct sockaddr *) &a, &size) < 0)
                return -errno;
        if (a.sun_family != AF_UNIX || a.sun_path[0] != '/')
                return -EINVAL;
        if (stat(a.sun_path, &st) < 0)
                return -errno;
        *ret = st.st_uid;
        return 0;
}

/* The socket's mode keeps others out already, unless it was changed. */
static bool may_ask(int fd, uid_t owner) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) >= 0 && (peer.uid == 0 || peer.uid == owner);
}

static int serve_listener(int listener, int proc_fd) {
        const struct timeval limit = { .tv_usec = REQUEST_USEC };
        struct pollfd p = { .fd = listener, .events = POLLIN };
        uid_t owner = 0;
        int r;

        r = owner_of(listener, &owner);
        if (r < 0)
                return r;

        while ((r = poll(&p, 1, IDLE_USEC / USEC_PER_MSEC)) > 0) {
                _cleanup_(close_fdp) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                /* Whoever was there may have left. */
                if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
                        return -errno;
                if (fd >= 0 && may_ask(fd, owner) &&
                    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) >= 0)
                        serve(fd, proc_fd);
        }
        return r < 0 ? -errno : 0;
}

/* What promiscd may do besides, and hands on, is of no use here. */
static int keep_useful_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
        const uint32_t useful = 1U << CAP_SYS_PTRACE | 1U << CAP_DAC_READ_SEARCH;

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(data); i++) {
                const uint32_t keep = i == 0 ? useful : 0;

                data[i].effective &= keep;
                data[i].permitted &= keep;
                data[i].inheritable &= keep;
        }
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static bool is_connection(int fd) {
        return sd_is_socket_unix(fd, SOCK_SEQPACKET, 0, NULL, 0) > 0;
}

int main(int argc, char **argv) {
        _cleanup_(close_fdp) int proc_fd = -1;
        int n, r = 0;

        if (argc > 1 && strcmp(argv[1], "--version") == 0) {
                printf("promisc-identify %s\n", PROMISCD_VERSION);
                return EXIT_SUCCESS;
        }

        n = sd_listen_fds(true);
        if (argc > 1 || n > 1 || (n == 0 && !is_connection(STDIN_FILENO)) ||
            (n == 1 && sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_SEQPACKET, 1, NULL, 0) <= 0)) {
                fprintf(stderr, "promisc-identify: is started by systemd or promiscd, see promisc-identify(8)\n");
                return EXIT_FAILURE;
        }

        proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (proc_fd < 0)
                return fail("Cannot open /proc", -errno);

        if (n == 1)
                r = serve_listener(SD_LISTEN_FDS_START, proc_fd);
        else {
                r = keep_useful_capabilities();
                if (r >= 0)
                        serve(STDIN_FILENO, proc_fd);
        }
        return r < 0 ? fail(n == 1 ? "Cannot serve the socket" : "Cannot drop capabilities", r) : EXIT_SUCCESS;
}
