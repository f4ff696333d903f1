# SPDX-License-Identifier: LGPL-2.1-or-later
"""Generic netlink, and the little of Open vSwitch's that makes a datapath with ports."""

import os
import socket
import struct

NETLINK_GENERIC = 16
NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLMSG_ERROR = 2
GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2
# <linux/openvswitch.h>
OVS_DP_CMD_NEW = 1
OVS_DP_CMD_DEL = 2
OVS_DP_ATTR_NAME = 1
OVS_DP_ATTR_UPCALL_PID = 2
OVS_VPORT_CMD_NEW = 1
OVS_VPORT_TYPE_NETDEV = 1
OVS_VPORT_TYPE_INTERNAL = 2
OVS_VPORT_ATTR_TYPE = 2
OVS_VPORT_ATTR_NAME = 3
OVS_VPORT_ATTR_UPCALL_PID = 5


def attribute(kind, payload):
    return struct.pack("HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def text(kind, value):
    return attribute(kind, value.encode() + b"\0")


def number(kind, value):
    return attribute(kind, struct.pack("I", value))


def attributes(data):
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("HH", data)
        found[kind] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


class GenericNetlink:
    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)

    def close(self):
        self.sock.close()

    def call(self, family, command, version, payload):
        """→ payload of the answer, if there is one"""
        message = struct.pack("BBH", command, version, 0) + payload
        self.sock.send(struct.pack("IHHII", 16 + len(message), family, NLM_F_REQUEST | NLM_F_ACK, 0, 0) +
                       message)
        answer = b""
        while True:
            data = self.sock.recv(1 << 16)
            while data:
                size, kind = struct.unpack_from("IH", data)
                if kind == NLMSG_ERROR:
                    error, = struct.unpack_from("i", data, 16)
                    if error:
                        raise OSError(-error, os.strerror(-error))
                    return answer
                answer = data[20:size]
                data = data[(size + 3) & ~3:]

    def family(self, name):
        """Its number. Asking loads its module, too."""
        answer = self.call(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, text(CTRL_ATTR_FAMILY_NAME, name))
        return struct.unpack("H", attributes(answer)[CTRL_ATTR_FAMILY_ID])[0]


class OpenVSwitch(GenericNetlink):
    """Nobody listens for its packets that have no flow."""

    def add(self, name):
        """A datapath, and of the same name the link that is its local port."""
        self.call(self.family("ovs_datapath"), OVS_DP_CMD_NEW, 2, struct.pack("i", 0) +
                  text(OVS_DP_ATTR_NAME, name) + number(OVS_DP_ATTR_UPCALL_PID, 0))

    def add_port(self, name, port, kind=OVS_VPORT_TYPE_NETDEV):
        self.call(self.family("ovs_vport"), OVS_VPORT_CMD_NEW, 1,
                  struct.pack("i", socket.if_nametoindex(name)) + text(OVS_VPORT_ATTR_NAME, port) +
                  number(OVS_VPORT_ATTR_TYPE, kind) + number(OVS_VPORT_ATTR_UPCALL_PID, 0))

    def remove(self, name):
        self.call(self.family("ovs_datapath"), OVS_DP_CMD_DEL, 2,
                  struct.pack("i", 0) + text(OVS_DP_ATTR_NAME, name))
