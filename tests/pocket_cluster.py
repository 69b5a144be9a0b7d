"""A topology that is up in a pocket of EC2, as its tests see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from primetime.cloud import living, names
from primetime.cloud.found import Aws
from primetime.guard.hook import DRAIN
from primetime.guard.marks import OWNER
from primetime.topology import Topology
from tests.conftest import Bench
from tests.nspawn_hosts import ssh
from tests.pocket import Pocket

CONFIGURED_S = 300.0


@dataclass(frozen=True)
class Cluster:
    """Its fixed machine, and its group of collectors."""

    bench: Bench
    aws: Pocket
    services: Aws
    topology: Topology

    @property
    def group(self) -> str:
        """As AWS knows the collectors'."""
        return f"{self.topology.name}-collector"

    def log(self, group: str, instance: str) -> str:
        """As it is kept in the bucket."""
        return (self.services.read(self.topology.name, names.log(group, instance)) or b"").decode()

    def declare(self, text: str) -> None:
        """Another topology of the same name, and `up`."""
        self.bench.topology.write_text(text)
        self.bench.run("up", "--yes")

    def members(self) -> dict[str, str]:
        """Instance → what it is doing, of the collectors."""
        return {each.id: each.state for each in self.services.scaling.list_auto_scale_group_members(self.group)}

    def serving(self) -> list[str]:
        """The members in service."""
        return [instance for instance, state in self.members().items() if state == "InService"]

    def time_is_over(self, instance: str) -> None:
        """A member that is held at its end is held no longer, as AWS does it after a hook's last heartbeat."""
        scaling, named = self.aws.client("autoscaling"), {"AutoScalingGroupName": self.group, "InstanceId": instance}
        scaling.complete_lifecycle_action(LifecycleHookName=DRAIN.name, LifecycleActionResult="CONTINUE", **named)
        self.wait_until(lambda: instance not in self.aws.hosts, f"{instance} still runs")

    def machine(self, name: str) -> str:
        """The instance of a node."""
        return next(each.id for each in living.machines(self.services, self.topology) if each.name == name)

    def wait_for(self, name: str) -> None:
        """Until a node's user-data has come to its end."""
        instance = self.machine(name)
        self.wait_until(lambda: instance in self.aws.booted, f"the user-data of {name} has not come to an end")

    @staticmethod
    def wait_until(so: Callable[[], bool], otherwise: str | Callable[[], str]) -> None:
        until = time.monotonic() + CONFIGURED_S
        while not so():
            assert time.monotonic() < until, otherwise if isinstance(otherwise, str) else otherwise()
            time.sleep(0.2)

    def told(self, instance: str) -> str:
        """What an instance's guard has done, and what it has asked for."""
        units = "-u primetime-guard -u primetime-adopt.service -u 'primetime-shipper@*'"
        return ssh(self.aws.hosts[instance], f"journalctl --no-pager -o cat {units} | tail -n 40").stdout

    def spools(self) -> list[str]:
        """The volumes of the collectors."""
        owned = [{"Name": f"tag:{OWNER}", "Values": [self.topology.name]}]
        found = self.aws.client("ec2").describe_volumes(Filters=owned)["Volumes"]
        return [each["VolumeId"] for each in found if each["VolumeId"] in self.aws.devices]
