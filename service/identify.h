/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

/* Which processes have a socket open, asked of promisc-identify. */

typedef struct IdentifyProcess {
        uint64_t inode;   /* of the socket that it has open; 0: the answer to a question for a process */
        pid_t pid;
        uint64_t started; /* µs of CLOCK_BOOTTIME */
        const char *command;
        const char *unit; /* "" for none */
} IdentifyProcess;

typedef struct Identify Identify;

typedef void (*identify_handler_t)(int error, const IdentifyProcess *processes, size_t n, void *userdata);

int identify_ask(Identify *i, const uint64_t *inodes, size_t n_inodes, const pid_t *pids, size_t n_pids,
                 identify_handler_t f, void *userdata);
