/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>
#include <sys/types.h>

/* Runs argv[0], searched in PATH, with the signal mask `mask`. Returns a negative errno also when it cannot
 * be executed. */
int child_spawn(char *const argv[], const sigset_t *mask, pid_t *ret);

/* As shells have it: 128 + signal, 127 not found, 126 not executable. */
int child_exit_status(const siginfo_t *si);
int child_error_status(int r);
