# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers who do their worst, in numbers, on a machine with ten links: others are answered as always."""

from contextlib import contextmanager

import pytest

from checks import EVERYBODY
from crowd import NO_REPLY_EXPECTED, Bystander, Call, Crowd
from links import await_agreement, counter, index_of, ip_batch
from names import (DBUS, DBUS_ERROR, DENIED, INVALID, LIMIT, LINK, MANAGER, NEEDS_INTERACTION, NO_SUCH_LINK,
                   NO_SUCH_REFERENCE, PROMPT, PROPERTIES, REFERENCE, ROOT, SLOWNESS, UNKNOWN_OBJECT, link_path,
                   reference_path)
from polkit import UNANSWERED

MANY = 10000
ENOUGH = 20     # calls of a bystander's while an attack lasts

# The bus daemon takes turns between connections, not calls, and spends several times as long on a call as the service.
# So the wait behind what is already on its way is the daemon's work: an attack on the service is bounded to this many
# calls at a time, which the daemon does in some 20 ms.
AT_A_TIME = 256


@pytest.fixture
def ten(root, links):
    """The indices of nine links; the tenth is lo."""
    ip_batch(f"link add x{i} up type ifb" for i in range(9))
    await_agreement(root, "x8")
    return [index_of(f"x{i}") for i in range(9)]


@pytest.fixture
def undisturbed(root, client, ten):
    """undisturbed() → a context in which a bystander's ordinary calls, reading, acquiring and releasing, take at most
    100 ms longer than an idle service's would. Enter it before there is a crowd, whose connections it must not have
    open, too."""
    victim = ten[8]
    calls = [
        (link_path(victim), PROPERTIES, "Get", "ss", (LINK, "Promiscuity")),
        (ROOT, MANAGER, "GetLinkByName", "s", ("x8",)),
        (link_path(victim), PROPERTIES, "GetAll", "s", (LINK,)),
        (link_path(victim), LINK, "Acquire", "sa{sv}", ("as always", {}))]

    @contextmanager
    def context():
        bystander = Bystander(client(), client(), calls)
        try:
            yield bystander
        finally:
            times = bystander.stop()
        assert len(times) >= ENOUGH
        slowest = max(times, key=lambda t: t[0] - t[1])
        assert slowest[0] - slowest[1] < PROMPT, slowest
    return context


def repeated(bystander, calls):
    """The calls, and again until the bystander has made enough of its own."""
    calls, already = list(calls), bystander.count()
    yield from calls
    while bystander.count() < already + ENOUGH:
        yield from calls[:AT_A_TIME]


def acquire(index, reason="mine", **how):
    return Call(link_path(index), LINK, "Acquire", "sa{sv}", (reason, {}), **how)


def units(links):
    """The kernel's counters of so many links in all."""
    return sum(counter(f"x{i}") for i in range(links))


def cpu_time(pid):
    """In ticks."""
    with open(f"/proc/{pid}/stat") as f:
        return sum(int(word) for word in f.read().rsplit(")", 1)[1].split()[11:13])


@pytest.mark.parametrize("allowed", [False, True])
def test_acquire(service, root, ten, undisturbed, polkit, allowed):
    """10,000 calls of one user's: more than it may have answered or asked about."""
    polkit.rules(EVERYBODY if allowed else "")
    with undisturbed() as bystander:
        crowd = Crowd(8, "caller1")
        outcomes = crowd.send_some_at_a_time(
            repeated(bystander, (acquire(ten[n % 8]) for n in range(MANY))), AT_A_TIME)
        held = outcomes.pop(None, 0)
        # If polkit takes longer than the service waits for it, whoever finds the limit reached is denied instead.
        denied = outcomes.pop(DENIED, 0)
        assert (denied > 0) == (UNANSWERED in service.stderr())
        assert outcomes.keys() <= {LIMIT, NEEDS_INTERACTION}
        assert outcomes[LIMIT] + denied > MANY // 2
        mine = [r for r in root.references() if r["Reason"] == "mine"]
        assert len(mine) == held == units(8)
        assert held <= 256 and held + denied > 0 if allowed else held == 0
        crowd.leave()
        root.wait(lambda: not [r for r in root.references() if r["Reason"] == "mine"], what="all ended")
    assert units(8) == 0


def test_1000_connections(root, ten, undisturbed, polkit):
    """The bus allows a user 256; these are of five users. Some hold references, all ask for more, and then they all
    leave at once."""
    polkit.rules(EVERYBODY)
    with undisturbed() as bystander:
        crowd = Crowd(200, "daemon", "bin", "sys", "games", "man")
        outcomes = crowd.send_some_at_a_time((acquire(ten[n % 8]) for n in range(200)), 40)
        assert outcomes == {None: 200}
        assert units(8) == 200
        assert crowd.send_some_at_a_time(
            repeated(bystander, (acquire(ten[n % 8], "") for n in range(MANY))), AT_A_TIME).keys() == {INVALID}
        crowd.leave()
        root.wait(lambda: not [r for r in root.references() if r["UserId"]], what="all ended")
    assert units(8) == 0


