# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service killed, and what happens before it is back; and what the kernel says of a link all the while."""

import os
import signal
import socket
import struct

from links import run
from units import SERVICE, SOCKET, await_service, main_pid

CONTROL = f"/run/systemd/system/{SERVICE}.d/"
SOCKET_CONTROL = f"/run/systemd/system/{SOCKET}.d/"


def drop_in(name, *lines, directory=CONTROL, section="Service"):
    """Settings of the service from its next start on, or of its socket."""
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}{name}.conf", "w") as f:
        f.write("\n".join((f"[{section}]", *lines, "")))
    run("systemctl", "daemon-reload")


def no_drop_ins():
    for directory in CONTROL, SOCKET_CONTROL:
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            os.unlink(directory + name)
    run("systemctl", "daemon-reload")


def crash(bus, how=signal.SIGKILL, comes_back=True):
    """→ the unique name of the next one"""
    before = await_service(bus)
    os.kill(main_pid(), how)
    return await_service(bus, other_than=before) if comes_back else None


class Gate:
    """Holds the next start of the service until it is opened. systemd has it started already, so that nothing else
    starts it, and its own process is not there yet."""

    REACHED, OPEN = "/run/gate-reached", "/run/gate-open"

    def __init__(self):
        for path in self.REACHED, self.OPEN:
            os.mkfifo(path)
        drop_in("gate", f"ExecStartPre=+/bin/sh -c 'echo >{self.REACHED}; read x <{self.OPEN}'")

    def await_reached(self):
        with open(self.REACHED) as f:
            f.read()

    def open(self):
        with open(self.OPEN, "w") as f:
            f.write("\n")

    def remove(self):
        for path in self.REACHED, self.OPEN:
            os.unlink(path)


class Away:
    """with away(): what is done in there happens between the end of one process and the start of the next."""

    def __init__(self, bus, how=signal.SIGKILL):
        self.bus = bus
        self.how = how

    def __enter__(self):
        self.before = await_service(self.bus)
        self.gate = Gate()
        os.kill(main_pid(), self.how)
        self.gate.await_reached()
        return self

    def __exit__(self, *error):
        self.gate.open()
        try:
            await_service(self.bus, other_than=self.before)
        finally:
            no_drop_ins()
            self.gate.remove()


RTM_NEWLINK, RTM_DELLINK = 16, 17
IFLA_PROMISCUITY = 30
IFF_PROMISC = 0x100
SO_RCVBUFFORCE = 33


class KernelMonitor:
    """What the kernel says of the counter of one link. Its messages are there as soon as the change is."""

    def __init__(self, index):
        self.index = index
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.sock.bind((0, 1))

    def steps(self):
        """The counter after each step that the kernel announced until now."""
        steps = []
        while True:
            try:
                data = self.sock.recv(1 << 16)
            except BlockingIOError:
                return steps
            while data:
                length, kind = struct.unpack_from("IH", data)
                _, _, index, _, change = struct.unpack_from("BxHiII", data, 16)
                if index == self.index and kind == RTM_NEWLINK and change & IFF_PROMISC:
                    steps.append(self.promiscuity(data[32:length]))
                data = data[(length + 3) & ~3:]

    @staticmethod
    def promiscuity(attributes):
        while attributes:
            length, kind = struct.unpack_from("HH", attributes)
            if kind == IFLA_PROMISCUITY:
                return struct.unpack_from("I", attributes, 4)[0]
            attributes = attributes[(length + 3) & ~3:]
        raise AssertionError("a link without a counter")

    def close(self):
        self.sock.close()
