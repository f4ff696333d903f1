# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the running service may do."""

import pwd
import socket

import pytest

from links import run
from units import SERVICE, descriptors, main_pid, passed_socket, process_status

CAP_NET_RAW = 13


@pytest.fixture
def pid(root):
    return main_pid()


def test_capabilities(pid):
    status = process_status(pid)
    assert {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapAmb", "CapBnd")} == \
        dict.fromkeys(("CapEff", "CapPrm", "CapAmb", "CapBnd"), 1 << CAP_NET_RAW)


def test_user(pid):
    status = process_status(pid)
    user = pwd.getpwnam("promisc")
    assert set(status["Uid"].split()) == {str(user.pw_uid)}
    assert set(status["Gid"].split()) == {str(user.pw_gid)}


def test_no_new_privileges_and_system_call_filter(pid):
    status = process_status(pid)
    assert status["NoNewPrivs"] == "1"
    # Besides those that hold for the whole machine.
    assert status["Seccomp"] == "2"
    assert int(status["Seccomp_filters"]) > int(process_status(1)["Seccomp_filters"])


def test_the_file_system_is_read_only(pid):
    with open(f"/proc/{pid}/mountinfo") as f:
        options = {fields[4]: fields[5].split(",") for fields in map(str.split, f)}
    assert "ro" in options["/"]
    assert "ro" in options["/home"]
    assert "rw" in options["/tmp"]


def test_exposure(root):
    run("systemd-analyze", "security", "--no-pager", "--threshold=12", SERVICE)


def test_the_netlink_socket_is_systemds(pid):
    name, passed = passed_socket(pid)
    with passed:
        assert (passed.family, passed.proto) == (socket.AF_NETLINK, socket.NETLINK_ROUTE)
        # The kernel shows twice what was asked for.
        assert passed.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 128 << 20
    assert name in descriptors(1)
