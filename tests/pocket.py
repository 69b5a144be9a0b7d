"""EC2 in a pocket: moto holds the state, and each running instance is a host by nspawn at the address AWS gave it.

Its groups' hooks act (tests.pocket_hooks). A host finds its own metadata service, and runs its user-data once, as root,
as cloud-init does. A spool's volume is a file of this machine behind a loop device, which is in the host that it is
attached to under the name that udev would give it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from libcloud.compute.base import Node
from libcloud.compute.providers import get_driver
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2 import ec2_backends

import primetime.drivers  # noqa: F401  (registers the driver)
from primetime.guard.marks import NAME, OWNER, SPOOL_DEVICE
from tests.metadata_server import MetadataServer, metadata_server
from tests.moto_server import REGION, running
from tests.pocket_hooks import ENDING, Hooks, acting, giving

AWS, METADATA = "198.51.100.1", "169.254.169.254"  # outside of every network, as AWS itself is
LOOKS_S, BOOT_S = 1.0, 900.0
VOLUME_BYTES = 256 << 20
RUN = "cat > /root/user-data && chmod +x /root/user-data && env -i PATH=$PATH /root/user-data"

_PLUG = "test -b {device} || mknod {device} b 7 {number}; mkdir -p /dev/disk/by-id; ln -sf {device} {link}"


def _named(volume: str, device: str) -> dict[str, str]:
    """Under which name udev shows a volume, and the number of its loop device."""
    name = f"nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
    return {"link": f"/dev/disk/by-id/{name}", "number": device.removeprefix("/dev/loop")}


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
    reached: set[str] = field(default_factory=set)  # whose host answers ssh
    booted: dict[str, int] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    booting: list[threading.Thread] = field(default_factory=list)
    disks: Path = Path()
    devices: dict[str, str] = field(default_factory=dict)  # volume → loop device
    plugged: dict[str, str] = field(default_factory=dict)  # volume → the instance that shows it

    def client(self, service: str) -> Any:
        """AWS, as another client sees it."""
        return boto3.client(service, region_name=REGION, endpoint_url=self.url)

    def boot(self, instance: str) -> int:
        """Run its user-data, with an environment of nothing; its exit code."""
        said = self.client("ec2").describe_instance_attribute(InstanceId=instance, Attribute="userData")
        node = self.hosts[instance]
        self.driver.ex_wait_for_ssh([node])
        self.reached.add(instance)
        done = subprocess.run(
            ["ssh", "-F", node.extra["ssh_config"], node.name, RUN],
            input=base64.b64decode(said["UserData"]["Value"]).decode(),
            text=True,
            timeout=BOOT_S,
        )
        self.booted[instance] = done.returncode
        return done.returncode

    def take_volumes(self) -> None:
        """At the end of all."""
        for device in self.devices.values():
            subprocess.run(["losetup", "--detach", device], check=True)

    def reconcile(self) -> None:
        """A host for each running instance, none for any other; until it is told to end."""
        while not self.ended.wait(LOOKS_S):
            try:
                self._reconcile()
            except Exception:  # told, and tried again: a thread that dies would be waited for in vain
                traceback.print_exc()

    def plug(self, instance: str) -> None:
        """Show a host the volumes that are attached to its instance, and no other."""
        attached = [{"Name": "attachment.instance-id", "Values": [instance]}]
        mine = [each["VolumeId"] for each in self.client("ec2").describe_volumes(Filters=attached)["Volumes"]]
        for volume in [each for each in mine if each in self.devices and self.plugged.get(each) != instance]:
            self.shell(instance, _PLUG.format(device=self.devices[volume], **_named(volume, self.devices[volume])))
            self.plugged[volume] = instance
        for volume in [each for each, where in self.plugged.items() if where == instance and each not in mine]:
            self.shell(instance, f"rm -f {_named(volume, '')['link']} {self.devices[volume]}")
            del self.plugged[volume]

    def shell(self, instance: str, command: str) -> str:
        """Standard output of a command on an instance's host."""
        return self.on(self.hosts[instance], command)

    @staticmethod
    def on(node: Node, command: str, standard_input: str = "", within_s: float = 60) -> str:
        """The same on any host."""
        words = ["ssh", "-F", node.extra["ssh_config"], node.name, command]
        pipe = subprocess.PIPE
        done = subprocess.run(words, input=standard_input, stdout=pipe, text=True, check=True, timeout=within_s)
        return done.stdout

    def _give_disk(self, instance: str, plain: dict[str, Any]) -> None:
        """A disk for the volume that its launch template asks for, which outlives it: moto reads `false` as true.

        Moto shows an instance before it has its volumes.
        """
        blocks = ec2_backends[DEFAULT_ACCOUNT_ID][REGION].get_instance(instance).block_device_mapping
        if SPOOL_DEVICE not in blocks or blocks[SPOOL_DEVICE].volume_id in self.devices:
            return
        volume = blocks[SPOOL_DEVICE].volume_id
        blocks[SPOOL_DEVICE].delete_on_termination = False
        tags = [each for each in plain["Tags"] if each["Key"] in (OWNER, NAME, "Name")]
        self.client("ec2").create_tags(Resources=[volume], Tags=tags)
        self.make_disk(volume)

    def make_disk(self, volume: str) -> None:
        """What a volume's bytes are on."""
        with (self.disks / volume).open("wb") as file:
            file.truncate(VOLUME_BYTES)
        command = ["losetup", "-f", "--show", self.disks / volume]
        self.devices[volume] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _reconcile(self) -> None:
        states = [{"Name": "instance-state-name", "Values": ["running"]}]
        answer = self.client("ec2").describe_instances(Filters=states)["Reservations"]
        there = {each["InstanceId"]: each for one in answer for each in one["Instances"]}
        for instance in there.keys() - self.hosts.keys():
            self._make(instance, there[instance])
        for instance in self.hosts.keys() - there.keys():
            self.driver.destroy_node(self.hosts.pop(instance))
            for volume in [each for each, where in self.plugged.items() if where == instance]:
                del self.plugged[volume]
        for instance in self.hosts:
            self._give_disk(instance, there[instance])
        for instance in self.hosts.keys() & self.reached:
            self.plug(instance)
        members = self.client("autoscaling").describe_auto_scaling_instances()["AutoScalingInstances"]
        for member in [each for each in members if each["InstanceId"] in there]:  # one may have come meanwhile
            told = self.metadata.of[there[member["InstanceId"]]["PrivateIpAddress"]]
            ending = member["LifecycleState"] == ENDING
            told["autoscaling/target-lifecycle-state"] = "Terminated" if ending else "InService"

    def _make(self, instance: str, plain: dict[str, Any]) -> None:
        address, role = plain["PrivateIpAddress"], "role"
        key = {"Code": "Success", **{name: "test" for name in ("AccessKeyId", "SecretAccessKey", "Token")}}
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
        stack.enter_context(giving())
        metadata = stack.enter_context(metadata_server((METADATA, 80)))
        disks = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="primetime-volumes-")))
        made = Pocket(driver, image, metadata, aws.url, hooks, memory_mb, disks=disks)
        stack.callback(made.take_volumes)
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
