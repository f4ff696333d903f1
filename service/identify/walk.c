/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "process.h"
#include "util.h"
#include "walk.h"

/* "4194304/task/4194304/fd", and what else can be a number. */
#define PATH_SIZE 64

/* Entries that are looked at of one process, its threads' among them: they take some 6 µs each, so that somebody with a great
 * many does not hide everybody else. */
#define PROCESS_ENTRIES_MAX 16384U

/* Looked at between two looks at the clock. */
#define ENTRIES_AT_ONCE 256U

/* What ends a walk, besides what f returns. */
enum {
        STOP_PROCESS = 1 << 10, /* there is too much of it */
        STOP_WALK,
};

typedef struct Wanted {
        uint64_t inode;
        unsigned turn;      /* the last process that was found to have it */
        bool in_first_pass; /* somebody had it there */
} Wanted;

typedef struct Walk {
        int proc_fd;
        const IdentifyRequest *request;
        uint64_t deadline_usec;
        bool (*is_over)(void *userdata);
        int (*f)(const IdentifyRecord *record, void *userdata);
        void *userdata;

        unsigned n_entries; /* in all */
        unsigned n_left;    /* that may be looked at of the process at hand */
        bool in_process, incomplete;

        Wanted *wanted; /* in order of inode */
        size_t *hits;   /* of the process at hand: indexes of what it has */
        size_t n_hits;
        unsigned turn;
        bool second_pass;
} Walk;

/* Like readdir(), without its allocations: hundreds of directories are read. */
typedef int (*entry_t)(Walk *w, int directory_fd, const char *name, void *userdata);

static bool must_end(const Walk *w) {
        return now_usec(CLOCK_MONOTONIC) >= w->deadline_usec || (w->is_over && w->is_over(w->userdata));
}

/* Whether one more may be looked at. */
static int next_entry(Walk *w) {
        if (w->in_process && w->n_left-- == 0) {
                w->n_left = 0;
                w->incomplete = true;
                return STOP_PROCESS;
        }
        return ++w->n_entries % ENTRIES_AT_ONCE == 0 && must_end(w) ? STOP_WALK : 0;
}

static int each_number(Walk *w, int directory_fd, entry_t f, void *userdata) {
        _Alignas(struct dirent64) char buffer[32768];
        ssize_t n;
        int r;

        while ((n = getdents64(directory_fd, buffer, sizeof(buffer))) > 0)
                for (char *p = buffer; p < buffer + n;) {
                        const struct dirent64 *de = (const struct dirent64 *) p;

                        p += de->d_reclen;
                        if (de->d_name[0] < '0' || de->d_name[0] > '9')
                                continue;
                        r = next_entry(w);
                        if (r == 0)
                                r = f(w, directory_fd, de->d_name, userdata);
                        if (r != 0)
                                return r;
                }

        return n < 0 ? -errno : 0;
}

/* The number in "socket:[NUMBER]", or 0. */
static uint64_t parse_target(const char *target, size_t size) {
        static const char prefix[] = "socket:[";
        size_t at = sizeof(prefix) - 1;
        uint64_t inode = 0;

        if (size < at || memcmp(target, prefix, at) != 0)
                return 0;
        for (; at < size && target[at] >= '0' && target[at] <= '9'; at++)
                inode = inode * 10 + (uint64_t) (target[at] - '0');
        return at + 1 == size && target[at] == ']' ? inode : 0;
}

static int compare_inode(const void *key, const void *item) {
        const uint64_t *inode = key;
        const Wanted *wanted = item;

        return (*inode > wanted->inode) - (*inode < wanted->inode);
}

static int on_descriptor(Walk *w, int directory_fd, const char *name, void *userdata) {
        bool *any = userdata;
        Wanted *wanted;
        uint64_t inode;
        char target[32]; /* the longest is 29; others may be cut */
        ssize_t n;

        *any = true;
        n = readlinkat(directory_fd, name, target, sizeof(target));
        inode = n > 0 ? parse_target(target, (size_t) n) : 0;
        if (inode == 0)
                return 0;

        wanted = bsearch(&inode, w->wanted, w->request->n_inodes, sizeof(Wanted), compare_inode);
        if (!wanted || wanted->turn == w->turn || (w->second_pass && wanted->in_first_pass))
                return 0;
        wanted->turn = w->turn;
        wanted->in_first_pass = !w->second_pass;
        w->hits[w->n_hits++] = (size_t) (wanted - w->wanted);
        return 0;
}

