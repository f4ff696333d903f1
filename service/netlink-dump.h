/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Questions that the kernel answers with a list, on a netlink socket of their own: for what is in no order with events. */

struct nlmsghdr;
typedef struct NetlinkDump NetlinkDump;

/* protocol is one of NETLINK_…. Opens the socket when there is something to ask. Errors: -ENOMEM. */
int netlink_dump_new(int protocol, NetlinkDump **ret);
NetlinkDump *netlink_dump_free(NetlinkDump *d);

/* Asks, and calls f for each message of the answer until it returns non-zero, which is then returned if it is negative.
 * Never blocks: the kernel makes its answer while it is asked and read. Errors: those of netlink; -EIO. */
int netlink_dump_run(NetlinkDump *d, uint16_t type, const void *question, size_t size,
                     int (*f)(const struct nlmsghdr *h, void *userdata), void *userdata);
