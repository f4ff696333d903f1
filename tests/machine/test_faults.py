# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fault at each step of what makes and ends a reference, one step after the other until there is none left."""

import errno
import os

import pytest

from away import crash
from bus import Bus, BusError
from faults import DESCRIPTOR, FAIL, FILE, KILL, MEMBERSHIP, MEMORY, Faults
from links import await_agreement, counter
from names import DBUS_ERROR, LIMIT, LINK, MANAGER, ROOT, link_path
from units import SERVICE, await_service, main_pid, systemctl, watch_service

RECORDS = "/run/promisc/references"
FIFOS = "/run/promisc/descriptors"
STEPS_MAX = 1000


@pytest.fixture
def faults():
    faults = Faults()
    # The steps are many, and each is a crash.
    yield faults
    systemctl("stop", SERVICE)
    faults.remove()


class World:
    """One reference that stays all the while, and somebody who comes and goes."""

    def __init__(self, watcher, newcomer, name, index):
        self.watcher, self.newcomer, self.name, self.index = watcher, newcomer, name, index
        self.ids = set()

    def begin(self):
        """As if nothing had been before: what a fault left behind would make the next way another one."""
        systemctl("stop", SERVICE)
        self.await_it()
        self.stays = self.watcher.acquire(self.index, "stays")[0]
        self.given(self.stays)

    def await_it(self):
        """The service that answers now, which may be another one."""
        self.watcher.wait(lambda: self.answers(), what="an answer of the service")

    def answers(self):
        try:
            self.watcher.manager("ListLinks")
        except BusError:
            return False
        return True

    def check(self):
        """The kernel, the records and what is told are of one mind. → the references besides the one that stays"""
        self.await_it()
        references = self.watcher.references()
        ids = {r["Id"] for r in references}
        assert len(ids) == len(references) == self.watcher.get(ROOT, MANAGER, "References")
        assert self.stays in ids, (self.stays, ids)
        assert counter(self.name) == len(ids)
        assert {int(name) for name in os.listdir(RECORDS)} == ids
        assert self.watcher.get(link_path(self.index), LINK, "Promiscuity") == len(ids)
        fifos = {int(name) for name in os.listdir(FIFOS)}
        assert fifos == {r["Id"] for r in references if r["Lifetime"] == "descriptor"}
        return ids - {self.stays}

    def given(self, id):
        """No id is given twice."""
        assert id not in self.ids
        self.ids.add(id)

    def release_all(self, ids):
        for id in ids:
            self.watcher.release(self.index, id)
        assert self.check() == set()


@pytest.fixture
def newcomer(client):
    """newcomer() → a client of root's who takes descriptors."""
    clients = []

    def new():
        clients.append(Bus("root", descriptors=True))
        return clients[-1]
    yield new
    for c in clients:
        c.kill()


@pytest.fixture(params=["veth", "tun"])
def world(request, faults, root, links, newcomer):
    name = {"veth": "v0", "tun": "t0"}[request.param]
    index = links.veth() if name == "v0" else links.tun("t0")
    await_agreement(root, name)
    return World(watch_service(root), newcomer, name, index)


def outcome(call, *arguments):
    """→ what it returned, or the name of the error"""
    try:
        return call(*arguments), None
    except BusError as e:
        return None, e


def walk(faults, world, step, fault=KILL, **how):
    """step(n) with the fault at its n-th place, until there is no such place. → the functions that were hit"""
    hit = []
    for n in range(1, STEPS_MAX):
        if n == 1 or fault == KILL:
            world.begin()
        prepared = step.prepare()
        faults.arm(fault, n, **how)
        step(prepared)
        world.await_it()
        name = faults.disarm()
        step.check(prepared, name)
        if name is None:
            assert step.error is None, step.error
            return hit
        hit.append(name)
    raise AssertionError(f"more than {STEPS_MAX} steps: {hit}")


def walk_all(faults, world, step, wanted):
    """Walks until all wanted functions were hit. What happens meanwhile can move one behind the place of its turn."""
    hit = set()
    for _ in range(3):
        hit.update(walk(faults, world, step))
        if wanted <= hit:
            return
    raise AssertionError(f"never hit: {wanted - hit}")


class Acquire:
    """Either it is there, or nothing is."""

    def __init__(self, world, method="acquire"):
        self.world, self.method = world, method

    def prepare(self):
        return self.world.newcomer()

    def __call__(self, client):
        self.result, self.error = outcome(getattr(client, self.method), self.world.index)

    def check(self, client, name):
        ids = self.world.check()
        if self.result:
            self.world.given(self.result[0])
            assert ids == {self.result[0]}, name
        else:
            assert len(ids) <= 1, name
            for id in ids:
                self.world.given(id)
        if self.result and len(self.result) > 2:
            os.close(self.result[2])
            self.world.watcher.await_released(self.result[0])
        else:
            # For a descriptor that never arrived nobody holds the other end.
            for id in ids:
                if id in self.world.check():
                    self.world.watcher.release(self.world.index, id)
        assert self.world.check() == set()


