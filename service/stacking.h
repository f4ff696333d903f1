/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "ledger.h"
#include "rtnl-parse.h"

/* What the devices above a link hold on it, by what rtnetlink says of them. Each rule is one of the kernel's, which tells
 * nobody: net/bridge/br_if.c, drivers/net/macvlan.c, net/8021q/vlan_dev.c, drivers/net/bonding/bond_main.c and so on. */

typedef struct StackedLink {
        int ifindex;
        LinkPlace place;
        bool up, promiscuous; /* the latter: its own counter is above 0 */
} StackedLink;

/* What the master of a port holds on it. master is NULL where it is not known; auto_ports are those of all ports of a bridge
 * on which it learns or to which it floods. Returns whether there is anything, and what. Pure. */
bool stacking_of_master(const StackedLink *port, const StackedLink *master, unsigned auto_ports, Holder *ret);

/* What an hsr device holds on a link. Pure. */
bool stacking_of_hsr(const StackedLink *hsr, int ifindex, Holder *ret);

/* What a device that is stacked on a link holds on it. Pure. */
bool stacking_of_upper(const StackedLink *upper, Holder *ret);

/* Whether that device has put its address on the unicast list of the link that it is stacked on. Pure. */
bool stacking_lists_address(const StackedLink *upper);

/* What a device holds on itself. Pure. */
bool stacking_of_self(const StackedLink *link, Holder *ret);
