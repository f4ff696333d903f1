# SPDX-License-Identifier: LGPL-2.1-or-later
"""promiscctl hold when the service goes and comes back."""

import os
import select
import signal
import subprocess

import pytest
from jeepney import DBusAddress, HeaderFields, MessageFlag, new_signal

from bus import Bus
from links import counter, index_of
from names import BUILD, DEADLINE, LINK, NAME, PROPERTIES, REFERENCE, link_path, reference_path

LEFT = "promiscd has left the bus; whether it holds on is known when it is back"
NOT_RELEASED = ("Cannot release, what is held ends as we leave the bus: "
                f"promiscd is not running (nobody owns {NAME} on the bus)")


def ended(id, name, cause="promiscd came back without it"):
    return f"Reference {id} on {name} has ended: {cause}"


def lives_on(id, name):
    return f"Reference {id} on {name} lives on"


class Hold:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([BUILD + "/client/promiscctl", "hold", *arguments], bufsize=0,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def line(self):
        """What it says next."""
        assert select.select([self.process.stderr], [], [], DEADLINE)[0], "says nothing"
        return self.process.stderr.readline().decode().removeprefix("promiscctl: ").rstrip("\n")

    def lines(self, count):
        return {self.line() for _ in range(count)}

    def end(self):
        """The exit status, and what it said that was not read yet."""
        _, said = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, said.decode().replace("promiscctl: ", "").splitlines()


@pytest.fixture
def hold(links, start, client):
    """hold(name, …, command=…) → promiscctl that holds these links, their references' ids, the service"""
    running = []

    def new(*names, command=()):
        links.veth()
        service = start()
        bus = client().subscribe()
        running.append(Hold(*names, *(["--", *command] if command else [])))
        bus.wait(lambda: len(bus.references()) == len(names), what="references")
        ids = {r["InterfaceName"]: r["Id"] for r in bus.references()}
        return running[-1], [ids[name] for name in names], service
    yield new
    for h in running:
        h.process.kill()
        h.process.communicate()


def kill(service):
    service.process.kill()
    assert service.await_end() == -signal.SIGKILL


class StandIn(Bus):
    """What a process that came back is to its clients, as far as the test answers."""

    def __init__(self):
        super().__init__("promisc")
        self.bus("RequestName", "su", NAME, 4)

    def await_call(self, path, interface, member, *body):
        def found():
            fields = HeaderFields.path, HeaderFields.interface, HeaderFields.member
            return [c for c in self.calls if c.body == body and
                    [c.header.fields.get(f) for f in fields] == [path, interface, member]]
        call = self.wait(found, what=f"{member} {path}")[0]
        assert call.header.flags & MessageFlag.no_auto_start
        return call

    def await_question(self, id):
        return self.await_call(reference_path(id), PROPERTIES, "Get", REFERENCE, "Id")

    def knows(self, id):
        self.answer(self.await_question(id), "v", (("t", id),))

    def knows_not(self, id):
        self.refuse(self.await_question(id), "org.freedesktop.DBus.Error.UnknownObject")

    def released(self, id, cause):
        reference = DBusAddress(reference_path(id), interface=REFERENCE)
        self.write(new_signal(reference, "Released", "s", (cause,)))


@pytest.fixture
def stand_in():
    running = []

    def new():
        running.append(StandIn())
        return running[-1]
    yield new
    for s in running:
        s.kill()


@pytest.fixture
def activation(client):
    """The bus would start something if somebody called the service."""
    path = "/run/sandbox/system-services/org.example.Promisc.service"
    bus = client()
    with open(path, "w") as f:
        f.write(f"[D-BUS Service]\nName={NAME}\nExec=/bin/false\nUser=root\n")
    bus.bus("ReloadConfig")
    assert NAME in bus.bus("ListActivatableNames")[0]
    yield
    os.unlink(path)
    bus.bus("ReloadConfig")


def test_killed(hold, start):
    held, (first, second), service = hold("v0", "v1")
    kill(service)
    assert held.line() == LEFT
    assert counter("v0") == counter("v1") == 0
    start()
    assert held.lines(2) == {ended(first, "v0"), ended(second, "v1")}
    assert held.end() == (1, [])


def test_killed_under_a_command(hold, start):
    held, (id,), service = hold("v0", command=["sh", "-c", "read line; exit $line"])
    kill(service)
    assert held.line() == LEFT
    start()
    assert held.line() == ended(id, "v0")
    held.process.stdin.write(b"7\n")
    assert held.end() == (7, [])


def test_command_ends_while_it_is_away(hold, activation):
    held, _, service = hold("v0", "v1", command=["sh", "-c", "read line; exit $line"])
    kill(service)
    assert held.line() == LEFT
    held.process.stdin.write(b"7\n")
    assert held.end() == (7, [NOT_RELEASED])


def test_interrupted_while_it_is_away(hold, activation):
    held, _, service = hold("v0")
    kill(service)
    assert held.line() == LEFT
    held.process.send_signal(signal.SIGINT)
    assert held.end() == (0, [NOT_RELEASED])


def test_stopped(hold):
    held, (id,), service = hold("v0")
    service.stop()
    assert held.end() == (1, [ended(id, "v0", "promiscd stopped")])


def test_one_lives_on(hold, stand_in):
    held, (first, second), service = hold("v0", "v1")
    kill(service)
    assert held.line() == LEFT
    back = stand_in()
    back.knows(first)
    back.knows_not(second)
    assert held.lines(2) == {lives_on(first, "v0"), ended(second, "v1")}
    back.released(first, "expired")
    assert held.line() == ended(first, "v0", "its timeout has passed")
    assert held.end() == (1, [])


def test_away_again_before_it_answers(hold, stand_in):
    held, (id,), service = hold("v0")
    kill(service)
    assert held.line() == LEFT
    for _ in range(2):
        back = stand_in()
        back.await_question(id)
        back.kill()
        assert held.line() == LEFT
    back = stand_in()
    back.knows(id)
    assert held.line() == lives_on(id, "v0")
    held.process.send_signal(signal.SIGINT)
    back.answer(back.await_call(link_path(index_of("v0")), LINK, "Release", id))
    assert held.end() == (0, [])
