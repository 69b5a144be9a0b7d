"""When a topology's machines are left alone: while a show is on, and while somebody has frozen it by hand.

Called by the verbs that change machines, and by `show freeze`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from primetime.calendar import Broadcast, broadcasts, on_air
from primetime.cloud.found import Aws
from primetime.cloud.wanted import OWNER, cloud_of
from primetime.drivers.autoscaling import AutoScaleGroup
from primetime.errors import PrimetimeError
from primetime.guard.marks import BY_HAND, ENDED, FROZEN, SUSPENDED
from primetime.topology import Topology


def freeze(services: Aws, topology: Topology, frozen: bool) -> list[str]:
    """Suspend, or let go on, what would take members of its groups away; the groups that were changed.

    The groups themselves keep whether they are frozen: every operator sees it, and guards, which do the same by the
    calendar, leave it so.
    """
    groups = _groups(services, topology)
    if not groups:
        raise PrimetimeError(f"{topology.name} is not up: bin/primetime up -t {topology.given} --yes makes it")
    changed = [each.name for each in groups if is_frozen(each) != frozen]
    for each in groups:
        says = BY_HAND if frozen else ENDED
        if each.tags.get(FROZEN, "") != says and (frozen or is_frozen(each)):
            services.scaling.ex_tag_auto_scale_group(each.name, {FROZEN: says}, propagate=False)
    for name in changed:
        (services.scaling.ex_suspend if frozen else services.scaling.ex_resume)(name, SUSPENDED)
    return changed


def is_frozen(group: AutoScaleGroup) -> bool:
    return set(SUSPENDED) <= set(group.suspended)


def require_quiet(services: Aws, topology: Topology, during_show: bool, verb: str) -> None:
    """PrimetimeError while a show is on or a group is frozen, unless told `during_show`."""
    require_no_show(topology, during_show, verb)
    require_thawed(_groups(services, topology), topology, during_show, verb)


def require_no_show(topology: Topology, during_show: bool, verb: str) -> None:
    """PrimetimeError while a show is on, from its lead to the longest that it may overrun."""
    now = datetime.now(UTC)
    if (on := on_now(topology, now)) and not during_show:
        raise PrimetimeError(
            f"{on[0].name} is on until {on[0].until:%H:%M} UTC: {verb} changes nothing meanwhile: wait, or write "
            "--during-show"
        )


def on_now(topology: Topology, now: datetime) -> list[Broadcast]:
    return on_air(broadcasts(cloud_of(topology).shows, now, now + timedelta(days=1)), now)


def require_thawed(groups: Iterable[AutoScaleGroup], topology: Topology, during_show: bool, verb: str) -> None:
    """PrimetimeError when somebody has frozen one of these groups."""
    names = [each.name for each in groups if is_frozen(each)]
    if names and not during_show:
        raise PrimetimeError(
            f"{topology.name} is frozen (group {', '.join(names)}): {verb} changes nothing meanwhile: end it with "
            f"bin/primetime show freeze -t {topology.given} --end, or write --during-show"
        )


def _groups(services: Aws, topology: Topology) -> list[AutoScaleGroup]:
    return services.scaling.list_auto_scale_groups(ex_tags={OWNER: topology.name})
