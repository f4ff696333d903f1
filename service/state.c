/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "directory.h"
#include "log.h"
#include "state.h"
#include "text.h"
#include "util.h"

struct State {
        int fd;         /* the directory */
        int references; /* its "references" */
        int descriptors;
};

/* --- the text: lines "KEY=value", each key once, in this order --------------------------------------------------------- */

size_t state_format(const StateReference *r, char buf[static STATE_TEXT_MAX]) {
        int n = snprintf(buf, STATE_TEXT_MAX,
                         "ID=%" PRIu64 "\nIFINDEX=%i\nINODE=%" PRIu64 "\nADDRESS_LENGTH=%u\nLIFETIME=%s\nOWNER=%s\nBUS=%s\n"
                         "UID=%u\nPID=%i\nACQUIRED=%" PRIu64 "\nEXPIRES=%" PRIu64 "\nDEADLINE=%" PRIu64 "\nREASON=%s\n",
                         r->id, r->ifindex, r->inode, (unsigned) r->address_length,
                         r->descriptor ? PROMISC_LIFETIME_DESCRIPTOR : PROMISC_LIFETIME_CONNECTION, r->owner, r->bus,
                         (unsigned) r->uid, (int) r->pid, r->acquired, r->expires, r->deadline, r->reason);

        return (size_t) n;
}

typedef struct Reader {
        const char *p, *end;
} Reader;

/* The value of the next line, which must be of that key. */
static bool read_text(Reader *in, const char *key, char *ret, size_t size) {
        size_t n = strlen(key);
        const char *newline;

        if ((size_t) (in->end - in->p) <= n || memcmp(in->p, key, n) != 0 || in->p[n] != '=')
                return false;
        in->p += n + 1;

        newline = memchr(in->p, '\n', (size_t) (in->end - in->p));
        if (!newline || (size_t) (newline - in->p) >= size || memchr(in->p, '\0', (size_t) (newline - in->p)))
                return false;
        n = (size_t) (newline - in->p);
        memcpy(ret, in->p, n);
        ret[n] = '\0';
        in->p = newline + 1;
        return true;
}

static bool read_number(Reader *in, const char *key, uint64_t max, uint64_t *ret) {
        char text[21], *end;
        uint64_t v;

        if (!read_text(in, key, text, sizeof(text)) || text[0] < '0' || text[0] > '9' ||
            (text[0] == '0' && text[1]))
                return false;
        errno = 0;
        v = strtoull(text, &end, 10);
        if (errno || *end || v > max)
                return false;

        *ret = v;
        return true;
}

