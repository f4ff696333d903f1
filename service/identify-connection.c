/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "identify-connection.h"
#include "util.h"

struct IdentifyConnection {
        int fd;
        sd_event_source *source;
        pid_t child;
        sd_event_source *child_source; /* or NULL: there is no child */
};

static int connect_to(const char *path) {
        _cleanup_(close_fdp) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(a.sun_path))
                return -ENAMETOOLONG;
        strcpy(a.sun_path, path);
        return connect(fd, (const struct sockaddr *) &a, sizeof(a)) < 0 ? -errno : TAKE_FD(fd);
}

/* Its standard input is the connection. It has no use for our environment, nor for the signals that we block or ignore. */
static int start_program(const char *program, int fd, pid_t *ret) {
        char *const arguments[] = { (char *) program, NULL }, *const environment[] = { NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        sigemptyset(&none);
        sigfillset(&all);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r != 0) {
                posix_spawn_file_actions_destroy(&actions);
                return -r;
        }

        r = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attributes, &all);
        if (r == 0)
                r = posix_spawn(ret, program, &actions, &attributes, arguments, environment);

        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int on_child_ended(sd_event_source *s, const siginfo_t *info, void *userdata) {
        sd_event_source_set_floating(s, false); /* that was all */
        return 0;
}

/* A source that collects the child, not enabled yet: as long as it is not collected its pid is its own. */
static int watch_child(sd_event *event, pid_t child, sd_event_source **ret) {
        sd_event_source *s;
        int r;

        r = sd_event_add_child(event, &s, child, WEXITED, on_child_ended, NULL);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(s, SD_EVENT_OFF);
        if (r < 0) {
                sd_event_source_unref(s);
                return r;
        }
        *ret = s;
        return 0;
}

static int start(sd_event *event, const char *program, IdentifyConnection *c) {
        int r, fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        c->fd = fds[0];

        r = start_program(program, fds[1], &c->child);
        close(fds[1]);
        if (r < 0)
                return r;

        r = watch_child(event, c->child, &c->child_source);
        if (r < 0) {
                kill(c->child, SIGKILL);
                waitpid(c->child, NULL, 0);
        }
        return r;
}

int identify_connection_new(sd_event *event, const char *socket_path, const char *program, sd_event_io_handler_t f,
                            void *userdata, IdentifyConnection **ret) {
        IdentifyConnection *c = calloc(1, sizeof(IdentifyConnection));
        int r;

        if (!c)
                return -ENOMEM;

        r = c->fd = connect_to(socket_path);
        if ((r == -ENOENT || r == -ECONNREFUSED) && sd_booted() <= 0)
                r = start(event, program, c);
        if (r >= 0)
                r = sd_event_add_io(event, &c->source, c->fd, EPOLLIN, f, userdata);
        if (r < 0) {
                identify_connection_free(c);
                return r;
        }

        *ret = c;
        return 0;
}

IdentifyConnection *identify_connection_free(IdentifyConnection *c) {
        if (!c)
                return NULL;

        sd_event_source_disable_unref(c->source);
        close_fd(c->fd);
        if (c->child_source) {
                /* It changes nothing that could be left half done. The loop collects it. */
                kill(c->child, SIGKILL);
                sd_event_source_set_enabled(c->child_source, SD_EVENT_ONESHOT);
                sd_event_source_set_floating(c->child_source, true);
                sd_event_source_unref(c->child_source);
        }
        free(c);
        return NULL;
}

int identify_connection_fd(IdentifyConnection *c) {
        return c->fd;
}
