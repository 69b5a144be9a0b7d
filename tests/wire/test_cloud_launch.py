"""Members of a group wait at their launch until they have proved their roles, and `up` waits for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from primetime.cloud import machines
from primetime.cloud.found import Aws
from primetime.errors import PrimetimeError
from tests.moto_server import Moto, moto, moto_server  # noqa: F401
from tests.pocket_hooks import acting
from tests.wire.test_cloud import EVENING, quiet, small_bundle  # noqa: F401

GROUP = "evening-collector"


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
    with pytest.raises(PrimetimeError, match=r"1 healthy members of 2.*left their logs .*under hosts/collector/"):
        machines.wait_until_healthy(services, EVENING, quiet, within_s=0)
    services.scaling.ex_complete_hook(GROUP, "configure", second, proceed=True)
    machines.wait_until_healthy(services, EVENING, quiet, within_s=0)


def test_down_removes_who_waits_at_a_launch_and_who_was_abandoned(services: Aws) -> None:
    abandoned, waiting = members(services)
    services.scaling.ex_complete_hook(GROUP, "configure", abandoned, proceed=False)
    assert members(services) == {waiting: "Pending:Wait"}
    machines.down(services, EVENING.name, quiet)
    assert machines.left(services, EVENING.name)[0] == []