static int on_thread(Walk *w, int directory_fd, const char *name, void *userdata) {
        const char *first = userdata;
        char path[PATH_SIZE];
        bool any;
        int r, fd;

        if (strcmp(name, first) == 0)
                return 0;
        stpcpy(stpcpy(path, name), "/fd");
        fd = openat(directory_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        r = each_number(w, fd, on_descriptor, &any);
        close(fd);
        return r < 0 ? 0 : r;
}

/* Those besides the first, which has the name of the process. */
static int look_into_threads(Walk *w, int process_fd, const char *name) {
        struct stat st;
        int r, fd;

        /* Most have none, and the kernel counts them as links, as it would directories. */
        if (fstatat(process_fd, "task", &st, 0) < 0 || st.st_nlink <= 2 + 1)
                return 0;
        fd = openat(process_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        r = each_number(w, fd, on_thread, (void *) name);
        close(fd);
        return r;
}

static int tell(Walk *w, int process_fd, uint32_t pid) {
        IdentifyRecord record;
        int r;

        if (process_describe(process_fd, pid, &record) < 0)
                return 0;

        record.pid = pid;
        for (size_t i = 0; i < w->n_hits; i++) {
                record.inode = w->wanted[w->hits[i]].inode;
                r = w->f(&record, w->userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Opens the directory of the process, if there is more to be seen there: what its first thread has open, it has in its hits
 * already. *ret_fd is -1 if not. */
static int look_into_process(Walk *w, const char *name, int *ret_fd) {
        char path[PATH_SIZE];
        bool any = false;
        int fd, r;

        *ret_fd = -1;
        if (w->second_pass) {
                *ret_fd = openat(w->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                return 0;
        }

        stpcpy(stpcpy(path, name), "/fd");
        fd = openat(w->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        r = each_number(w, fd, on_descriptor, &any);
        /* Through the open one, so that it is the same process even if its number is another's by now. */
        if (!any || w->n_hits > 0)
                *ret_fd = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        return r;
}

static int on_process(Walk *w, int directory_fd, const char *name, void *userdata) {
        _cleanup_(close_fdp) int process_fd = -1;
        int r, told = 0;

        if (must_end(w))
                return STOP_WALK;

        w->turn++;
        w->n_hits = 0;
        w->n_left = PROCESS_ENTRIES_MAX;
        w->in_process = true;
        r = look_into_process(w, name, &process_fd);
        if (r <= 0 && process_fd >= 0 && w->n_hits == 0)
                r = look_into_threads(w, process_fd, name);
        w->in_process = false;

        if (process_fd >= 0 && w->n_hits > 0)
                told = tell(w, process_fd, (uint32_t) strtoul(name, NULL, 10));
        return told != 0 ? told : r == STOP_WALK ? r : 0;
}

static int walk_processes(Walk *w) {
        _cleanup_(close_fdp) int fd = openat(w->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : each_number(w, fd, on_process, NULL);
}

static int find_sockets(Walk *w) {
        size_t n = w->request->n_inodes;
        int r;

        if (n == 0)
                return 0;

        w->wanted = calloc(n, sizeof(Wanted));
        w->hits = calloc(n, sizeof(size_t));
        if (!w->wanted || !w->hits)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                w->wanted[i].inode = w->request->inodes[i];

        r = walk_processes(w);
        for (size_t i = 0; r == 0 && i < n && !w->second_pass; i++)
                w->second_pass = !w->wanted[i].in_first_pass;
        return w->second_pass ? walk_processes(w) : r;
}

static int find_processes(Walk *w) {
        const IdentifyRequest *q = w->request;
        int r = 0;

        for (size_t i = 0; i < q->n_pids && r == 0; i++) {
                IdentifyRecord record = { .pid = q->pids[i] };
                char name[PATH_SIZE];
                int fd;

                if (must_end(w))
                        return STOP_WALK;
                snprintf(name, sizeof(name), "%u", q->pids[i]);
                fd = openat(w->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                if (process_describe(fd, record.pid, &record) >= 0)
                        r = w->f(&record, w->userdata);
                close(fd);
        }
        return r;
}

int walk(int proc_fd, const IdentifyRequest *request, uint64_t deadline_usec, bool (*is_over)(void *userdata),
         int (*f)(const IdentifyRecord *record, void *userdata), void *userdata) {
        Walk w = { .proc_fd = proc_fd, .request = request, .deadline_usec = deadline_usec, .is_over = is_over,
                   .f = f, .userdata = userdata };
        int r;

        r = find_processes(&w);
        if (r == 0)
                r = find_sockets(&w);
        free(w.wanted);
        free(w.hits);
        return r < 0 ? r : r > 0 || w.incomplete ? IDENTIFY_TRUNCATED : IDENTIFY_COMPLETE;
}
