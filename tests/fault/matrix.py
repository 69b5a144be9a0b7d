"""The matrix: every fault there is a test of, and where."""

from __future__ import annotations

from tests.fault import clock, damage, deliveries, disk, killed, network, power
from tests.fault.faults import Elsewhere, Fault

FAULTS: list[Fault] = [
    *killed.FAULTS,
    *network.FAULTS,
    *disk.FAULTS,
    *power.FAULTS,
    *damage.FAULTS,
    *clock.FAULTS,
    *deliveries.FAULTS,
]

COLLECTOR_DISK = "tests/wire/test_collector_disk.py"
ELSEWHERE = [
    Elsewhere(
        "shipper killed -9 at every step of its work",
        (
            "tests/wire/test_shipper_steps.py::test_killed_at_every_step_it_stores_and_counts_each_event_once",
            "tests/unit/test_shipper_hbase.py::test_killed_at_any_call_each_event_is_stored_once_and_the_ledger_is_right",
            "tests/wire/test_redis_sink.py::test_killed_at_any_call_each_event_counts_once",
        ),
    ),
    Elsewhere(
        "disk frozen: all that waits is refused in time, and what waits has a limit",
        (
            f"{COLLECTOR_DISK}::test_a_frozen_disk_makes_nobody_wait_past_the_deadline",
            f"{COLLECTOR_DISK}::test_what_gathers_while_the_disk_is_stuck_has_a_limit",
        ),
    ),
    Elsewhere(
        "a write or a sync fails",
        (
            f"{COLLECTOR_DISK}::test_after_a_failed_write_what_was_acknowledged_is_sealed_and_writing_goes_on",
            f"{COLLECTOR_DISK}::test_a_failed_sync_is_not_acknowledged",
        ),
    ),
    Elsewhere(
        "segments damaged or lost, and a damaged position: named",
        (
            "tests/wire/test_planted_defects.py::test_a_damaged_segment_is_named_and_so_is_what_is_missing",
            "tests/wire/test_planted_defects.py::test_a_corrupt_position_names_its_segment",
            "tests/wire/test_planted_defects.py::test_a_lost_segment_is_named",
        ),
    ),
]
