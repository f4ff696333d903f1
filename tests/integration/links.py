# SPDX-License-Identifier: LGPL-2.1-or-later
"""Links, what the system's tools say of them, and who else makes them promiscuous."""

import json
import os
import signal
import socket
import struct
import subprocess

from names import DEADLINE, escaped

IFF_UP = 0x1
IFF_RUNNING = 0x40
IFF_PROMISC = 0x100


def run(*command, **more):
    """Runs a tool that must succeed; returns what it printed."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL if "input" not in more else None,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    assert result.returncode == 0, (command, result.stderr)
    return result.stdout


def ip(*words):
    return run("ip", *(w if isinstance(w, bytes) else str(w) for w in words))


def ip_batch(lines):
    """All in one process, that is: fast."""
    run("ip", "-batch", "-", input="".join(line + "\n" for line in lines).encode())


def ip_link(name):
    # names are bytes, to ip too
    return json.loads(ip("-d", "-json", "link", "show", "dev", name).decode(errors="surrogateescape"))[0]


def link_names():
    """Not with what bonding has among them, which is no link."""
    return set(os.listdir("/sys/class/net")) - {"bonding_masters"}


def index_of(name):
    return int(read_sysfs(name, "ifindex"))


def read_sysfs(name, file):
    with open(b"/sys/class/net/%s/%s" % (os.fsencode(name), os.fsencode(file)), "rb") as f:
        return f.read().strip().decode()


def counter(name):
    return ip_link(name)["promiscuity"]


# <linux/if.h> in ip's words. It leaves out RUNNING, and says NO-CARRIER where that is missing on an UP link.
IP_FLAGS = {"UP": 0x1, "BROADCAST": 0x2, "DEBUG": 0x4, "LOOPBACK": 0x8, "POINTOPOINT": 0x10,
            "NOTRAILERS": 0x20, "NOARP": 0x80, "PROMISC": 0x100, "ALLMULTI": 0x200, "MASTER": 0x400,
            "SLAVE": 0x800, "MULTICAST": 0x1000, "AUTOMEDIA": 0x4000, "DYNAMIC": 0x8000, "LOWER_UP": 0x10000,
            "DORMANT": 0x20000, "ECHO": 0x40000}
NOT_FLAGS = "NO-CARRIER", "M-DOWN"


def tools_view(name):
    """The link in the words of the contract, but each as a tool of the system shows it now."""
    of_ip = ip_link(name)
    flags = sum(IP_FLAGS[f] for f in of_ip["flags"] if f not in NOT_FLAGS)
    if flags & IFF_UP and "NO-CARRIER" not in of_ip["flags"]:
        flags |= IFF_RUNNING
    sysfs = int(read_sysfs(name, "flags"), 16)
    ifconfig = run("ifconfig", os.fsdecode(name)).split(b"flags=")[1].split(b"<")[0]
    return {
        "Index": of_ip["ifindex"],
        "SysfsFlags": sysfs,
        "NetlinkFlags": flags,
        "IoctlFlags": int(ifconfig),
        "Promiscuity": of_ip["promiscuity"],
        "AllMulticast": of_ip.get("allmulti", 0),
        "AlternativeNames": [escaped(os.fsencode(name)) for name in of_ip.get("altnames", [])],
        "Promiscuous": bool(sysfs & IFF_PROMISC),
        "UserRequested": bool(flags & IFF_PROMISC),
    }


def difference(bus, name):
    """What the service shows otherwise than the tools: name → (service, tools). The tools' readings
    before and after the service's answer must be the same, or the comparison says nothing."""
    while True:
        before = tools_view(name)
        shown = bus.link(before["Index"])
        if before == tools_view(name):
            return {k: (shown.get(k), v) for k, v in before.items() if shown.get(k) != v}


def await_agreement(bus, name, timeout=DEADLINE):
    """Waits, from signal to signal, until the service shows the link as the tools do."""
    bus.wait(lambda: not difference(bus, name), timeout,
             lambda: f"{name}: (service, tools): {difference(bus, name)}")


PACKET_ADD_MEMBERSHIP = 1
PACKET_DROP_MEMBERSHIP = 2
PACKET_MR_PROMISC = 1
PACKET_MR_ALLMULTI = 2
PACKET_MR_UNICAST = 3
SOL_PACKET = 263


class PacketSocket:
    """Somebody else's packet socket: one unit for each membership."""

    def __init__(self, kind=PACKET_MR_PROMISC):
        self.kind = kind
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def request(self, index):
        return struct.pack("iHH8s", index, self.kind, 0, b"")

    def add(self, index):
        self.sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, self.request(index))
        return self

    def drop(self, index):
        self.sock.setsockopt(SOL_PACKET, PACKET_DROP_MEMBERSHIP, self.request(index))

    def burst(self, index, changes):
        """That many changes of the counter, up and down in turn."""
        request, change = self.request(index), self.sock.setsockopt
        for _ in range(changes // 2):
            change(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
            change(SOL_PACKET, PACKET_DROP_MEMBERSHIP, request)

    def close(self):
        self.sock.close()


class Tcpdump:
    """The real one, capturing when the constructor returns."""

    def __init__(self, name):
        self.process = subprocess.Popen(["tcpdump", "-Z", "root", "-n", "-w", "/dev/null", "-i", name],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if b"listening on" in line:
                return
        raise AssertionError("tcpdump did not start")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()


class Links:
    """Makes links; everything but lo goes at the end of the test."""

    MANY = "4711"   # the group of those that are to be deleted at a stroke

    def veth(self, name="v0", peer="v1"):
        ip("link", "add", "name", name, "up", "type", "veth", "peer", "name", peer)
        ip("link", "set", peer, "up")
        return index_of(name)

    def add(self, name, kind, *more, lower=None):
        ip("link", "add", *(["link", lower] if lower else []), "name", name, "type", kind, *more)
        return index_of(name)

    def tun(self, name, mode="tun"):
        ip("tuntap", "add", "dev", name, "mode", mode)
        ip("link", "set", name, "up")
        return index_of(name)

    def clean(self):
        ip("link", "set", "lo", "up", "promisc", "off", "allmulticast", "off")
        subprocess.run(["ip", "link", "del", "group", self.MANY], stderr=subprocess.DEVNULL)
        for name in link_names() - {"lo"}:
            # a pair's other end goes with it
            subprocess.run(["ip", "link", "del", "dev", name], stderr=subprocess.DEVNULL)
        assert link_names() == {"lo"}


class Namespace:
    """Another network namespace, as long as its process lives."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.pid = self.process.pid

    def ip(self, *words):
        return run("nsenter", "-n", "-t", str(self.pid), "ip", *(str(w) for w in words))

    def end(self):
        self.process.stdin.close()
        self.process.wait()
