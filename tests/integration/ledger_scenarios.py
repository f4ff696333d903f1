# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes links promiscuous, as a table: each row says how to build it and who then holds how many units
of which links' counters. Rows that need a kind of link which the kernel lacks are left to another kernel.

A step is a line for `ip -batch` or for `bridge -batch` (where it begins so), or a call of a World's method:
its name and arguments. `{there}` is another network namespace."""

import re
from collections import namedtuple

from links import PACKET_MR_ALLMULTI, PACKET_MR_UNICAST

Scenario = namedtuple("Scenario", "name steps holders")
SCENARIOS = []


def row(name, *steps, **holders):
    """`holders`: of each link that the row is about, units by kind; in a list where kernels differ."""
    assert name not in [s.name for s in SCENARIOS]
    SCENARIOS.append(Scenario(name, steps, holders))


def needs(scenario):
    """What a kernel may lack: kinds of links, and what bridges can do."""
    found = {"openvswitch" for step in scenario.steps if step[0] == "openvswitch"}
    return found.union(*(re.findall(r"(?<= type )\w+|vlan_filtering", step)
                         for step in scenario.steps if isinstance(step, str)))


# v0 and w0 are what others are stacked on, each with a peer that is up. No other address may be on a
# bond's or a team's future port, nor may it be up.
V0_DOWN = "link add v0 address 02:00:00:00:00:10 type veth peer v1", "link set v1 up"
W0_DOWN = "link add w0 address 02:00:00:00:00:20 type veth peer w1", "link set w1 up"
V0 = *V0_DOWN, "link set v0 up"
W0 = *W0_DOWN, "link set w0 up"
PROMISC = "link set {0} promisc on".format
UP = "link set {0} up".format
DOWN = "link set {0} down".format

# Nobody, the flag, packet sockets

row("idle", *V0, v0={}, v1={})
row("user", *V0, PROMISC("v0"), v0={"user": 1})
row("user, link down", *V0_DOWN, PROMISC("v0"), v0={"user": 1})
row("sockets", *V0, ("sockets", "v0", 3), v0={"packet-socket": 3})
row("sockets, link down", *V0_DOWN, ("sockets", "v0", 2), v0={"packet-socket": 2})
row("one socket, two memberships", *V0, ("memberships", "v0", 2), v0={"packet-socket": 2})
row("user and sockets", *V0, PROMISC("v0"), ("sockets", "v0", 2), v0={"user": 1, "packet-socket": 2})
row("sockets on a tun", ("tun", "t0"), UP("t0"), ("sockets", "t0", 2), t0={"packet-socket": 2})
row("memberships for all multicast", *V0, ("memberships", "v0", 1, PACKET_MR_ALLMULTI), v0={})
row("memberships for an address", *V0, ("memberships", "v0", 2, PACKET_MR_UNICAST), v0={"unicast-list": 1})
row("lo", PROMISC("lo"), ("sockets", "lo", 1), lo={"user": 1, "packet-socket": 1})

# Bridge. One that filters by VLAN leaves to its unicast filter the only port that floods or learns, an "auto
# port", and if there is none, all of them. A macvlan has such a filter, a veth has not.

BRIDGE = "link add br0 type bridge"
FILTERING = "link add br0 type bridge vlan_filtering 1"
PORT = "link set {0} master br0".format
STATIC = "bridge link set dev {0} learning off flood off".format
FILTER0 = *V0, "link add link v0 name m0 type macvlan mode private"
FILTER1 = *W0, "link add link w0 name n0 type macvlan mode private"

row("bridge port", BRIDGE, *V0, PORT("v0"), UP("br0"), v0={"bridge": 1}, br0={})
row("bridge port, all down", BRIDGE, *V0_DOWN, PORT("v0"), v0={"bridge": 1})
row("bridge ports", BRIDGE, *V0, *W0, PORT("v0"), PORT("w0"), v0={"bridge": 1}, w0={"bridge": 1})
row("bridge port left", BRIDGE, *V0, PORT("v0"), "link set v0 nomaster", v0={})
row("bridge promiscuous", BRIDGE, *V0, PORT("v0"), PROMISC("br0"), v0={"bridge": 1}, br0={"user": 1})
row("vxlan as bridge port", BRIDGE, *V0, "link add u0 type vxlan id 1 dstport 4789 dev v0", UP("u0"),
    PORT("u0"), v0={}, u0={"bridge": 1})
row("bridge port with filter", BRIDGE, *FILTER0, PORT("m0"), m0={"bridge": 1}, v0={})
row("vlan_filtering, lone auto port", FILTERING, *V0, PORT("v0"), v0={"bridge": 1})
row("vlan_filtering, lone auto port with filter", FILTERING, *FILTER0, PORT("m0"), m0={}, v0={})
row("vlan_filtering, two auto ports with filter", FILTERING, *FILTER0, *FILTER1, PORT("m0"), PORT("n0"),
    m0={"bridge": 1}, n0={"bridge": 1})
row("vlan_filtering, one auto port of two", FILTERING, *FILTER0, *FILTER1, PORT("m0"), PORT("n0"),
    STATIC("n0"), m0={}, n0={"bridge": 1})
row("vlan_filtering, no auto port", FILTERING, *FILTER0, *FILTER1, PORT("m0"), PORT("n0"), STATIC("m0"),
    STATIC("n0"), m0={}, n0={})
row("vlan_filtering, no auto port, no filter", FILTERING, *V0, PORT("v0"), STATIC("v0"), v0={"bridge": 1})
row("vlan_filtering, learning alone is auto", FILTERING, *FILTER0, *FILTER1, PORT("m0"), PORT("n0"),
    "bridge link set dev m0 flood off", STATIC("n0"), m0={}, n0={"bridge": 1})
row("vlan_filtering, later", BRIDGE, *FILTER0, PORT("m0"), "link set br0 type bridge vlan_filtering 1",
    m0={})
row("vlan_filtering, no longer", FILTERING, *FILTER0, PORT("m0"),
    "link set br0 type bridge vlan_filtering 0",
    m0={"bridge": 1})
row("vlan_filtering, promiscuous", FILTERING, *FILTER0, PORT("m0"), PROMISC("br0"),
    m0={"bridge": 1}, br0={"user": 1})
row("vlan_filtering, promiscuous by a socket", FILTERING, *FILTER0, PORT("m0"), ("sockets", "br0", 1),
    m0={"bridge": 1}, br0={"packet-socket": 1})
row("vlan_filtering, static address of the bridge", FILTERING, *FILTER0, PORT("m0"), UP("m0"),
    "bridge fdb add 02:00:00:00:00:99 dev br0 self", m0={}, v0={"unicast-list": 1})

# macvlan and macvtap

for kind in "macvlan", "macvtap":
    def stacked(mode, kind=kind, name="m0"):
        return f"link add link v0 name {name} type {kind} mode {mode}"

    for mode in "private", "vepa", "bridge", "source":
        add = *V0, stacked(mode)
        row(f"{kind} {mode}, down", *add, v0={}, m0={})
        row(f"{kind} {mode}, down, promiscuous", *add, PROMISC("m0"), v0={}, m0={"user": 1})
        row(f"{kind} {mode}, up", *add, UP("m0"), v0={"unicast-list": 1}, m0={})
        row(f"{kind} {mode}, up, promiscuous", *add, UP("m0"), PROMISC("m0"),
            v0={"unicast-list": 1, kind: 1}, m0={"user": 1})
    add = *V0, stacked("passthru")
    row(f"{kind} passthru, down", *add, v0={}, m0={})
    row(f"{kind} passthru, down, promiscuous", *add, PROMISC("m0"), v0={}, m0={"user": 1})
    row(f"{kind} passthru, up", *add, UP("m0"), v0={kind: 1}, m0={})
    row(f"{kind} passthru, up, promiscuous", *add, UP("m0"), PROMISC("m0"), v0={kind: 1}, m0={"user": 1})
    row(f"{kind} passthru nopromisc", *V0, stacked("passthru nopromisc"), UP("m0"), PROMISC("m0"),
        v0={}, m0={"user": 1})
    row(f"{kind} passthru nopromisc, further address", *V0, stacked("passthru nopromisc"), UP("m0"),
        "bridge fdb add 02:00:00:00:00:99 dev m0 self", v0={"unicast-list": 1})
    row(f"{kind} passthru nopromisc, set later", *add, UP("m0"),
        f"link set m0 type {kind} mode passthru nopromisc", v0={})
    row(f"{kind} by a socket", *V0, stacked("bridge"), UP("m0"), ("sockets", "m0", 2),
        v0={"unicast-list": 1, kind: 1}, m0={"packet-socket": 2})
    row(f"{kind} down again", *V0, stacked("bridge"), PROMISC("m0"), UP("m0"), DOWN("m0"),
        v0={}, m0={"user": 1})
    row(f"three {kind}s", *V0, *(stacked("bridge", name=f"m{i}") for i in range(3)), PROMISC("m0"),
        PROMISC("m1"), UP("m0"), UP("m1"), UP("m2"), v0={"unicast-list": 1, kind: 2})
    row(f"{kind}, lower down", *V0, stacked("bridge"), PROMISC("m0"), UP("m0"), DOWN("v0"),
        v0={"unicast-list": 1, kind: 1})

# A unit that was never taken is taken off, but not by kernels with a repair of 2026.
row("corrupt counter", *V0, "link add link v0 name m0 type macvlan mode passthru",
    "link set m0 type macvlan mode passthru nopromisc", v0=[{"corrupt-counter": 0xffffffff}, {}])
row("macvlan and macvtap", *V0, "link add link v0 name m0 type macvlan mode vepa",
    "link add link v0 name m1 type macvtap mode vepa", UP("m0"), UP("m1"), PROMISC("m0"), PROMISC("m1"),
    v0={"unicast-list": 1, "macvlan": 1, "macvtap": 1})
row("macvlan as bridge port", BRIDGE, *V0, "link add link v0 name m0 type macvlan mode private", UP("m0"),
    PORT("m0"), v0={"unicast-list": 1, "macvlan": 1}, m0={"bridge": 1})
row("macvlan on a bridge", BRIDGE, UP("br0"), *V0, PORT("v0"),
    "link add link br0 name m0 type macvlan mode bridge",
    UP("m0"), v0={"bridge": 1}, br0={"unicast-list": 1})

# Unicast list: one unit, however many, and as of the time when the link was last up.

ADDRESS = "bridge fdb add 02:00:00:00:00:9{0} dev v0 self".format
row("unicast list", *V0, ADDRESS(1), v0={"unicast-list": 1})
row("unicast list of three", *V0, ADDRESS(1), ADDRESS(2), ADDRESS(3), v0={"unicast-list": 1})
row("unicast list emptied", *V0, ADDRESS(1), ADDRESS(1).replace("add", "del"), v0={})
row("unicast list, link down", *V0_DOWN, ADDRESS(1), v0={})
row("unicast list, link up later", *V0_DOWN, ADDRESS(1), UP("v0"), v0={"unicast-list": 1})
row("unicast list, link down later", *V0, ADDRESS(1), DOWN("v0"), v0={"unicast-list": 1})
# Nobody is told of a list that is empty but not yet taken off.
row("unicast list emptied when down", *V0, ADDRESS(1), DOWN("v0"), ADDRESS(1).replace("add", "del"),
    v0={"unattributed": 1})
row("multicast address", *V0, "bridge fdb add 01:00:5e:00:00:99 dev v0 self", v0={})
row("unicast list of a tap", ("tap", "t0"), UP("t0"), "bridge fdb add 02:00:00:00:00:99 dev t0 self",
    t0={"unicast-list": 1})
row("unicast list of an ifb", "link add i0 type ifb", UP("i0"),
    "bridge fdb add 02:00:00:00:00:99 dev i0 self",
    i0={"unicast-list": 1})
row("unicast list of a dummy", "link add d0 type dummy", UP("d0"),
    "bridge fdb add 02:00:00:00:00:99 dev d0 self", d0={"unicast-list": 1})

# VLAN. One that is down holds nothing before Linux 6.15 and stable kernels of that time.

VLAN = *V0, "link add link v0 name x0 type vlan id 10"
row("vlan, down", *VLAN, v0={}, x0={})
row("vlan, down, promiscuous", *VLAN, PROMISC("x0"), v0=[{"vlan": 1}, {}], x0={"user": 1})
row("vlan, up", *VLAN, UP("x0"), v0={}, x0={})
row("vlan, up, promiscuous", *VLAN, UP("x0"), PROMISC("x0"), v0={"vlan": 1}, x0={"user": 1})
row("vlan, up when promiscuous", *VLAN, PROMISC("x0"), UP("x0"), v0={"vlan": 1}, x0={"user": 1})
row("vlan, down again", *VLAN, UP("x0"), PROMISC("x0"), DOWN("x0"), v0=[{"vlan": 1}, {}], x0={"user": 1})
row("vlan by a socket", *VLAN, UP("x0"), ("sockets", "x0", 2), v0={"vlan": 1}, x0={"packet-socket": 2})
row("vlan, lower down", *VLAN, UP("x0"), PROMISC("x0"), DOWN("v0"), v0={"vlan": 1}, x0={"user": 1})
row("vlan with an address of its own", *VLAN, "link set x0 address 02:00:00:00:00:99", UP("x0"),
    v0={"unicast-list": 1}, x0={})
row("vlan as bridge port", BRIDGE, *VLAN, UP("x0"), PORT("x0"), v0={"vlan": 1}, x0={"bridge": 1})
row("vlan 802.1ad on vlan", *V0, "link add link v0 name x0 type vlan proto 802.1ad id 10", UP("x0"),
    "link add link x0 name y0 type vlan id 20", UP("y0"), PROMISC("y0"),
    v0={"vlan": 1}, x0={"vlan": 1}, y0={"user": 1})
row("two vlans", *VLAN, "link add link v0 name y0 type vlan id 20", UP("x0"), UP("y0"), PROMISC("x0"),
    PROMISC("y0"), v0={"vlan": 2})
row("macvlan on vlan", *VLAN, UP("x0"), "link add link x0 name m0 type macvlan mode bridge", UP("m0"),
    PROMISC("m0"), v0={"unicast-list": 1, "vlan": 1}, x0={"macvlan": 1}, m0={"user": 1})
# What the bridge gives to its filter, it gives on to one without.
row("lone auto port that is a vlan", FILTERING, *VLAN, UP("x0"), PORT("x0"), v0={"unicast-list": 1}, x0={})

# Bond: promiscuous itself, it makes its active port so where it has one, or all of them.

PORTS = *V0_DOWN, *W0_DOWN
for mode in ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb",
             "balance-alb"):
    bond = *PORTS, f"link add b0 type bond mode {mode}", "link set v0 master b0", "link set w0 master b0"
    backup = {} if mode in ("active-backup", "balance-tlb", "balance-alb") else {"bond": 1}
    row(f"bond {mode}", *bond, UP("b0"), v0={}, w0={}, b0={})
    row(f"bond {mode}, promiscuous", *bond, UP("b0"), PROMISC("b0"), v0={"bond": 1}, w0=backup,
        b0={"user": 1})
    row(f"bond {mode}, promiscuous before", *PORTS, f"link add b0 type bond mode {mode}", PROMISC("b0"),
        UP("b0"), "link set v0 master b0", "link set w0 master b0",
        v0={"bond": 1}, w0=backup, b0={"user": 1})
    row(f"bond {mode}, down, promiscuous", *bond, PROMISC("b0"), v0={"bond": 1}, w0=backup, b0={"user": 1})
AB = (*PORTS, "link add b0 type bond mode active-backup", "link set v0 master b0", "link set w0 master b0",
      UP("b0"))
row("bond active-backup, the other active", *AB, PROMISC("b0"), "link set b0 type bond active_slave w0",
    v0={}, w0={"bond": 1}, b0={"user": 1})
row("bond active-backup, none active", "link add v0 type veth peer v1", "link add w0 type veth peer w1",
    "link add b0 type bond mode active-backup miimon 100", "link set v0 master b0", "link set w0 master b0",
    UP("b0"), PROMISC("b0"), v0={}, w0={}, b0={"user": 1})
row("bond, port left", *AB, PROMISC("b0"), "link set v0 nomaster", v0={}, w0={"bond": 1})
row("bond as bridge port", BRIDGE, *AB, PORT("b0"), v0={"bond": 1}, w0={}, b0={"bridge": 1})
row("bond with a vlan", *AB, "link add link b0 name x0 type vlan id 10", UP("x0"), PROMISC("x0"),
    v0={"bond": 1}, w0={}, b0={"vlan": 1})
row("bond active-backup with a macvlan", *AB, "link add link b0 name m0 type macvlan mode bridge", UP("m0"),
    v0={"unicast-list": 1}, w0={}, b0={})
row("bond balance-rr with a macvlan", *PORTS, "link add b0 type bond mode balance-rr",
    "link set v0 master b0", "link set w0 master b0", UP("b0"),
    "link add link b0 name m0 type macvlan mode bridge", UP("m0"),
    v0={"unicast-list": 1}, w0={"unicast-list": 1}, b0={})
row("lone auto port that is a bond", FILTERING, *AB, PORT("b0"), v0={"unicast-list": 1}, w0={}, b0={})

# team

TEAM = *PORTS, "link add t0 type team"
TEAM_PORTS = "link set v0 master t0", "link set w0 master t0"
row("team", *TEAM, *TEAM_PORTS, UP("t0"), v0={}, w0={}, t0={})
row("team, promiscuous", *TEAM, *TEAM_PORTS, UP("t0"), PROMISC("t0"),
    v0={"team": 1}, w0={"team": 1}, t0={"user": 1})
row("team, promiscuous before", *TEAM, PROMISC("t0"), *TEAM_PORTS,
    v0={"team": 1}, w0={"team": 1}, t0={"user": 1})
row("team, down, promiscuous", *TEAM, *TEAM_PORTS, PROMISC("t0"),
    v0={"team": 1}, w0={"team": 1}, t0={"user": 1})
row("team, port left", *TEAM, *TEAM_PORTS, PROMISC("t0"), "link set v0 nomaster", v0={}, w0={"team": 1})

# Open vSwitch: its own ports, too, which have no master.

row("openvswitch", *V0, ("openvswitch", "o0", "v0"), v0={"openvswitch": 1}, o0={"openvswitch": 1})
row("openvswitch, internal port", ("openvswitch", "o0"), ("internal_port", "o0", "o1"),
    o0={"openvswitch": 1}, o1={"openvswitch": 1})
row("openvswitch, all down", *V0_DOWN, *W0_DOWN, ("openvswitch", "o0", "v0", "w0"),
    v0={"openvswitch": 1}, w0={"openvswitch": 1})
row("openvswitch, promiscuous", *V0, ("openvswitch", "o0", "v0"), UP("o0"), PROMISC("o0"),
    v0={"openvswitch": 1}, o0={"openvswitch": 1, "user": 1})

# MACsec. It takes its lower's address into the lower's list, though that is no other.

MACSEC = *V0, "link add link v0 name c0 type macsec"
row("macsec, down", *MACSEC, v0={}, c0={})
row("macsec, down, promiscuous", *MACSEC, PROMISC("c0"), v0={}, c0={"user": 1})
row("macsec, up", *MACSEC, UP("c0"), v0={"unicast-list": 1}, c0={})
row("macsec, up, promiscuous", *MACSEC, UP("c0"), PROMISC("c0"), v0={"unicast-list": 1, "macsec": 1},
    c0={"user": 1})
row("macsec, down again", *MACSEC, PROMISC("c0"), UP("c0"), DOWN("c0"), v0={}, c0={"user": 1})

# HSR and PRP

row("hsr", *V0, *W0, "link add h0 type hsr slave1 v0 slave2 w0 version 1", UP("h0"),
    v0={"hsr": 1}, w0={"hsr": 1}, h0={})
row("hsr, all down", *V0_DOWN, *W0_DOWN, "link add h0 type hsr slave1 v0 slave2 w0",
    v0={"hsr": 1}, w0={"hsr": 1})
row("hsr, promiscuous", *V0, *W0, "link add h0 type hsr slave1 v0 slave2 w0", UP("h0"), PROMISC("h0"),
    v0={"hsr": 1}, w0={"hsr": 1}, h0={"user": 1})
row("hsr, interlink", *V0, *W0, "link add z0 type veth peer z1", UP("z0"), UP("z1"),
    "link add h0 type hsr slave1 v0 slave2 w0 interlink z0", UP("h0"),
    v0={"hsr": 1}, w0={"hsr": 1}, z0={"hsr": 1})
row("prp", *V0, *W0, "link add h0 type hsr slave1 v0 slave2 w0 proto 1", UP("h0"),
    v0={"hsr": 1}, w0={"hsr": 1}, h0={})

# Several at once

row("bridge port, flag, sockets, unicast list", BRIDGE, *V0, PORT("v0"), PROMISC("v0"), ("sockets", "v0", 2),
    ADDRESS(1), v0={"bridge": 1, "user": 1, "packet-socket": 2, "unicast-list": 1})
row("macvlans, flag, sockets", *V0, "link add link v0 name m0 type macvlan mode bridge",
    "link add link v0 name m1 type macvlan mode bridge", UP("m0"), UP("m1"), PROMISC("m0"), PROMISC("v0"),
    ("sockets", "v0", 2), v0={"macvlan": 1, "unicast-list": 1, "user": 1, "packet-socket": 2})
row("bridge port with vlan", BRIDGE, *VLAN, PORT("v0"), UP("x0"), PROMISC("x0"), PROMISC("v0"),
    ("sockets", "v0", 3), ADDRESS(1),
    v0={"bridge": 1, "vlan": 1, "unicast-list": 1, "user": 1, "packet-socket": 3})
row("vlans and macsec", *VLAN, "link add link v0 name y0 type vlan id 20", UP("x0"), PROMISC("x0"), UP("y0"),
    PROMISC("y0"), "link add link v0 name c0 type macsec", UP("c0"), PROMISC("c0"), PROMISC("v0"),
    ("memberships", "v0", 2),
    v0={"vlan": 2, "macsec": 1, "unicast-list": 1, "user": 1, "packet-socket": 2})
row("bond port, flag, socket", *AB, PROMISC("b0"), PROMISC("v0"), ("sockets", "v0", 1), ("sockets", "w0", 1),
    v0={"bond": 1, "user": 1, "packet-socket": 1}, w0={"packet-socket": 1})
row("a tower", BRIDGE, *AB, "link add link b0 name x0 type vlan id 10", UP("x0"),
    "link add link x0 name m0 type macvlan mode passthru", UP("m0"), PORT("m0"), ("sockets", "b0", 1),
    v0={"bond": 1}, w0={}, b0={"vlan": 1, "packet-socket": 1}, x0={"macvlan": 1}, m0={"bridge": 1})

# Uppers in another namespace: of these the lower shows nothing.

row("macvlan elsewhere", *V0, "link add link v0 name m0 netns {there} type macvlan mode bridge",
    ("there", UP("m0")), ("there", PROMISC("m0")), v0={"unicast-list": 1, "unattributed": 1})
row("macvlan passthru elsewhere", *V0, "link add link v0 name m0 netns {there} type macvlan mode passthru",
    ("there", UP("m0")), v0={"unattributed": 1})
row("macvlan moved elsewhere", *V0, "link add link v0 name m0 type macvlan mode passthru",
    "link set m0 netns {there}", ("there", UP("m0")), ("sockets", "v0", 1),
    v0={"unattributed": 1, "packet-socket": 1})
row("vlan elsewhere", *V0, "link add link v0 name x0 netns {there} type vlan id 10", ("there", UP("x0")),
    ("there", PROMISC("x0")), v0={"unattributed": 1})
row("bridge port moved elsewhere", BRIDGE, *V0, PORT("v0"), ("moved", "v1"), v0={"bridge": 1})

# Who holds none

for mode in "l2", "l3", "l3s":
    row(f"ipvlan {mode}", *V0, f"link add link v0 name p0 type ipvlan mode {mode}", UP("p0"), PROMISC("p0"),
        v0={}, p0={"user": 1})
row("vxlan", *V0, "addr add 192.0.2.1/24 dev v0",
    "link add u0 type vxlan id 1 group 239.1.1.1 dstport 4789 dev v0",
    UP("u0"), PROMISC("u0"), v0={}, u0={"user": 1})
row("veth peer", *V0, PROMISC("v1"), ("sockets", "v1", 1), v0={}, v1={"user": 1, "packet-socket": 1})
row("tap opened", ("tap", "t0"), UP("t0"), t0={})
row("tap as bridge port", BRIDGE, ("tap", "t0"), PORT("t0"), t0={"bridge": 1})
row("multicast routing", *V0, ("mroute", "v0"), v0={})
row("all multicast", *V0, "link set v0 allmulticast on", v0={})
row("vrf", *V0, "link add f0 type vrf table 10", UP("f0"), "link set v0 master f0", PROMISC("f0"),
    v0={}, f0={"user": 1})
