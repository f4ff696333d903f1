/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

/* A directory for a test, as cmocka's setup and teardown; its path is *state. */

static inline int make_directory(void **state) {
        char path[4096];
        const char *parent = getenv("TMPDIR");

        snprintf(path, sizeof(path), "%s/promiscd-unit-XXXXXX", parent ? parent : "/tmp");
        *state = mkdtemp(path) ? strdup(path) : NULL;
        return *state ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
        return remove(path);
}

static inline int remove_directory(void **state) {
        int r = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);

        free(*state);
        return r;
}

static inline int open_directory(const char *path) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

/* How many are in there. */
static inline unsigned count_names(int directory) {
        int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        unsigned n = 0;
        struct dirent *de;
        DIR *d;

        assert_true(fd >= 0);
        d = fdopendir(fd);
        assert_non_null(d);
        while ((de = readdir(d)))
                n += strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
        closedir(d);
        return n;
}