class Release:
    def __init__(self, world):
        self.world = world

    def prepare(self):
        client = self.world.newcomer()
        id = client.acquire(self.world.index)[0]
        self.world.given(id)
        return client, id

    def __call__(self, prepared):
        client, id = prepared
        _, self.error = outcome(client.release, self.world.index, id)

    def check(self, prepared, name):
        _, id = prepared
        left = self.world.check()
        assert left <= {id}, name
        if self.error is None:
            assert left == set(), name
        self.world.release_all(left)


class Leave:
    """The owner leaves: it ends, whenever the service is killed."""

    error = None

    def __init__(self, world):
        self.world = world

    prepare = Release.prepare

    def __call__(self, prepared):
        prepared[0].kill()
        assert self.world.watcher.await_released(prepared[1]) == "owner-vanished"

    def check(self, prepared, name):
        assert self.world.check() == set(), name


@pytest.mark.parametrize("world, method", [("tun", "acquire"), ("veth", "acquire_descriptor")], indirect=["world"])
def test_killed_at_each_step_of_acquire(faults, world, method):
    walk_all(faults, world, Acquire(world, method), {"openat64", "write", "renameat", "setsockopt", "sendmsg",
                                                     "mkfifoat" if method == "acquire_descriptor" else "pipe2"})


@pytest.mark.parametrize("world", ["veth"], indirect=True)
def test_killed_at_each_step_of_release(faults, world):
    walk_all(faults, world, Release(world), {"setsockopt", "unlinkat", "sendmsg"})


@pytest.mark.parametrize("world", ["veth"], indirect=True)
def test_killed_at_each_step_of_an_end(faults, world):
    walk_all(faults, world, Leave(world), {"setsockopt", "unlinkat", "sendmsg"})


REFUSALS = {DBUS_ERROR + "NoMemory", DBUS_ERROR + "Failed"}
NO_SERVICE = {DBUS_ERROR + "NoReply", DBUS_ERROR + "Disconnected"}


class Refused(Acquire):
    """What fails changes nothing, says so, and is no reason for the service to leave."""

    def __init__(self, world, method, errors):
        super().__init__(world, method)
        self.errors, self.refused = errors, 0

    def prepare(self):
        self.pid = main_pid()
        return super().prepare()

    def check(self, client, name):
        if self.error:
            assert self.error.name in self.errors, (name, self.error)
            assert self.world.check() == set(), name
            assert main_pid() == self.pid or self.error.name in NO_SERVICE, name
            self.refused += 1
        super().check(client, name)
        client.kill()


@pytest.mark.parametrize("world, method", [("tun", "acquire"), ("veth", "acquire_descriptor")], indirect=["world"])
@pytest.mark.parametrize("kind, error", [(FILE, errno.EROFS), (FILE, errno.ENOSPC), (FILE, errno.EIO),
                                         (DESCRIPTOR, errno.EMFILE), (MEMBERSHIP, errno.ENOBUFS)],
                         ids=["EROFS", "ENOSPC", "EIO", "EMFILE", "ENOBUFS"])
def test_each_error_of_acquire(faults, world, method, kind, error):
    step = Refused(world, method, REFUSALS | ({LIMIT} if error == errno.EMFILE else set()))
    hit = walk(faults, world, step, FAIL, classes=kind, error=error)
    assert hit and step.refused > 0, " ".join(hit)


class LetGo(Release):
    """It ends, whatever becomes of its record; one that cannot be removed is none of a reference later."""

    def check(self, prepared, name):
        _, id = prepared
        assert self.error is None, (name, self.error)
        assert {r["Id"] for r in self.world.watcher.references()} == {self.world.stays}
        assert counter(self.world.name) == 1
        crash(self.world.watcher)
        assert self.world.check() == set(), name
        with pytest.raises(BusError):
            self.world.watcher.release(self.world.index, id)


@pytest.mark.parametrize("world", ["veth"], indirect=True)
@pytest.mark.parametrize("error", [errno.EROFS, errno.EIO], ids=["EROFS", "EIO"])
def test_each_error_of_release(faults, world, error):
    assert "unlinkat" in walk(faults, world, LetGo(world), FAIL, classes=FILE, error=error)


@pytest.mark.parametrize("world, method", [("tun", "acquire"), ("veth", "acquire_descriptor")], indirect=["world"])
def test_no_memory_at_each_step_of_acquire(faults, world, method):
    """sd-bus cannot always answer without memory: then systemd starts the service anew, and all that was held still is."""
    step = Refused(world, method, REFUSALS | NO_SERVICE)
    hit = walk(faults, world, step, FAIL, classes=MEMORY, error=errno.ENOMEM)
    assert len(hit) > 20 and step.refused > 5, " ".join(hit)


@pytest.mark.parametrize("world", ["veth"], indirect=True)
def test_no_memory_at_each_step_of_release(faults, world):
    hit = walk(faults, world, Release(world), FAIL, classes=MEMORY, error=errno.ENOMEM)
    assert len(hit) > 5, " ".join(hit)
