/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stacking.h"

#include <linux/if_bonding.h>
#include <linux/if_link.h>

static bool one(HolderKind kind, bool possible, int upper, Holder *ret) {
        *ret = (Holder){ .kind = kind, .possible = possible, .count = 1, .upper = upper };
        return true;
}

/* br_manage_promisc(): a bridge that filters by VLAN need not have all packets of a port that can filter by address, if it
 * knows all addresses elsewhere. Whether the port can is not to be seen. */
static bool of_bridge(const StackedLink *port, const StackedLink *bridge, unsigned auto_ports, Holder *ret) {
        bool all = bridge && (bridge->promiscuous || !bridge->place.vlan_filtering);
        bool spared = auto_ports == 0 || (auto_ports == 1 && port->place.auto_port);

        return one(HOLDER_BRIDGE, !bridge || (!all && spared), port->place.master, ret);
}

/* bond_set_promiscuity(): a mode with one port in use has only that one. */
static bool of_bond(const StackedLink *port, const StackedLink *bond, Holder *ret) {
        if (!bond)
                return one(HOLDER_BOND, true, port->place.master, ret);
        if (!bond->promiscuous)
                return false;

        switch (bond->place.mode) {
        case BOND_MODE_ACTIVEBACKUP:
        case BOND_MODE_TLB:
        case BOND_MODE_ALB:
                return bond->place.active_port == port->ifindex && one(HOLDER_BOND, false, bond->ifindex, ret);
        default:
                return one(HOLDER_BOND, false, bond->ifindex, ret);
        }
}

bool stacking_of_master(const StackedLink *port, const StackedLink *master, unsigned auto_ports, Holder *ret) {
        if (port->place.master == 0)
                return false;

        switch (port->place.master_kind) {
        case LINK_KIND_BRIDGE:
                return of_bridge(port, master, auto_ports, ret);
        case LINK_KIND_BOND:
                return of_bond(port, master, ret);
        case LINK_KIND_TEAM:
                return (!master || master->promiscuous) && one(HOLDER_TEAM, !master, port->place.master, ret);
        case LINK_KIND_OPENVSWITCH:
                return one(HOLDER_OPENVSWITCH, false, port->place.master, ret);
        default:
                return false;
        }
}

/* hsr_portdev_setup() */
bool stacking_of_hsr(const StackedLink *hsr, int ifindex, Holder *ret) {
        for (size_t i = 0; i < sizeof(hsr->place.ports) / sizeof(int); i++)
                if (hsr->place.ports[i] == ifindex)
                        return one(HOLDER_HSR, true, hsr->ifindex, ret); /* none where the device forwards by itself */
        return false;
}

static bool is_passthru(const StackedLink *upper) {
        return upper->place.mode == MACVLAN_MODE_PASSTHRU;
}

static bool of_macvlan(const StackedLink *upper, HolderKind kind, Holder *ret) {
        bool holds = is_passthru(upper) ? !upper->place.nopromisc : upper->promiscuous;

        return upper->up && holds && one(kind, false, upper->ifindex, ret);
}

bool stacking_of_upper(const StackedLink *upper, Holder *ret) {
        switch (upper->place.kind) {
        case LINK_KIND_MACVLAN:
                return of_macvlan(upper, HOLDER_MACVLAN, ret);
        case LINK_KIND_MACVTAP:
                return of_macvlan(upper, HOLDER_MACVTAP, ret);
        case LINK_KIND_VLAN:
                /* One that is down holds it since about Linux 6.15, and in stable kernels that took the change. */
                return upper->promiscuous && one(HOLDER_VLAN, !upper->up, upper->ifindex, ret);
        case LINK_KIND_MACSEC:
                return upper->up && upper->promiscuous && one(HOLDER_MACSEC, false, upper->ifindex, ret);
        case LINK_KIND_DSA:
                /* The conduit of a switch: one if the format of the tags needs it, and one for each promiscuous port. */
                return one(HOLDER_DSA, true, upper->ifindex, ret);
        default:
                return false;
        }
}

bool stacking_lists_address(const StackedLink *upper) {
        switch (upper->place.kind) {
        case LINK_KIND_MACVLAN:
        case LINK_KIND_MACVTAP:
                return upper->up && !is_passthru(upper);
        case LINK_KIND_MACSEC:
                return upper->up;
        default:
                return false;
        }
}

bool stacking_of_self(const StackedLink *link, Holder *ret) {
        /* internal_dev_create(): a port of the switch that is a device by itself. */
        return link->place.kind == LINK_KIND_OPENVSWITCH && one(HOLDER_OPENVSWITCH, true, link->ifindex, ret);
}
