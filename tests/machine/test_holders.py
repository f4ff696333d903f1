# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who holds a counter, with the processes and their units: of all users, by the one program that may look."""

import os
import subprocess

import pytest

from bus import plain
from links import PacketSocket
from names import LINK, link_path
from units import SERVICE, main_pid, process_status, show, systemctl

SOCKET_UNIT, SERVICE_UNIT = "promisc-identify.socket", "promisc-identify.service"
HOLD = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.setsockopt(263, 1, struct.pack("iHH8s", int(sys.argv[1]), 1, 0, b""))
print("ready", flush=True)
sys.stdin.read()
"""


def holders(bus, index):
    return [plain(h) for h in bus.call(link_path(index), LINK, "ListHolders")[0]]


@pytest.fixture
def daemon(index):
    """A service of its own that has a socket, as another user."""
    process = subprocess.Popen(
        ["systemd-run", "--quiet", "--pipe", "--wait", "--unit=capture.service", "--uid=caller1",
         "--property=AmbientCapabilities=CAP_NET_RAW", "/usr/bin/python3", "-c", HOLD, str(index)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    yield int(show("capture.service", "MainPID"))
    process.stdin.close()
    assert process.wait() == 0


def test_processes_and_units(root, index, daemon):
    with PacketSocket() as own:
        own.add(index)
        id, path = root.acquire(index, "to be seen")
        entries = holders(root, index)
        assert sum(h["count"] for h in entries) == 3
        by_kind = {(h["kind"], h["uid"]): h for h in entries}
        (pid, _, unit), = by_kind["packet-socket", 0]["processes"]
        assert (pid, unit) == (os.getpid(), "tests.scope")
        uid = int(process_status(daemon)["Uid"].split()[0])
        assert by_kind["packet-socket", uid]["processes"] == [(daemon, "python3", "capture.service")]
        reference = next(h for h in entries if h["kind"] == "reference")
        assert reference["reference"] == path and reference["reason"] == "to be seen"
        (pid, _, unit), = reference["processes"]
        assert pid == next(r["ProcessId"] for r in root.references() if r["Id"] == id)
        assert unit == "tests.scope"
        root.release(index, id)


def test_rights_are_apart(root, index):
    with PacketSocket() as own:
        own.add(index)
        assert holders(root, index)[0]["processes"]
    assert process_status(main_pid())["CapPrm"] == "0000000000002000"
    pid = int(show(SERVICE_UNIT, "MainPID"))
    status = process_status(pid)
    assert status["CapPrm"] == status["CapEff"] == "0000000000080004"
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


@pytest.mark.parametrize("how", ["missing", "failing"])
def test_without_it_there_are_inodes(root, index, how):
    path = "/usr/libexec/promisc-identify"
    with PacketSocket() as own:
        own.add(index)
        systemctl("stop", SOCKET_UNIT, SERVICE_UNIT)
        try:
            if how == "failing":
                os.chmod(path, 0o644)
                systemctl("start", SOCKET_UNIT)
            entry, = holders(root, index)
        finally:
            os.chmod(path, 0o755)
            systemctl("reset-failed")
        assert (entry["inode"], entry["uid"]) == (os.fstat(own.sock.fileno()).st_ino, 0)
        assert entry["processes"] == [] and entry["incomplete"] is True
    systemctl("restart", SERVICE)


def test_it_may_crash_often(root, index):
    """Neither it nor its socket has a limit of starts, which would end in no processes for good."""
    with PacketSocket() as own:
        own.add(index)
        for _ in range(8):
            assert holders(root, index)[0]["processes"]
            systemctl("kill", "--signal=SIGKILL", SERVICE_UNIT)
        assert holders(root, index)[0]["processes"]
    for _ in range(8):
        systemctl("restart", SERVICE)
    assert show(SOCKET_UNIT, "ActiveState") == "active"
