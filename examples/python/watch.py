#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints each change of an interface's promiscuity counter."""
import sys

from dasbus.client.proxy import disconnect_proxy
from dasbus.connection import SystemMessageBus
from dasbus.loop import EventLoop

SERVICE = "org.example.Promisc"
LINK = "org.example.Promisc"

bus = SystemMessageBus()
links = {}


def added(path, interfaces):
    if LINK in interfaces and path not in links:
        link = links[path] = bus.get_proxy(SERVICE, path, LINK)
        link.PromiscuityChanged.connect(
            lambda old, new, timestamp, source: print(f"{link.Name} {old} -> {new} ({source})", flush=True))


def removed(path, interfaces):
    if LINK in interfaces and path in links:
        disconnect_proxy(links.pop(path))


manager = bus.get_proxy(SERVICE, "/org/example/Promisc", "org.freedesktop.DBus.ObjectManager")
manager.InterfacesAdded.connect(added)
manager.InterfacesRemoved.connect(removed)
for path, interfaces in manager.GetManagedObjects().items():
    added(path, interfaces)

print("Watching; end with Ctrl+C.", file=sys.stderr, flush=True)
EventLoop().run()
