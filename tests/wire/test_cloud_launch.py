"""Members of a group wait at their launch until they have proved their roles, and `up` waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from primetime.cloud import machines, names, newcomers
from primetime.cloud.found import Aws
from primetime.errors import PrimetimeError
from primetime.topology import parse
from tests.moto_server import Moto, moto, moto_server  # noqa: F401
from tests.pocket_hooks import LAUNCHING, Hooks, acting
from tests.unit.test_cloud_plan import QUIET
from tests.wire.test_cloud import EVENING, quiet, small_bundle  # noqa: F401

GROUP = "evening-collector"
STAMP = "2026-11-29T20:00:00Z"
TRY = "not yet (try {}): no nginx"
ABANDONED = f"{STAMP} launch: ABANDON\n"


@pytest.fixture
def services(moto: Moto, small_bundle: None) -> Iterator[Aws]:  # noqa: F811
    with acting():
        services = machines.services(EVENING)
        machines.up(services, EVENING, quiet, wait=False)
        yield services


def members(services: Aws) -> dict[str, str]:
    return {each.id: each.state for each in services.scaling.list_auto_scale_group_members(GROUP)}


def test_up_waits_for_members_that_have_not_proved_their_roles(services: Aws) -> None:
    first, second = members(services)
    assert members(services) == {first: "Pending:Wait", second: "Pending:Wait"}
    services.scaling.ex_complete_hook(GROUP, "configure", first, proceed=True)
    with pytest.raises(
        PrimetimeError, match=rf"1 healthy members of 2; collector-{second} has not proved its roles yet$"
    ):
        machines.wait_until_healthy(services, EVENING, quiet, within_s=0)
    services.scaling.ex_complete_hook(GROUP, "configure", second, proceed=True)
    machines.wait_until_healthy(services, EVENING, quiet, within_s=0)


def said(services: Aws, instance: str, log: str, tmp_path: Path) -> None:
    """What a machine puts into the bucket."""
    (tmp_path / instance).write_text(log)
    services.keep(EVENING.name, names.log("collector", instance), tmp_path / instance)


def test_whoever_waits_reads_what_a_newcomer_lacks_while_it_still_tries(services: Aws, tmp_path: Path) -> None:
    first, _ = members(services)
    said(services, first, f"{STAMP} {first} of evening: bundle 1\n{TRY.format(1)}\nmore\n", tmp_path)
    told = newcomers.lacking(services, EVENING)
    assert len(told) == 1 and f"collector-{first} has not proved its roles yet (no nginx)" in told[0]
    assert newcomers.log(services, EVENING, first).endswith("more\n")


def test_of_one_that_was_given_up_it_is_told_why_and_the_next_may_do(services: Aws, tmp_path: Path) -> None:
    first, second = members(services)
    said(services, first, f"{TRY.format(1)}\n{TRY.format(2)}\n{STAMP} late: see above\n{ABANDONED}", tmp_path)
    services.scaling.ex_complete_hook(GROUP, "configure", first, proceed=False)
    failed = rf"collector-{first} did not prove its roles and was given up \(no nginx\): .*status -t .* --log {first}"
    with pytest.raises(PrimetimeError, match=rf"is not healthy after 0 s: .*{failed}"):
        machines.wait_until_healthy(services, EVENING, quiet, within_s=0)
    Hooks.refill()
    for each in members(services):
        services.scaling.ex_complete_hook(GROUP, "configure", each, proceed=True)
    assert (newcomers.lacking(services, EVENING), second in members(services)) == ([], True)


def test_two_that_fail_one_after_the_other_end_the_wait(
    services: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[str] = []

    def fails(seconds: float) -> None:
        """The next newcomer."""
        assert len(failed) < 2, "it waits for a third one"
        Hooks.refill()
        failed.append(next(each for each, state in members(services).items() if state == LAUNCHING))
        said(services, failed[-1], f"{STAMP} bundle 1 is not signed\n{ABANDONED}", tmp_path)
        services.scaling.ex_complete_hook(GROUP, "configure", failed[-1], proceed=False)

    fails(0)  # before anybody waits: it does not count
    before = failed.pop()
    monkeypatch.setattr("primetime.cloud.machines.time.sleep", fails)
    with pytest.raises(
        PrimetimeError, match=r"2 new members of group collector failed.*bundle 1 is not signed"
    ) as told:
        machines.wait_until_healthy(services, EVENING, quiet)
    assert (len(failed), f"--log {failed[-1]}" in str(told.value), before in str(told.value)) == (2, True, False)


def test_a_launch_is_held_as_long_as_its_group_says(moto: Moto, small_bundle: None) -> None:  # noqa: F811
    quick = parse(QUIET.replace("spool_gb: 20", "spool_gb: 20, configured_within: 2m"), "evening.yml")
    services = machines.services(quick)
    machines.up(services, quick, quiet, wait=False)
    held = {each.name: each.timeout_s for each in services.scaling.ex_list_hooks(GROUP)}
    assert (held["configure"], machines.healthy_s(quick)) == (120 + 300, 1500 + 600)  # its fixed groups have 25 min
    machines.up(services, EVENING, quiet, wait=False)
    held = {each.name: each.timeout_s for each in services.scaling.ex_list_hooks(GROUP)}
    assert held["configure"] == 1800


def test_down_removes_who_waits_at_a_launch_and_who_was_abandoned(services: Aws) -> None:
    abandoned, waiting = members(services)
    services.scaling.ex_complete_hook(GROUP, "configure", abandoned, proceed=False)
    assert members(services) == {waiting: "Pending:Wait"}
    machines.down(services, EVENING.name, quiet)
    assert machines.left(services, EVENING.name)[0] == []
