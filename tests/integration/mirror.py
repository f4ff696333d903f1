# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether signals tell all, and nothing but what changed."""

from bus import Signal, plain
from links import difference
from names import LINK, MANAGER, REFERENCE, ROOT


def known_parts(interfaces):
    return {name: plain(values) for name, values in interfaces.items() if name in (LINK, REFERENCE)}


def adds_up(path, link):
    """In every message, and in what it leaves behind."""
    assert sum(link["Holders"].values()) == link["Promiscuity"], (path, link)
    assert link["Holders"].get("unattributed", 0) == link["Unattributed"], (path, link)
    assert 0 not in link["Holders"].values(), (path, link)


class Mirror:
    """What a client knows who read everything once and follows the signals since. An announcement of
    something that did not change, or of what is not there, fails."""

    def __init__(self, bus):
        self.bus = bus.subscribe()
        self.objects = self.read()
        self.position = len(bus.log)

    def read(self):
        """All properties of all objects, as the service has them now. The manager's are another call: this
        is repeated until nothing came in between."""
        while True:
            before, heard = self.manager(), self.bus.heard
            objects = self.bus.objects()
            if before == self.manager() and heard == self.bus.heard:
                return {**{path: known_parts(i) for path, i in objects.items()}, ROOT: {MANAGER: before}}

    def manager(self):
        values = self.bus.get_all(ROOT, MANAGER)
        del values["Overruns"]      # the one without a signal
        return values

    def follow(self):
        for signal in self.bus.log[self.position:]:
            if isinstance(signal, Signal):
                self.take(signal)
        self.position = len(self.bus.log)
        return self.objects

    def take(self, signal):
        if signal.member == "InterfacesAdded":
            path, interfaces = signal.body
            assert path not in self.objects, f"{path} came twice"
            self.objects[path] = known_parts(interfaces)
            if LINK in self.objects[path]:
                adds_up(path, self.objects[path][LINK])
        elif signal.member == "InterfacesRemoved":
            path, interfaces = signal.body
            known = self.objects.pop(path)
            assert set(known) <= set(interfaces), f"{path}: {interfaces}"
        elif signal.member == "PropertiesChanged":
            interface, changed, invalidated = signal.body
            known = self.objects[signal.path][interface]
            assert not invalidated, f"{signal.path}: {invalidated} without value"
            for name, value in plain(changed).items():
                assert known[name] != value, f"{signal.path}: {name} is {value} as before"
                known[name] = value
            if interface == LINK:
                adds_up(signal.path, known)

    def await_truth(self):
        """Returns when it knows exactly what the service says when asked."""
        def difference():
            truth, known = self.read(), self.follow()
            return {path: (known.get(path), truth.get(path)) for path in known.keys() | truth.keys()
                    if known.get(path) != truth.get(path)}
        self.bus.wait(lambda: not difference(), what=lambda: f"(signals, Get): {difference()}")
