"""The network load balancer of a pocket: Debian's HAProxy on a host of its own, configured by the balancer's template.

It sends new connections to the members that the target group has registered, asks each of them as the target group
says, and tells AWS whom it finds ready. One that is deregistered gets no new connection, and keeps those that it has:
they stay with the process of HAProxy that took them.
"""

from __future__ import annotations

import re
import threading
import traceback
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from libcloud.compute.base import Node
from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup

from primetime.paths import REPO
from roles.balancer.settings import Balancer as Settings
from tests.pocket import Pocket
from tests.pocket_hooks import SERVING

LOOKS_S = 1.0
MEMORY_MB = 256
INSTALLED_S = 300.0
_INSTALL = "apt-get install -qqy haproxy >&2"
_LOAD = "cat > /etc/haproxy/haproxy.cfg && systemctl reload-or-restart haproxy"
_UP = re.compile(r'haproxy_server_status\{proxy="collectors",server="([^"]+)",state="UP"\} 1')


@dataclass
class Balancer:
    """One that runs. `sent_to`: instance → address, as HAProxy was told last; `ready`: those that it finds so."""

    aws: Pocket
    node: Node
    port: int = 8080
    sent_to: dict[str, str] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def way_in(self) -> tuple[str, int]:
        return str(self.node.private_ips[0]), self.port

    def follow(self) -> None:
        """What the target group says, until it is told to end."""
        while not self.ended.wait(LOOKS_S):
            try:
                self._look()
            except Exception:  # told, and tried again: a thread that dies would be waited for in vain
                traceback.print_exc()

    def _look(self) -> None:
        for group in self.aws.client("elbv2").describe_target_groups()["TargetGroups"]:
            targets = self._targets(group["TargetGroupArn"])
            if targets != self.sent_to:
                self._load(targets, group)
        if self.sent_to:
            self.ready = frozenset(_UP.findall(self._metrics()))

    def _targets(self, group: str) -> dict[str, str]:
        """Instance → address of those that are registered: a group does that when their launch is over, moto before."""
        told = self.aws.client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        every = self.aws.client("autoscaling").describe_auto_scaling_instances()["AutoScalingInstances"]
        come = {each["InstanceId"] for each in every if each["LifecycleState"].startswith((SERVING, "Terminating"))}
        hosts = {each["Target"]["Id"] for each in told} & come & self.aws.hosts.keys()
        return {each: str(self.aws.hosts[each].private_ips[0]) for each in sorted(hosts)}

    def _load(self, targets: dict[str, str], group: dict[str, Any]) -> None:
        templates = Environment(loader=FileSystemLoader(REPO), undefined=StrictUndefined, keep_trailing_newline=True)
        text = templates.get_template("templates/balancer/haproxy.cfg.j2").render(
            balancer=Settings(port=self.port, check_every_ms=1000 * group["HealthCheckIntervalSeconds"]),
            address=self.way_in[0],
            run_path="/run/haproxy",
            collectors=[{"name": name, "address": address} for name, address in targets.items()],
            collector_port=group["Port"],
        )
        self.aws.on(self.node, _LOAD, text)
        self.sent_to = targets

    def _metrics(self) -> str:
        with urllib.request.urlopen(f"http://{self.way_in[0]}:{Settings.metrics_port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())


@contextmanager
def balancer(aws: Pocket, address: str) -> Iterator[Balancer]:
    """Whatever target group there will be; AWS tells the health that it finds."""
    node = aws.driver.create_node("balancer", aws.driver.ex_size(MEMORY_MB), aws.image, ex_address=address)
    try:
        aws.driver.ex_wait_for_ssh([node])
        aws.on(node, _INSTALL, within_s=INSTALLED_S)
        made = Balancer(aws, node)
        following = threading.Thread(target=made.follow, daemon=True)
        with _telling(made):
            following.start()
            try:
                yield made
            finally:
                made.ended.set()
                following.join()
    finally:
        aws.driver.destroy_node(node)


@contextmanager
def _telling(made: Balancer) -> Iterator[None]:
    """moto takes every target that is registered for a healthy one."""
    health_for = FakeTargetGroup.health_for

    def asked(group: Any, target: dict[str, Any], *more: Any) -> FakeHealthStatus:
        told = health_for(group, target, *more)
        if told.status == "healthy" and target["Id"] not in made.ready:
            told.status = "unhealthy" if target["Id"] in made.sent_to else "initial"
        return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeTargetGroup, "health_for", asked)
        yield