def test_unread(ten, undisturbed):
    """Ten thousand answers that nobody fetches, of calls as many at a time as the bus allows a connection."""
    calls = [Call(link_path(ten[0]), PROPERTIES, "GetAll", "s", (LINK,)),
             Call(ROOT, MANAGER, "ListLinks"), acquire(ten[0], "")]
    with undisturbed() as bystander:
        crowd = Crowd(AT_A_TIME // 128, "caller1")
        sent = 0
        while sent < MANY or bystander.count() < ENOUGH:
            crowd.send(calls * 100, reads=False)
            sent += 300
        crowd.leave()
    assert units(8) == 0


def nonsense(index, id):
    """Call → its outcome"""
    release = "Release", "t"
    return {
        **{acquire(index, reason): INVALID for reason in (
            "", "a\nb", "\n", "\t", "\x1b[2J", "\x7f", "\u202e", "a" * 257, "x" * 60000)},
        Call(link_path(index), LINK, "Acquire", "sa{sv}", ("good", {"colour": ("s", "red\n")})): INVALID,
        Call(link_path(index), LINK, "Acquire", "s", ("good",)): INVALID,
        Call(link_path(index), LINK, "Acquire", "aaaaa(sv)", ([],)): INVALID,
        Call(link_path(index), LINK, "Release", "s", ("1",)): INVALID,
        Call(ROOT, MANAGER, "GetLinkByIndex", "t", (index,)): INVALID,
        Call(link_path(index), LINK, "NoSuchMethod", "s", ("good",)): DBUS_ERROR + "UnknownMethod",
        Call(link_path(index), "no.such.Interface", "Acquire"): DBUS_ERROR + "UnknownMethod",
        Call(link_path(4711), LINK, "Acquire", "sa{sv}", ("good", {})): UNKNOWN_OBJECT,
        Call(ROOT + "/no/such/object", LINK, "Acquire", "sa{sv}", ("good", {})): UNKNOWN_OBJECT,
        Call(reference_path(id + 1), REFERENCE, "Release"): UNKNOWN_OBJECT,
        Call(ROOT, MANAGER, "GetLinkByName", "s", ("no such\nlink",)): NO_SUCH_LINK,
        # guessed
        **{Call(link_path(index), LINK, *release, (guess,)): NO_SUCH_REFERENCE for guess in (
            0, 1, id - 1, id + 1, 2 ** 63, 2 ** 64 - 1)},
        # somebody else's, on another link; and on its own
        Call(link_path(index + 1), LINK, *release, (id,)): NO_SUCH_REFERENCE,
        Call(link_path(index), LINK, *release, (id,)): NEEDS_INTERACTION,
        Call(reference_path(id), REFERENCE, "Release"): NEEDS_INTERACTION,
    }


def test_nonsense(root, ten, undisturbed, polkit):
    id, _ = root.acquire(ten[0], "root's")
    cases = nonsense(ten[0], id)
    with undisturbed():
        crowd = Crowd(8, "caller1")
        for call, outcome in cases.items():
            count = MANY // len(cases)
            outcomes = crowd.send_some_at_a_time([call] * count, AT_A_TIME)
            if outcome == NEEDS_INTERACTION:
                # polkit is asked about a few at a time
                outcomes[outcome] += outcomes.pop(LIMIT, 0)
            assert outcomes == {outcome: count}, call.bytes
        crowd.leave()
        # What is no D-Bus message costs the connection, and never comes here.
        for call in (acquire(ten[0], "good").replaced(b"good", b"g\xffod"),
                     acquire(ten[0], "good").replaced(b"good", b"go\0d"),
                     acquire(ten[0], "good").replaced(b"sa{sv}", b"sa{vs}")):
            crowd = Crowd(100, "caller1")
            assert crowd.send([call] * 100) == {"closed": 100}
            crowd.leave()
    assert [r["Reason"] for r in root.references() if r["Id"] == id] == ["root's"]
    assert units(8) == 1


def test_first_calls_of_a_crowd(service, client, ten, polkit):
    """The bus is asked who each caller is, some at a time, and the calls wait for that. Nobody is turned away because
    others wait."""
    crowd = Crowd(200, "daemon", "bin", "sys", "games", "man")
    newcomer = client()
    service.pause()
    crowd.send([acquire(ten[0])] * 1000, reads=False)
    newcomer.settle()
    serial = newcomer.send_acquire(ten[0])
    newcomer.settle()
    service.resume()
    assert newcomer.reply(serial)
    crowd.settle()
    crowd.leave()
    assert units(8) == 1


def test_all_at_once(service, client, ten, polkit):
    """10,000 open calls are the daemon's work for most of a second, and everybody waits for that; but they are its
    work, and not the service's. Nobody is refused anything for it."""
    pid = client().bus("GetConnectionUnixProcessID", "s", DBUS)[0]
    victim = link_path(ten[8])
    bystander = Bystander(client(), client(), [(victim, PROPERTIES, "GetAll", "s", (LINK,)),
                                               (victim, LINK, "Acquire", "sa{sv}", ("as always", {}))])
    try:
        crowd = Crowd(100, "caller1")
        before = cpu_time(service.pid), cpu_time(pid)
        crowd.send([acquire(ten[0])] * MANY)
        crowd.send([acquire(ten[0], flags=NO_REPLY_EXPECTED)] * MANY)
        crowd.settle()
        ours, daemons = cpu_time(service.pid) - before[0], cpu_time(pid) - before[1]
    finally:
        bystander.stop()
    crowd.leave()
    assert 0 < ours < daemons * SLOWNESS
    assert units(8) == 0
