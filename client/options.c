/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "message.h"
#include "timespan.h"

enum {
        ARG_JSON = 0x100,
        ARG_NO_LEGEND,
        ARG_NO_ASK_PASSWORD,
        ARG_REASON,
        ARG_TIMEOUT,
        ARG_VERSION,
};

static const struct option long_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, ARG_VERSION },
        { "json", required_argument, NULL, ARG_JSON },
        { "no-legend", no_argument, NULL, ARG_NO_LEGEND },
        { "no-ask-password", no_argument, NULL, ARG_NO_ASK_PASSWORD },
        { "host", required_argument, NULL, 'H' },
        { "machine", required_argument, NULL, 'M' },
        { "reason", required_argument, NULL, ARG_REASON },
        { "timeout", required_argument, NULL, ARG_TIMEOUT },
        {},
};

static int parse_json(const char *s, JsonMode *ret) {
        if (strcmp(s, "pretty") == 0)
                *ret = JSON_PRETTY;
        else if (strcmp(s, "short") == 0)
                *ret = JSON_SHORT;
        else if (strcmp(s, "off") == 0)
                *ret = JSON_OFF;
        else {
                message("--json=%s: not one of pretty, short, off", s);
                return -EINVAL;
        }
        return 0;
}

static int parse_timeout(const char *s, uint64_t *ret) {
        int r = timespan_parse(s, ret);

        if (r == -ERANGE)
                message("--timeout=%s: too long", s);
        else if (r < 0)
                message("--timeout=%s: not a time span such as 30s or 1h30min", s);
        else if (*ret == TIMESPAN_INFINITY)
                *ret = 0;
        else if (*ret == 0 && strpbrk(s, "123456789")) {
                message("--timeout=%s: less than a microsecond", s); /* 0 would be no timeout at all */
                r = -EINVAL;
        }
        return r < 0 ? -EINVAL : 0;
}

static int apply(int c, Options *o) {
        switch (c) {
        case 'h':
                o->help = true;
                return 0;
        case ARG_VERSION:
                o->version = true;
                return 0;
        case ARG_JSON:
                return parse_json(optarg, &o->json);
        case ARG_NO_LEGEND:
                o->legend = false;
                return 0;
        case ARG_NO_ASK_PASSWORD:
                o->ask_password = false;
                return 0;
        case 'H':
                o->host = optarg;
                return 0;
        case 'M':
                o->machine = optarg;
                return 0;
        case ARG_REASON:
                o->reason = optarg;
                return 0;
        case ARG_TIMEOUT:
                o->timeout_text = optarg;
                return parse_timeout(optarg, &o->timeout);
        default: /* getopt has said what is wrong */
                return -EINVAL;
        }
}

int options_parse(int argc, char *argv[], Options *ret) {
        Options o = { .legend = true, .ask_password = true };
        int end = 1, c, r;

        /* getopt reorders what it reads and so would lose where a command begins: it sees only what is
         * before. */
        while (end < argc && strcmp(argv[end], "--") != 0)
                end++;

        while ((c = getopt_long(end, argv, "hH:M:", long_options, NULL)) >= 0) {
                r = apply(c, &o);
                if (r < 0)
                        return r;
        }

        if (o.host && o.machine) {
                message("--host and --machine exclude each other");
                return -EINVAL;
        }

        o.args = argv + optind;
        o.n_args = end - optind;
        if (end < argc) {
                o.command = argv + end + 1;
                argv[end] = NULL; /* ends the arguments before it */
        }
        *ret = o;
        return 0;
}

void options_join_command(Options *o) {
        if (!o->command)
                return;
        for (char **i = o->command; *i; i++)
                o->args[o->n_args++] = *i; /* onto the "--", and so on */
        o->args[o->n_args] = NULL;
        o->command = NULL;
}
