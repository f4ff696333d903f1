/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

#include <linux/if.h>
#include <stdio.h>

#include "cleanup.h"
#include "explain-holders.h"
#include "text-stream.h"
#include "text.h"

/* In what others have chosen there is nothing for a terminal to act on. */
static void put_holders(FILE *f, const HolderList *holders) {
        _cleanup_(text_stream_done) TextStream s = {};
        _cleanup_free_ char *text = NULL, *escaped = NULL;

        if (text_stream_open(&s) < 0)
                return;
        explain_holders(s.file, holders);
        if (text_stream_close(&s, &text) >= 0 && text_escape(text, &escaped) >= 0)
                fputs(escaped, f);
}

/* Paragraphs about the flag PROMISC. */
static void put_promiscuity(FILE *f, const LinkInfo *l, const HolderList *holders) {
        bool others = l->promiscuity > (uint32_t) (l->user_requested != 0);

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
                put_holders(f, holders);
                fputc('.', f);
        } else if (!others)
                fputs("The device is promiscuous because somebody set the flag by hand, and all tools show "
                      "it. Nobody else needs it.",
                      f);
        else {
                fputs("All tools show PROMISC because somebody set the flag by hand; beside that, ", f);
                put_holders(f, holders);
                fputs(". Without the flag the device stays promiscuous, but `ip link` and `ifconfig` no "
                      "longer show it.",
                      f);
        }
}

int explain_link(const LinkInfo *l, const HolderList *holders, char **ret) {
        _cleanup_(text_stream_done) TextStream s = {};
        int r;

        r = text_stream_open(&s);
        if (r < 0)
                return r;

        put_promiscuity(s.file, l, holders);
        if ((l->netlink_flags ^ l->ioctl_flags) & IFF_PROMISC)
                fputs("\nnetlink and ioctl differ about PROMISC: it changed between the two readings.",
                      s.file);
        if ((l->sysfs_flags & IFF_ALLMULTI) && !(l->netlink_flags & IFF_ALLMULTI))
                fputs("\nALLMULTI is on, but nobody set it by hand: only sysfs shows it.", s.file);
        return text_stream_close(&s, ret);
}

const char *explain_state(const LinkInfo *l) {
        const uint32_t state = IFF_RUNNING | IFF_LOWER_UP | IFF_DORMANT;

        if (!(l->netlink_flags & state & ~l->sysfs_flags))
                return NULL;
        return "RUNNING, LOWER_UP and DORMANT are the link's state: sysfs shows none of them, "
               "`ifconfig` only RUNNING.";
}
