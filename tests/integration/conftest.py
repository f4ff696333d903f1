# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures: each test has a service of its own, and leaves neither links, clients nor rules behind."""

import pytest

from bus import Bus
from links import Links, Namespace, PacketSocket, Tcpdump, await_agreement
from mirror import Mirror
from polkit import Agent, FakePolkit, Polkit
from service import Service


@pytest.fixture
def links():
    links = Links()
    yield links
    links.clean()


@pytest.fixture
def client():
    """client(user) → a new client of the bus."""
    clients = []

    def new(user="root", **how):
        clients.append(Bus(user, **how))
        return clients[-1]
    yield new
    for c in clients:
        c.kill()


@pytest.fixture
def start(links):
    """start(*options, …) → a service that is ready. (With `links`, so that it outlives none of them.)"""
    services = []

    def new(*options, **how):
        services.append(Service(*options, **how))
        return services[-1].await_ready()
    yield new
    try:
        for s in services:
            s.stop()
    finally:
        for s in services:
            s.discard()


@pytest.fixture
def refuses(links):
    """refuses(*options, …) → what a service says that does not start, and whose status is not 0."""
    def new(*options, **how):
        service = Service(*options, **how)
        try:
            assert service.await_end() != 0
            return service.stderr()
        finally:
            service.discard()
    return new


@pytest.fixture
def service(start):
    return start()


@pytest.fixture
def root(client, service):
    """A client of root's that hears all signals of the service. When the test is over, whoever followed them
    must know exactly what Get says."""
    bus = client()
    mirror = Mirror(bus)
    yield bus
    if service.process.poll() is None:
        mirror.await_truth()


@pytest.fixture
def index(root, links):
    """The index of v0; its peer is v1. The service knows both, and root has heard all of it."""
    index = links.veth()
    await_agreement(root, "v0")
    await_agreement(root, "v1")
    root.settle()
    return index


@pytest.fixture(scope="session")
def the_polkit():
    polkit = Polkit()
    yield polkit
    polkit.end()


@pytest.fixture
def polkit(the_polkit):
    """polkitd with the shipped actions and no rules."""
    the_polkit.rules("")
    yield the_polkit
    the_polkit.restore()


@pytest.fixture
def fake_polkit(polkit):
    fake = FakePolkit(polkit)
    yield fake
    fake.kill()


@pytest.fixture
def agent():
    """agent(client) → an authentication agent for that client."""
    agents = []

    def new(client):
        agents.append(Agent(client))
        return agents[-1]
    yield new
    for a in agents:
        a.kill()


@pytest.fixture
def holder():
    """holder() → a packet socket of somebody else's."""
    sockets = []

    def new():
        sockets.append(PacketSocket())
        return sockets[-1]
    yield new
    for s in sockets:
        s.close()


@pytest.fixture
def tcpdump():
    """tcpdump(link) → a running tcpdump."""
    running = []

    def new(name):
        running.append(Tcpdump(name))
        return running[-1]
    yield new
    for t in running:
        if t.process.returncode is None:
            t.stop()


@pytest.fixture
def namespace():
    namespace = Namespace()
    yield namespace
    namespace.end()
