# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole table: how many units each link has, by the kernel and by the service."""

import os

import pytest

from bus import Bus
from ledger_scenarios import SCENARIOS, needs
from ledger_world import World, has
from links import index_of
from names import LINK, link_path
from service import Service

LACKING = {feature for feature in set().union(*map(needs, SCENARIOS)) if not has(feature)}
HERE = [scenario for scenario in SCENARIOS if not needs(scenario) & LACKING]


@pytest.fixture
def world():
    world = World()
    yield world
    world.clean()


@pytest.fixture(scope="module")
def watcher():
    """A client of a service that is there for all rows."""
    # Some changes have no event.
    service = Service("--resync-sec=1").await_ready()
    bus = Bus().subscribe()
    try:
        yield bus
        service.stop()
    finally:
        bus.kill()
        service.discard()


# Where it is known what the kernel lacks, nothing else is left out.
if "PROMISC_TEST_LACKING" in os.environ:
    def test_what_is_left_out():
        assert LACKING == set(os.environ["PROMISC_TEST_LACKING"].split())


def alternatives(holders):
    """What may hold a link's units on one kernel or another. They differ in how many."""
    return holders if isinstance(holders, list) else [holders]


@pytest.mark.parametrize("scenario", HERE, ids=lambda scenario: scenario.name)
def test_counters(watcher, world, scenario):
    world.build(scenario)
    counters = world.counters()
    units = {name: counters[name] for name in scenario.holders}
    for name, holders in scenario.holders.items():
        assert units[name] in [sum(h.values()) for h in alternatives(holders)], name

    paths = {name: link_path(index_of(name)) for name in units}

    def shown():
        return {name: watcher.get(path, LINK, "Promiscuity") for name, path in paths.items()}
    watcher.wait(lambda: shown() == units, what=lambda: f"{shown()} as {units}")
