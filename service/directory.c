/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "directory.h"
#include "util.h"

int directory_each(int directory_fd, int (*f)(const struct dirent *de, void *userdata), void *userdata) {
        DIR *d;
        int fd, r = 0;

        /* A descriptor of its own: reading moves the position. */
        fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        d = fdopendir(fd);
        if (!d) {
                r = -errno;
                close_fd(fd);
                return r;
        }

        while (r == 0) {
                struct dirent *de;

                errno = 0;
                de = readdir(d);
                if (!de) {
                        r = -errno;
                        break;
                }
                if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
                        r = f(de, userdata);
        }

        closedir(d);
        return r;
}
