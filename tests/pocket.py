"""EC2 in a pocket: moto holds the state, and each running instance is a host by nspawn at the address AWS gave it.

Its groups' hooks act (tests.pocket_hooks). A host finds its own metadata service, and runs its user-data once, as root,
as cloud-init does.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from libcloud.compute.base import Node
from libcloud.compute.providers import get_driver

import primetime.drivers  # noqa: F401  (registers the driver)
from primetime.cloud.wanted import NAME
from tests.metadata_server import MetadataServer, metadata_server
from tests.moto_server import REGION, running
from tests.pocket_hooks import ENDING, Hooks, acting

AWS, METADATA = "198.51.100.1", "169.254.169.254"  # outside of every network, as AWS itself is
LOOKS_S, BOOT_S = 1.0, 900.0
RUN = "cat > /root/user-data && chmod +x /root/user-data && env -i PATH=$PATH /root/user-data"


@dataclass
class Pocket:
    """One that runs. `hosts`: instance → host; `memory_mb`: of a host, by its machine's name in the topology."""

    driver: Any
    image: Any
    metadata: MetadataServer
    url: str
    hooks: Hooks
    memory_mb: Callable[[str], int]
    hosts: dict[str, Node] = field(default_factory=dict)
    booted: dict[str, int] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    booting: list[threading.Thread] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """AWS, as another client sees it."""
        return boto3.client(service, region_name=REGION, endpoint_url=self.url)

    def boot(self, instance: str) -> int:
        """Run its user-data, with an environment of nothing; its exit code."""
        said = self.client("ec2").describe_instance_attribute(InstanceId=instance, Attribute="userData")
        node = self.hosts[instance]
        self.driver.ex_wait_for_ssh([node])
        done = subprocess.run(
            ["ssh", "-F", node.extra["ssh_config"], node.name, RUN],
            input=base64.b64decode(said["UserData"]["Value"]).decode(),
            text=True,
            timeout=BOOT_S,
        )
        self.booted[instance] = done.returncode
        return done.returncode

    def reconcile(self) -> None:
        """A host for each running instance, none for any other; until it is told to end."""
        while not self.ended.wait(LOOKS_S):
            try:
                self._reconcile()
            except Exception:  # told, and tried again: a thread that dies would be waited for in vain
                traceback.print_exc()

    def _reconcile(self) -> None:
        states = [{"Name": "instance-state-name", "Values": ["running"]}]
        answer = self.client("ec2").describe_instances(Filters=states)["Reservations"]
        there = {each["InstanceId"]: each for one in answer for each in one["Instances"]}
        for instance in there.keys() - self.hosts.keys():
            self._make(instance, there[instance])
        for instance in self.hosts.keys() - there.keys():
            self.driver.destroy_node(self.hosts.pop(instance))
        for member in self.client("autoscaling").describe_auto_scaling_instances()["AutoScalingInstances"]:
            told = self.metadata.of[there[member["InstanceId"]]["PrivateIpAddress"]]
            ending = member["LifecycleState"] == ENDING
            told["autoscaling/target-lifecycle-state"] = "Terminated" if ending else "InService"

    def _make(self, instance: str, plain: dict[str, Any]) -> None:
        address, role = plain["PrivateIpAddress"], "role"
        key = {name: "test" for name in ("AccessKeyId", "SecretAccessKey", "Token")}
        self.metadata.of[address] = {
            "instance-id": instance,
            "placement/region": REGION,
            "iam/security-credentials/": role,
            f"iam/security-credentials/{role}": json.dumps({**key, "Expiration": "2099-01-01T00:00:00Z"}),
        }
        [called] = [tag["Value"] for tag in plain["Tags"] if tag["Key"] == NAME]
        size = self.driver.ex_size(self.memory_mb(called))
        self.hosts[instance] = self.driver.create_node(instance, size, self.image, ex_address=address)
        self.booting.append(threading.Thread(target=self.boot, args=(instance,), daemon=True))
        self.booting[-1].start()


@contextmanager
def pocket(name: str, cidr: str, memory_mb: Callable[[str], int]) -> Iterator[Pocket]:
    """AWS that boots machines into a network of the name; the environment points to it."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        driver = get_driver("nspawn")(name, ex_cidr=cidr)
        image = driver.ex_ensure_image("bookworm")
        # a host of its own makes the network; its bridge is where AWS answers
        stack.callback(driver.ex_destroy_network)
        first = driver.create_node("first", driver.ex_size(64), image)
        stack.callback(driver.destroy_node, first)
        stack.enter_context(_addresses(_bridge_to(first.private_ips[0])))
        aws = stack.enter_context(running(AWS, 80))
        for variable, value in aws.environment().items():
            patch.setenv(variable, value)
        hooks = stack.enter_context(acting())
        metadata = stack.enter_context(metadata_server((METADATA, 80)))
        made = Pocket(driver, image, metadata, aws.url, hooks, memory_mb)
        reconciling = threading.Thread(target=made.reconcile, daemon=True)
        reconciling.start()
        try:
            yield made
        finally:
            made.ended.set()  # no host is made any more
            reconciling.join()
            for node in made.hosts.values():
                driver.destroy_node(node)


@contextmanager
def _addresses(bridge: str) -> Iterator[None]:
    for address in (AWS, METADATA):
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", bridge], check=True)
    try:
        yield
    finally:
        for address in (AWS, METADATA):
            with contextlib.suppress(subprocess.CalledProcessError):  # it went with the bridge
                subprocess.run(["ip", "addr", "del", f"{address}/32", "dev", bridge], check=True, capture_output=True)


def _bridge_to(address: str) -> str:
    said = subprocess.run(["ip", "-j", "route", "get", address], capture_output=True, text=True, check=True).stdout
    return str(json.loads(said)[0]["dev"])
