# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the README and the policy give as examples works as it is."""

import os
import select
import signal
import subprocess
import time

import pytest

from links import PacketSocket, ip
from names import BUILD, DEADLINE, LINK, NAME, SOURCE, link_path

WATCH = {
    "c": [BUILD + "/examples/watch"],
    "python": ["/usr/bin/python3", SOURCE + "/examples/python/watch.py"],
    "shell": ["bash", SOURCE + "/examples/shell/watch.sh"],
}


@pytest.fixture
def watch(links):
    """watch(language) → the running example."""
    running = []

    def new(language):
        # A group of its own, because a shell has children; unbuffered, because select() knows no buffer.
        running.append(subprocess.Popen(WATCH[language], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0, start_new_session=True))
        return running[-1]
    yield new
    for p in running:
        os.killpg(p.pid, signal.SIGKILL)
        p.communicate()


def changes(name, *steps):
    return [f"{name} {old} -> {new} (event)\n".encode() for old, new in steps]


def follow(lines, name, index):
    """Changes the counter until the example, which may not have subscribed yet, says so.
    From then on it must say all."""
    first, second = PacketSocket(), PacketSocket()
    end = time.monotonic() + DEADLINE
    while not select.select([lines], [], [], 0.01)[0]:
        assert time.monotonic() < end, "says nothing"
        first.add(index)
        first.drop(index)

    for step in first.add, second.add, second.drop, first.drop:
        step(index)
    said = []
    while said[-3:] != changes(name, (1, 2), (2, 1), (1, 0)):
        assert select.select([lines], [], [], DEADLINE)[0], said
        said.append(lines.readline())
        assert said[-1], said
    assert all(line in changes(name, (0, 1), (1, 0)) for line in said[:-3]), said
    for s in first, second:
        s.close()


@pytest.mark.parametrize("language", WATCH)
def test_watch(watch, service, links, language):
    index = links.veth("old0", "old1")
    lines = watch(language).stdout
    follow(lines, "old0", index)
    follow(lines, "new0", links.veth("new0", "new1"))
    # A name that JSON quotes and the bus escapes.
    follow(lines, 'n"\\xff', links.veth(b'n"\xff', "peer0"))


@pytest.mark.parametrize("language", WATCH)
def test_watch_before_the_service(watch, start, links, language):
    index = links.veth("new0", "new1")
    example = watch(language)
    assert select.select([example.stderr], [], [], DEADLINE)[0]
    assert example.stderr.readline().split()[0] in (b"Watching;", b"Monitoring")
    start()
    follow(example.stdout, "new0", index)
    assert not select.select([example.stderr], [], [], 0)[0], example.stderr.read(4096)


@pytest.mark.parametrize("language", WATCH)
def test_watch_link_that_went(watch, service, links, language):
    index = links.veth("old0", "old1")
    lines = watch(language).stdout
    follow(lines, "old0", index)
    # The service hears of a change and that the link has gone at once: nobody can ask it for the name.
    service.pause()
    with PacketSocket() as holder:
        holder.add(index)
    ip("link", "del", "old0")
    service.resume()
    for change in changes(link_path(index), (0, 1), (1, 0)):
        assert select.select([lines], [], [], DEADLINE)[0]
        assert lines.readline() == change


def test_watch_refused():
    done = subprocess.run(WATCH["shell"], stdin=subprocess.DEVNULL, capture_output=True,
                          user="caller1", group="caller1", extra_groups=[])
    assert done.returncode == 1
    assert done.stdout == b"" and b"BecomeMonitor" in done.stderr, done


def test_readme_shows_them():
    with open(SOURCE + "/README.md") as f:
        readme = f.read()
    for path in "c/watch.c", "python/watch.py", "shell/watch.sh":
        with open(f"{SOURCE}/examples/{path}") as f:
            assert f"\n{f.read()}```\n" in readme, path


@pytest.fixture
def capture_group():
    # In place: the sandbox has its own file mounted there.
    with open("/etc/group", "r+") as f:
        size = f.seek(0, os.SEEK_END)
        f.write("capture:x:4242:caller1\n")
    yield 4242
    os.truncate("/etc/group", size)


def acquire(user, groups, index):
    """busctl's exit status and what it complains of. The reference goes with busctl."""
    done = subprocess.run(["busctl", "call", NAME, link_path(index), LINK,
                           "Acquire", "sa{sv}", "an example", "0"],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          user=user, group=user, extra_groups=groups)
    return done.returncode, done.stderr.decode()


def test_rules_example(service, links, polkit, capture_group):
    named, other = links.veth("eth0", "far0"), links.veth("other0", "far1")
    with open(SOURCE + "/policy/org.example.Promisc.rules.example") as f:
        polkit.rules(f.read())

    assert acquire("caller1", [capture_group], named) == (0, "")
    for user, groups, index in ("caller1", [capture_group], other), ("caller2", [], named):
        status, complaint = acquire(user, groups, index)
        assert status == 1
        assert "access denied" in complaint.lower(), complaint
