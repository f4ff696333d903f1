/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT,
        JSON_PRETTY,
} JsonMode;

typedef struct Options {
        JsonMode json;
        bool legend;
        bool ask_password;
        bool help;
        bool version;
        const char *host;
        const char *machine;
        const char *reason;
        const char *timeout_text; /* as given, NULL if it was not */
        uint64_t timeout;         /* µs, 0 for none */

        char **args; /* the verb and what belongs to it */
        int n_args;
        char **command; /* what follows "--": NULL if there is no "--" */
} Options;

/* Returns -EINVAL when the user has been told what is wrong. Points into argv, whose order it changes. */
int options_parse(int argc, char *argv[], Options *ret);

/* For verbs without a command: what follows "--" are more arguments. */
void options_join_command(Options *o);
