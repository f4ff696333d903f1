/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "descriptor.h"
#include "directory.h"
#include "log.h"
#include "util.h"

struct Descriptor {
        int writer;
        sd_event_source *source;
};

static void make_name(uint64_t id, char buf[static 24]) {
        snprintf(buf, 24, "%" PRIu64, id);
}

static int watch(sd_event *event, int *writer, sd_event_io_handler_t f, void *userdata, Descriptor **ret) {
        Descriptor *d = calloc(1, sizeof(Descriptor));
        int r;

        if (!d)
                return -ENOMEM;

        r = sd_event_add_io(event, &d->source, *writer, 0, f, userdata); /* EPOLLERR always counts */
        if (r < 0) {
                free(d);
                return r;
        }

        d->writer = TAKE_FD(*writer);
        *ret = d;
        return 0;
}

/* The reader has to be there first: a FIFO without one cannot be opened for writing. */
static int open_both(int directory_fd, const char *name, int *ret_reader, int *ret_writer) {
        _cleanup_(close_fdp) int reader = -1;
        int fds[2], writer;

        if (directory_fd < 0) {
                if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                        return -errno;
                *ret_reader = fds[0];
                *ret_writer = fds[1];
                return 0;
        }

        if (mkfifoat(directory_fd, name, 0600) < 0)
                return -errno;
        reader = openat(directory_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (reader < 0)
                return -errno;
        writer = openat(directory_fd, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (writer < 0)
                return -errno;

        *ret_reader = TAKE_FD(reader);
        *ret_writer = writer;
        return 0;
}

int descriptor_new(sd_event *event, int directory_fd, uint64_t id, sd_event_io_handler_t f, void *userdata,
                   Descriptor **ret, int *ret_reader) {
        _cleanup_(close_fdp) int reader = -1, writer = -1;
        char name[24];
        int r;

        make_name(id, name);
        r = open_both(directory_fd, name, &reader, &writer);
        if (r >= 0 && fd_is_reserved(writer))
                r = -EMFILE;
        if (r >= 0)
                r = watch(event, &writer, f, userdata, ret);
        if (r < 0) {
                if (directory_fd >= 0)
                        descriptor_remove(directory_fd, id);
                return r;
        }

        *ret_reader = TAKE_FD(reader);
        return 0;
}

int descriptor_reopen(sd_event *event, int directory_fd, uint64_t id, sd_event_io_handler_t f, void *userdata,
                      Descriptor **ret) {
        _cleanup_(close_fdp) int writer = -1;
        struct stat st;
        char name[24];

        make_name(id, name);
        writer = openat(directory_fd, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (writer < 0)
                return -errno;
        if (fstat(writer, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode))
                return -EBADF;

        return watch(event, &writer, f, userdata, ret);
}

Descriptor *descriptor_free(Descriptor *d) {
        if (!d)
                return NULL;

        sd_event_source_disable_unref(d->source);
        close_fd(d->writer);
        free(d);
        return NULL;
}

void descriptor_remove(int directory_fd, uint64_t id) {
        char name[24];

        make_name(id, name);
        if (unlinkat(directory_fd, name, 0) < 0 && errno != ENOENT)
                log_warning("Cannot remove the FIFO of reference %s, ignoring: %s", name, strerror(errno));
}

typedef struct Sweep {
        int directory_fd;
        bool (*keep)(uint64_t id, void *userdata);
        void *userdata;
} Sweep;

static int sweep_one(const struct dirent *de, void *userdata) {
        uint64_t id = strtoull(de->d_name, NULL, 10);
        Sweep *s = userdata;
        char name[24];

        make_name(id, name);
        if ((strcmp(name, de->d_name) != 0 || !s->keep(id, s->userdata)) &&
            unlinkat(s->directory_fd, de->d_name, 0) < 0)
                log_warning("Cannot remove a left-over FIFO, ignoring: %s", strerror(errno));
        return 0;
}

int descriptor_sweep(int directory_fd, bool (*keep)(uint64_t id, void *userdata), void *userdata) {
        return directory_each(directory_fd, sweep_one, &(Sweep){ directory_fd, keep, userdata });
}
