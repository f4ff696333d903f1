#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints each change of an interface's promiscuity counter."""
import functools
import sys

from dasbus.connection import SystemMessageBus
from dasbus.error import DBusError
from dasbus.loop import EventLoop

SERVICE = "org.example.Promisc"
LINK = "org.example.Promisc"

bus = SystemMessageBus()


@functools.cache
def link(path):
    return bus.get_proxy(SERVICE, path, LINK)


def on_changed(connection, sender, path, interface, signal, parameters):
    old, new, timestamp, source = parameters.unpack()
    try:
        name = link(path).Name
    except DBusError:
        name = path  # The path holds the ifindex. A link that has gone by now has no name any more.
    print(f"{name} {old} -> {new} ({source})", flush=True)


# Not through a proxy: without a path it is one subscription for every link, also those to come.
bus.connection.signal_subscribe(SERVICE, LINK, "PromiscuityChanged", None, None, 0, on_changed)
print("Watching; end with Ctrl+C.", file=sys.stderr, flush=True)
try:
    EventLoop().run()
except KeyboardInterrupt:
    pass
