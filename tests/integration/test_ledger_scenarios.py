# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole table: how many units each link has, by the kernel and by the service."""

import os

import pytest

from bus import Bus, plain
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


def units_by_kind(entries):
    units = {}
    for e in map(plain, entries):
        units[e["kind"]] = units.get(e["kind"], 0) + e["count"]
    return units


@pytest.mark.parametrize("scenario", HERE, ids=lambda scenario: scenario.name)
def test_counters(watcher, world, scenario):
    """The kernel, Holders, and ListHolders, which all add up to the counter; and no kind that is another than the table's."""
    world.build(scenario)
    counters = world.counters()
    expected = {}
    for name, holders in scenario.holders.items():
        fitting = [h for h in alternatives(holders) if sum(h.values()) == counters[name]]
        assert len(fitting) == 1, (name, counters[name])
        expected[name] = fitting[0]

    paths = {name: link_path(index_of(name)) for name in expected}

    def shown():
        links = {name: watcher.get_all(path, LINK) for name, path in paths.items()}
        for link in links.values():
            assert sum(link["Holders"].values()) == link["Promiscuity"]
            assert link["Holders"].get("unattributed", 0) == link["Unattributed"]
        return {name: link["Holders"] for name, link in links.items()}
    watcher.wait(lambda: shown() == expected, what=lambda: f"{shown()} as {expected}")
    assert {name: units_by_kind(watcher.call(path, LINK, "ListHolders")[0]) for name, path in paths.items()} == expected
