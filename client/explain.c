/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if.h>
#include <stdio.h>

#include "cleanup.h"

#define SOMEBODY "somebody else, such as a capture program, a bridge or a stacked device"

/* "3 units of the counter are held, 1 through promiscd and 2 by somebody else, such as …" */
static void put_units(FILE *f, uint32_t units, unsigned n_references) {
        fprintf(f, "%" PRIu32 " unit%s of the counter %s held", units, units == 1 ? "" : "s",
                units == 1 ? "is" : "are");
        if (n_references == 0)
                fputs(" by " SOMEBODY, f);
        else if (n_references >= units)
                fputs(" through promiscd", f);
        else
                fprintf(f, ", %u through promiscd and %" PRIu32 " by " SOMEBODY, n_references,
                        units - n_references);
}

static void put_promiscuity(FILE *f, const LinkInfo *l, unsigned n_references) {
        uint32_t others = l->promiscuity - (l->user_requested && l->promiscuity > 0);

        if (l->promiscuity > INT32_MAX)
                fprintf(f,
                        "The kernel's counter is corrupt: somebody took away more units than there were. "
                        "The device %s, and the kernel may refuse new references.",
                        l->promiscuous ? "stays promiscuous" : "is not promiscuous");
        else if (!l->promiscuous && l->promiscuity > 0)
                fputs("The counter is not 0, but the device is not promiscuous: it changed while it was "
                      "read.",
                      f);
        else if (l->promiscuous && l->promiscuity == 0)
                fputs("The counter is 0, but the device is promiscuous: it changed while it was read.", f);
        else if (!l->promiscuous && !l->user_requested)
                fputs("The device is not promiscuous, and all tools say so.", f);
        else if (!l->promiscuous)
                fputs("`ip link` and `ifconfig` show PROMISC because somebody set the flag by hand, but the "
                      "counter is 0 and the device is not promiscuous.",
                      f);
        else if (!l->user_requested) {
                fputs("`ip link` and `ifconfig` show no PROMISC because nobody set the flag by hand; ", f);
                put_units(f, others, n_references);
                fputc('.', f);
        } else if (others == 0)
                fputs("The device is promiscuous because somebody set the flag by hand, and all tools show "
                      "it. Nobody else needs it.",
                      f);
        else {
                fputs("All tools show PROMISC because somebody set the flag by hand; beside that, ", f);
                put_units(f, others, n_references);
                fputs(". Without the flag the device stays promiscuous, but `ip link` and `ifconfig` no "
                      "longer show it.",
                      f);
        }
}

int explain_link(const LinkInfo *l, unsigned n_references, char **ret) {
        char *text = NULL;
        size_t size;
        FILE *f;
        int failed;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;

        put_promiscuity(f, l, n_references);
        if ((l->netlink_flags ^ l->ioctl_flags) & IFF_PROMISC)
                fputs("\nnetlink and ioctl differ about PROMISC: it changed between the two readings.", f);
        if ((l->sysfs_flags & IFF_ALLMULTI) && !(l->netlink_flags & IFF_ALLMULTI))
                fputs("\nALLMULTI is on, but nobody set it by hand: only sysfs shows it.", f);

        failed = ferror(f);
        if (fclose(f) != 0 || failed) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

const char *explain_state(const LinkInfo *l) {
        const uint32_t state = IFF_RUNNING | IFF_LOWER_UP | IFF_DORMANT;

        if (!(l->netlink_flags & state & ~l->sysfs_flags))
                return NULL;
        return "RUNNING, LOWER_UP and DORMANT are the link's state: sysfs shows none of them, "
               "`ifconfig` only RUNNING.";
}
