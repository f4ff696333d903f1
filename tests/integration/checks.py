# SPDX-License-Identifier: LGPL-2.1-or-later
"""What many tests assert."""

import time
from contextlib import contextmanager

import pytest

from bus import BusError, Signal
from links import counter
from names import MANAGER, ROOT


def rule(condition, result="YES"):
    function = f"function(action, subject) {{ if ({condition}) return polkit.Result.{result}; }}"
    return f"polkit.addRule({function});"


EVERYBODY = rule("true")


@contextmanager
def nothing_changes(bus, *names):
    """A failed call changes nothing: not these links' counters, no property, no object; nothing is told."""
    def state():
        return bus.objects(), bus.references(), bus.get_all(ROOT, MANAGER), [counter(name) for name in names]
    before, since = state(), len(bus.log)
    yield
    assert state() == before
    assert not [s for s in bus.log[since:] if isinstance(s, Signal)]


def error_of(call, *arguments, **more):
    """→ name, message"""
    with pytest.raises(BusError) as e:
        call(*arguments, **more)
    return e.value.name, e.value.message


@contextmanager
def within(seconds):
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds, f"{took:.3f} s"
