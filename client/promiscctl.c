/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "verbs.h"

enum {
        STATUS_FAILED = 1,
        STATUS_USAGE = 2,
};

#define ANY -1

static const struct Verb {
        const char *name;
        const char *synopsis;
        const char *summary;
        const char *details;
        int args_min, args_max;
        int (*run)(const Options *o, char **args);
} verbs[] = {
        { "list", "[PATTERN...]", "Show all links, or those that match a pattern (default)",
          "PATTERN is a shell glob, which is compared with names and alternative names, or\n"
          "an index.\n",
          0, ANY, verb_list },
        { "status", "LINK...", "Show what each tool sees of a link, and why they disagree",
          "LINK is a name, as promiscctl shows it, an alternative name, or an index.\n", 1, ANY,
          verb_status },
        { "monitor", "[LINK...]", "Show changes as they happen, until interrupted",
          "LINK is a name, an alternative name, or an index. A link may come later, and\n"
          "is followed when it is renamed. Without LINK, all are watched. If the service\n"
          "is not there, it is waited for.\n",
          0, ANY, verb_monitor },
        { "hold", "LINK... [-- COMMAND...]",
          "Keep links promiscuous while COMMAND runs, or until interrupted",
          "  --reason=TEXT        Why; shown to users and administrators\n"
          "  --timeout=TIME       Let go after this time, such as 30s, 5min, 1h30min\n\n"
          "All links are held or none. The exit status is that of COMMAND, 128 and the\n"
          "signal if one ended it, 127 if it was not found, 126 if it cannot be executed.\n",
          1, ANY, verb_hold },
        { "references", "", "Show who holds what through the service, and why", "", 0, 0, verb_references },
        { "release", "ID...", "End references",
          "ID is the number that \"promiscctl references\" shows. All are tried.\n", 1, ANY, verb_release },
};

static void print_common_options(void) {
        puts("  -h --help            Show this help\n"
             "     --version         Show the version\n"
             "     --json=MODE       Print JSON: pretty, short, or off (default)\n"
             "     --no-legend       No headers and footers\n"
             "     --no-ask-password Do not ask for a password\n"
             "  -H --host=[USER@]HOST\n"
             "                       Ask the service of another machine, by ssh\n"
             "  -M --machine=CONTAINER\n"
             "                       Ask the service of a local container");
}

static void print_help(const struct Verb *verb) {
        if (verb) {
                printf("promiscctl [OPTIONS...] %s%s%s\n\n%s.\n\n", verb->name, *verb->synopsis ? " " : "",
                       verb->synopsis, verb->summary);
                if (*verb->details)
                        printf("%s\n", verb->details);
        } else {
                puts("promiscctl [OPTIONS...] COMMAND\n\n"
                     "See which network interfaces are promiscuous, and hold them so.\n\nCommands:");
                for (const struct Verb *v = verbs; v < verbs + ELEMENTSOF(verbs); v++) {
                        int width = printf("  %s %s", v->name, v->synopsis);

                        printf("%*s%s\n", width < 32 ? 32 - width : 1, "", v->summary);
                }
                puts("\nOptions:");
        }
        print_common_options();
        if (!verb)
                puts("     --reason=TEXT     With hold: why; everybody can read it\n"
                     "     --timeout=TIME    With hold: let go after this time, such as 30s, 1h30min");
}

static const struct Verb *find_verb(const char *name) {
        for (const struct Verb *v = verbs; v < verbs + ELEMENTSOF(verbs); v++)
                if (strcmp(v->name, name) == 0)
                        return v;
        return NULL;
}

static int check_usage(const struct Verb *verb, const Options *o, int n_args) {
        if (n_args < verb->args_min)
                message("%s: too few arguments; it is \"promiscctl %s %s\"", verb->name, verb->name,
                        verb->synopsis);
        else if (verb->args_max != ANY && n_args > verb->args_max)
                message("%s: too many arguments", verb->name);
        else if (verb->run != verb_hold && (o->reason || o->timeout_text))
                message("%s: --reason and --timeout are for \"hold\"", verb->name);
        else if (o->command && !*o->command)
                message("%s: no command behind \"--\"", verb->name);
        else
                return 0;
        return -EINVAL;
}

/* What was printed has arrived. */
static int finish(int status) {
        bool failed = ferror(stdout);

        errno = EIO; /* of an earlier write, whose errno is gone */
        if (fflush(stdout) == 0 && !failed)
                return status;
        message_error(-errno, "Cannot write");
        return status ?: STATUS_FAILED;
}

int main(int argc, char *argv[]) {
        const struct Verb *verb = verbs;
        Options o;
        int r;

        setlocale(LC_CTYPE, "");

        if (options_parse(argc, argv, &o) < 0)
                return STATUS_USAGE;
        if (o.version) {
                puts("promiscctl " PROMISC_VERSION);
                return finish(0);
        }

        if (o.n_args == 0 || strcmp(o.args[0], "hold") != 0)
                options_join_command(&o);
        if (o.n_args > 0) {
                verb = find_verb(o.args[0]);
                if (!verb) {
                        message("Unknown command \"%s\"; see \"promiscctl --help\"", o.args[0]);
                        return STATUS_USAGE;
                }
        }
        if (o.help) {
                print_help(o.n_args > 0 ? verb : NULL);
                return finish(0);
        }
        if (check_usage(verb, &o, o.n_args > 0 ? o.n_args - 1 : 0) < 0)
                return STATUS_USAGE;

        r = verb->run(&o, o.n_args > 0 ? o.args + 1 : o.args);
        return finish(r < 0 ? STATUS_FAILED : r);
}
