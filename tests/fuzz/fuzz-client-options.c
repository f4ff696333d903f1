/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arguments.h"

#include <errno.h>
#include <getopt.h>

#include "options.h"

static void check_parsed(const Arguments *a, Options *o) {
        int end = 1, n, n_command = 0;

        while (end < a->argc && strcmp(a->in_order[end], "--") != 0)
                end++;

        must(o->n_args >= 0 && o->n_args < end && !o->args[o->n_args]);
        must(!(o->host && o->machine) && o->json <= JSON_PRETTY);
        must(o->timeout == 0 || o->timeout_text);

        /* What is behind "--" is as it was. */
        must(!o->command == (end == a->argc));
        for (; o->command && end + 1 + n_command < a->argc; n_command++)
                must(o->command[n_command] == a->in_order[end + 1 + n_command]);
        must(!o->command || !o->command[n_command]);

        /* Each of the others is one of those before it, none twice. */
        for (int i = 0; i < o->n_args; i++) {
                n = 0;
                for (int k = 1; k < end; k++)
                        n += o->args[i] == a->in_order[k];
                must(n == 1);
        }

        n = o->n_args;
        options_join_command(o);
        must(!o->command && o->n_args == n + n_command && !o->args[o->n_args]);
        for (int i = 0; i < n_command; i++)
                must(o->args[n + i] == a->in_order[end + 1 + i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Arguments a = arguments_new(data, size);
        Options o = { .n_args = 4711 };
        Printed printed;
        int r;

        optind = 0; /* GNU: start anew */
        printed_begin(&printed);
        r = options_parse(a.argc, a.argv, &o);
        printed_end(&printed);

        must(r == 0 || r == -EINVAL);
        must(printed.length[0] == 0);
        must((printed.length[1] > 0) == (r < 0));
        if (r == 0)
                check_parsed(&a, &o);
        else
                must(o.n_args == 4711);

        printed_free(&printed);
        arguments_free(&a);
        return 0;
}
