"""An instance as its group, its balancer and its metadata see it. Called by agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from primetime.drivers.autoscaling import AutoScaleMember, AutoScalingDriver
from primetime.drivers.aws.metadata import Metadata
from primetime.drivers.balancing import BalancingDriver
from primetime.guard.hook import DRAIN
from primetime.guard.quiet import Quiet

_SENT_TO = {"initial", "healthy", "unhealthy"}  # a balancer sends to unhealthy targets when it has no others


class Member:
    """This instance. Every call may be made again."""

    def __init__(self, metadata: Metadata, scaling: AutoScalingDriver, balancing: BalancingDriver) -> None:
        self._metadata, self._scaling, self._balancing = metadata, scaling, balancing
        self._id = ""
        self._group: str | None = None
        self._targets: tuple[str, ...] = ()

    def is_going(self) -> bool:
        """Whether its group has begun to end it, or the spot market has said that it will."""
        return self.is_ending() or self._metadata.get("spot/instance-action") is not None

    def is_ending(self) -> bool:
        """Whether its group ends it, which is for good."""
        return (self._metadata.get("autoscaling/target-lifecycle-state") or "").strip() == "Terminated"

    def found(self) -> AutoScaleMember | None:
        """As its group has it; None when it is in none (yet)."""
        self._id = self._id or (self._metadata.get("instance-id") or "").strip()
        group, member = self._scaling.ex_member(self._id)
        self._group = group
        return member

    def quiet(self, clock: Callable[[], float]) -> Quiet | None:
        """What keeps its group quiet during shows; None while it is in none."""
        return Quiet(self._scaling, self._group, clock) if self._group else None

    def tags(self) -> Mapping[str, str]:
        """Its group's."""
        groups = self._scaling.list_auto_scale_groups([self._group]) if self._group else []
        return groups[0].tags if groups else {}

    def protect(self, protected: bool) -> None:
        if self._group:
            self._scaling.ex_protect_members(self._group, [self._id], protected)

    def is_balanced(self) -> bool:
        """Whether any balancer may still send it new connections."""
        return any(self._balancing.ex_target_health(each).get(self._id) in _SENT_TO for each in self._target_groups())

    def leave(self) -> None:
        """Its group does so too: at once or later, as AWS likes."""
        for each in self._target_groups():
            self._balancing.ex_deregister(each, [self._id])

    def _target_groups(self) -> tuple[str, ...]:
        if not self._targets and self._group:
            for group in self._scaling.list_auto_scale_groups([self._group]):
                self._targets = tuple(group.extra.get("TargetGroupARNs") or ())
        return self._targets

    def heartbeat(self) -> None:
        """NotThere before the pause has begun, and after its end."""
        if self._group:
            self._scaling.ex_heartbeat(self._group, DRAIN.name, self._id)

    def complete(self) -> None:
        """NotThere before the pause has begun, and after its end."""
        if self._group:
            self._scaling.ex_complete_hook(self._group, DRAIN.name, self._id, proceed=True)
