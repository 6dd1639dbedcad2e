from __future__ import annotations

import os

from seatrial.platforms.machine import describe


def test_a_machine_is_described_by_plain_facts():
    facts = describe()
    assert facts["cpus"] >= 1
    assert facts["memory_total"] > facts["memory_available"] > 0
    assert facts["disk_free"] > 0
    assert facts["root"] is (os.geteuid() == 0)
    assert isinstance(facts["user_namespaces"], bool)
    assert facts["open_files"] > 0
    first, _, last = str(facts["ports"]).partition("-")
    assert int(first) < int(last)
    assert all(isinstance(value, str | int) for value in facts.values())
