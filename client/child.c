/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child.h"

#include <errno.h>
#include <spawn.h>
#include <stddef.h>
#include <unistd.h>

int child_spawn(char *const argv[], const sigset_t *mask, pid_t *ret) {
        posix_spawnattr_t attributes;
        pid_t pid;
        int r;

        r = posix_spawnattr_init(&attributes);
        if (r != 0)
                return -r;

        /* Dispositions are as this program got them: it changes none but SIGCHLD, to the default. */
        r = posix_spawnattr_setsigmask(&attributes, mask);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (r == 0)
                r = posix_spawnp(&pid, argv[0], NULL, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
        if (r != 0)
                return -r;

        *ret = pid;
        return 0;
}

int child_exit_status(const siginfo_t *si) {
        return si->si_code == CLD_EXITED ? si->si_status : 128 + si->si_status;
}

int child_error_status(int r) {
        return r == -ENOENT || r == -ENOTDIR ? 127 : 126;
}