static bool owner_is_valid(const char *owner) {
        return owner[0] == ':' && strspn(owner, ":.-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
                strlen(owner);
}

int state_parse(const char *text, size_t length, StateReference *ret) {
        Reader in = { text, text + length };
        StateReference r = {};
        uint64_t ifindex, address_length, uid, pid;
        char lifetime[16];

        if (!read_number(&in, "ID", UINT64_MAX, &r.id) || !read_number(&in, "IFINDEX", INT32_MAX, &ifindex) ||
            !read_number(&in, "INODE", UINT64_MAX, &r.inode) ||
            !read_number(&in, "ADDRESS_LENGTH", 6, &address_length) ||
            !read_text(&in, "LIFETIME", lifetime, sizeof(lifetime)) ||
            !read_text(&in, "OWNER", r.owner, sizeof(r.owner)) || !read_text(&in, "BUS", r.bus, sizeof(r.bus)) ||
            !read_number(&in, "UID", UINT32_MAX, &uid) || !read_number(&in, "PID", INT32_MAX, &pid) ||
            !read_number(&in, "ACQUIRED", UINT64_MAX, &r.acquired) ||
            !read_number(&in, "EXPIRES", UINT64_MAX, &r.expires) ||
            !read_number(&in, "DEADLINE", UINT64_MAX, &r.deadline) ||
            !read_text(&in, "REASON", r.reason, sizeof(r.reason)) || in.p != in.end)
                return -EBADMSG;

        if (r.id == 0 || ifindex == 0 || (address_length != 0 && address_length != 6) || !owner_is_valid(r.owner) ||
            strlen(r.bus) != 32 || strspn(r.bus, "0123456789abcdef") != 32 || !reason_is_valid(r.reason) ||
            (r.expires == 0) != (r.deadline == 0))
                return -EBADMSG;

        r.descriptor = strcmp(lifetime, PROMISC_LIFETIME_DESCRIPTOR) == 0;
        if (!r.descriptor && strcmp(lifetime, PROMISC_LIFETIME_CONNECTION) != 0)
                return -EBADMSG;

        r.ifindex = (int) ifindex;
        r.address_length = (uint8_t) address_length;
        r.uid = (uid_t) uid;
        r.pid = (pid_t) pid;
        *ret = r;
        return 0;
}

/* --- the files --------------------------------------------------------------------------------------------------------- */

static int open_below(int fd, const char *name) {
        int r;

        if (mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        r = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return r < 0 ? -errno : r;
}

int state_open(State **ret) {
        const char *path = secure_getenv("RUNTIME_DIRECTORY");
        _cleanup_(close_fdp) int fd = -1, references = -1, descriptors = -1;
        State *s;

        if (!path) {
                *ret = NULL;
                return 0;
        }

        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        references = open_below(fd, "references");
        if (references < 0)
                return references;
        descriptors = open_below(fd, "descriptors");
        if (descriptors < 0)
                return descriptors;

        s = malloc(sizeof(State));
        if (!s)
                return -ENOMEM;
        *s = (State){ .fd = TAKE_FD(fd), .references = TAKE_FD(references), .descriptors = TAKE_FD(descriptors) };
        *ret = s;
        return 0;
}

State *state_close(State *s) {
        if (!s)
                return NULL;

        close_fd(s->fd);
        close_fd(s->references);
        close_fd(s->descriptors);
        free(s);
        return NULL;
}

int state_get_fd(const State *s) {
        return s->fd;
}

int state_get_descriptors_fd(const State *s) {
        return s->descriptors;
}

int state_write(State *s, const StateReference *r) {
        _cleanup_(close_fdp) int fd = -1;
        char text[STATE_TEXT_MAX], name[24];
        size_t n = state_format(r, text);
        ssize_t k;
        int e;

        /* One writer, one file at a time: the name that is not final may be the same for all. */
        fd = openat(s->references, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        k = write(fd, text, n);
        if (k < 0 || (size_t) k != n) {
                e = k < 0 ? -errno : -ENOSPC;
                unlinkat(s->references, ".new", 0);
                return e;
        }

        snprintf(name, sizeof(name), "%" PRIu64, r->id);
        if (renameat(s->references, ".new", s->references, name) < 0) {
                e = -errno;
                unlinkat(s->references, ".new", 0);
                return e;
        }

        return 0;
}

void state_remove(State *s, uint64_t id) {
        char name[24];

        snprintf(name, sizeof(name), "%" PRIu64, id);
        if (unlinkat(s->references, name, 0) < 0 && errno != ENOENT)
                log_warning("Cannot remove the record of reference %s, ignoring: %s", name, strerror(errno));
}

static int read_record(State *s, const char *name, StateReference *ret) {
        _cleanup_(close_fdp) int fd = -1;
        char text[STATE_TEXT_MAX + 1], expected[24];
        StateReference r;
        ssize_t n;
        int k;

        fd = openat(s->references, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text));
        if (n < 0)
                return -errno;

        k = state_parse(text, (size_t) n, &r);
        if (k < 0)
                return k;
        snprintf(expected, sizeof(expected), "%" PRIu64, r.id);
        if (strcmp(name, expected) != 0)
                return -EBADMSG;

        *ret = r;
        return 0;
}

typedef struct Each {
        State *state;
        void (*f)(const StateReference *r, void *userdata);
        void *userdata;
} Each;

static int each_record(const struct dirent *de, void *userdata) {
        Each *e = userdata;
        State *s = e->state;
        char shown[NAME_ESCAPED_MAX];
        StateReference record;
        int r;

        if (strcmp(de->d_name, ".new") == 0) {
                /* Not finished: no unit was taken for it. */
                if (unlinkat(s->references, ".new", 0) < 0)
                        unlinkat(s->references, ".new", AT_REMOVEDIR);
                return 0;
        }

        r = read_record(s, de->d_name, &record);
        if (r >= 0) {
                e->f(&record, e->userdata);
                return 0;
        }

        log_error("The record of reference \"%s\" cannot be used, dropping it: %s", name_escape(de->d_name, shown),
                  r == -EBADMSG ? "it is damaged" : strerror(-r));
        if (unlinkat(s->references, de->d_name, 0) < 0)
                log_warning("Cannot remove it: %s", strerror(errno));
        return 0;
}

int state_each(State *s, void (*f)(const StateReference *r, void *userdata), void *userdata) {
        return directory_each(s->references, each_record, &(Each){ s, f, userdata });
}
