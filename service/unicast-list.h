/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "netlink-dump.h"

/* Secondary unicast addresses of a device, which make one that cannot filter by them promiscuous (__dev_set_rx_mode()): the
 * kernel tells nobody when that happens, but lists them (AF_BRIDGE RTM_GETNEIGH: NTF_SELF, unicast). Devices with a
 * forwarding table of their own (bridge, vxlan) show that instead. */

/* Whether that device has any; d is of NETLINK_ROUTE. Errors: those of netlink_dump_run(); -EBADMSG. */
int unicast_list_has(NetlinkDump *d, int ifindex, bool *ret);

/* Whether that message lists one of that device. Pure. Errors: -EBADMSG. */
int unicast_list_parse(const struct nlmsghdr *h, int ifindex, bool *ret);
