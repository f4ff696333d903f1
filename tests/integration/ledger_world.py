# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds the rows of ledger_scenarios, and knows what this kernel can build."""

import fcntl
import itertools
import json
import os
import socket
import struct
import subprocess

from generic_netlink import OVS_VPORT_TYPE_INTERNAL, OpenVSwitch
from links import (PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC, SOL_PACKET, Namespace, PacketSocket, index_of,
                   ip, ip_batch, link_names, run)

TUNSETIFF = 0x400454ca
IFF_TUN = 0x0001
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
MRT_INIT = 200
MRT_ADD_VIF = 202
VIFF_USE_IFINDEX = 0x8


def has(feature):
    """Whether this kernel has that kind of link, or that bridges have that."""
    if feature == "openvswitch":
        ovs = OpenVSwitch()
        try:
            return bool(ovs.family("ovs_datapath"))
        except FileNotFoundError:
            return False
        finally:
            ovs.close()
    # Asked for a new link it finds the kind before anything that may be missing from the question.
    kind, option = ("bridge", [feature, "1"]) if feature == "vlan_filtering" else (feature, [])
    made = subprocess.run(["ip", "link", "add", "probe", "type", kind, *option], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
    if made.returncode == 0:
        run("ip", "link", "del", "probe")
    return made.returncode == 0 or not option and b"Unknown device type" not in made.stderr


class World:
    def __init__(self):
        self.open = []
        self.vswitch = None
        self.datapaths = []
        self.namespace = None

    @staticmethod
    def counters():
        """Of all links."""
        return {link["ifname"]: link["promiscuity"] for link in json.loads(ip("-d", "-json", "link"))}

    def build(self, scenario):
        for kind, steps in itertools.groupby(scenario.steps, self.tool):
            if kind == "ip":
                ip_batch(self.complete(step) for step in steps)
            elif kind == "bridge":
                lines = "".join(step.removeprefix("bridge ") + "\n" for step in steps)
                run("bridge", "-batch", "-", input=lines.encode())
            else:
                for name, *arguments in steps:
                    getattr(self, name)(*arguments)

    @staticmethod
    def tool(step):
        if not isinstance(step, str):
            return "method"
        return "bridge" if step.startswith("bridge ") else "ip"

    def complete(self, line):
        return line.format(there=self.elsewhere().pid) if "{there}" in line else line

    def elsewhere(self):
        self.namespace = self.namespace or Namespace()
        return self.namespace

    # what steps may call

    def there(self, line):
        """A line for ip in the other namespace."""
        self.elsewhere().ip(*line.split())

    def moved(self, name):
        """Away to the other namespace."""
        ip_batch([f"link set {name} netns {self.elsewhere().pid}"])

    def sockets(self, name, count):
        """That many, each with a membership."""
        self.open += [PacketSocket().add(index_of(name)) for _ in range(count)]

    def memberships(self, name, count, kind=PACKET_MR_PROMISC):
        """That many of one socket, each with an address of its own."""
        self.open.append(PacketSocket())
        for i in range(count):
            request = struct.pack("iHH8s", index_of(name), kind, 6, bytes([2, 0, 0, 0, 0, i]))
            self.open[-1].sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)

    def tap(self, name, kind=IFF_TAP):
        """One that is open."""
        self.open.append(open("/dev/net/tun", "r+b", buffering=0))
        fcntl.ioctl(self.open[-1], TUNSETIFF, struct.pack("16sH22x", name.encode(), kind | IFF_NO_PI))

    def tun(self, name):
        self.tap(name, IFF_TUN)

    def openvswitch(self, name, *ports):
        """A datapath with these ports."""
        if not self.vswitch:
            self.vswitch = OpenVSwitch()
            self.open.append(self.vswitch)
        self.vswitch.add(name)
        self.datapaths.append(name)
        for port in ports:
            self.vswitch.add_port(name, port)

    def internal_port(self, name, port):
        """One more of the datapath, made with it."""
        self.vswitch.add_port(name, port, OVS_VPORT_TYPE_INTERNAL)

    def mroute(self, name):
        """A multicast router with that link."""
        router = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
        self.open.append(router)
        router.setsockopt(socket.IPPROTO_IP, MRT_INIT, 1)
        router.setsockopt(socket.IPPROTO_IP, MRT_ADD_VIF,
                          struct.pack("HBBIii", 0, VIFF_USE_IFINDEX, 1, 0, index_of(name), 0))

    def clean(self):
        """Only lo remains, as it was. (All in one go: an emulated machine is long in starting a program.)"""
        for name in self.datapaths:
            self.vswitch.remove(name)
        for thing in self.open:
            thing.close()
        if self.namespace:
            self.namespace.end()
        # Some go with others.
        lines = "link set lo promisc off\n" + "".join(f"link del {name}\n" for name in link_names() - {"lo"})
        subprocess.run(["ip", "-force", "-batch", "-"], input=lines.encode(), stderr=subprocess.DEVNULL)
        assert link_names() == {"lo"}
