"""EC2 in a pocket: moto holds the state, and each running instance is a host by nspawn at the address AWS gave it.

Its groups' hooks act (tests.pocket_hooks). A host finds its own metadata service, and runs its user-data once, as root,
as cloud-init does. A spool's volume is a file of this machine behind a loop device, which is in the host that it is
attached to under the name that udev would give it. An image that is made of an instance is a snapshot of its host's
disk; any other is Debian's, and what a test has put into it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import boto3
import pytest
from libcloud.compute.base import Node
from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2 import ec2_backends
from moto.ec2.models import EC2Backend
from moto.ec2.models.subnets import Subnet

import primetime.drivers  # noqa: F401  (registers the driver)
from primetime.cloud.found import BAKE
from primetime.drivers.nspawn.snapshots import NodeSnapshot
from primetime.guard.marks import NAME, OWNER, SPOOL_DEVICE
from tests.metadata_server import MetadataServer, metadata_server
from tests.moto_server import REGION, running
from tests.pocket_hooks import ENDING, Hooks, acting, giving, imaging

AWS, METADATA = "198.51.100.1", "169.254.169.254"  # outside of every network, as AWS itself is
LOOKS_S, BOOT_S, STOPS_S = 1.0, 900.0, 60.0
VOLUME_BYTES = 256 << 20
RUN = "cat > /root/user-data && chmod +x /root/user-data && env -i PATH=$PATH /root/user-data"

# for an image in which nginx cannot be installed
PIN = "printf 'Package: nginx*\\nPin: release *\\nPin-Priority: -1\\n' > /etc/apt/preferences.d/no-nginx"
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
    baking: set[str] = field(default_factory=set)  # which become images
    booted: dict[str, int] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    booting: list[threading.Thread] = field(default_factory=list)
    disks: Path = Path()
    devices: dict[str, str] = field(default_factory=dict)  # volume → loop device
    plugged: dict[str, str] = field(default_factory=dict)  # volume → the instance that shows it
    put_in: dict[str, str] = field(default_factory=dict)  # image → a command that has been run in it
    images: dict[str, NodeSnapshot] = field(default_factory=dict)  # those that were made of an instance
    image_of: dict[str, str] = field(default_factory=dict)  # instance → image
    kept: dict[str, Node] = field(default_factory=dict)  # hosts of instances that are gone, and whose images are not

    def client(self, service: str) -> Any:
        """AWS, as another client sees it."""
        return boto3.client(service, region_name=REGION, endpoint_url=self.url)

    def boot(self, instance: str) -> int:
        """Run its user-data, with an environment of nothing; its exit code."""
        said = self.client("ec2").describe_instance_attribute(InstanceId=instance, Attribute="userData")
        node = self.hosts[instance]
        self.driver.ex_wait_for_ssh([node])
        if put_in := self.put_in.get(self.image_of[instance]):
            self.on(node, put_in)
        self.reached.add(instance)
        done = subprocess.run(
            ["ssh", "-F", node.extra["ssh_config"], node.name, RUN],
            input=base64.b64decode(said["UserData"]["Value"]).decode(),
            text=True,
            timeout=BOOT_S,
        )
        self.booted[instance] = done.returncode
        if instance in self.baking:
            self._stop(instance)
        return done.returncode

    def _stop(self, instance: str) -> None:
        """One that shuts itself down has stopped when its host has."""
        until = time.monotonic() + STOPS_S
        while self._runs(instance):
            assert time.monotonic() < until, f"{instance} does not shut itself down"
            time.sleep(0.2)
        self.client("ec2").stop_instances(InstanceIds=[instance])

    def _runs(self, instance: str) -> bool:
        states = {each.name: each.state for each in self.driver.list_nodes()}
        return states.get(instance) == NodeState.RUNNING

    def disk(self, image: str) -> list[Path]:
        """Every file that an image has beside Debian's own."""
        made = self.images[image]
        layers = [self.driver._network.layers / each for each in made.layers]
        return [path for layer in layers for path in layer.rglob("*") if path.is_file() and not path.is_symlink()]

    def take_image(self, instance: str, image: str) -> None:
        """An image of an instance that has stopped."""
        self.images[image] = self.driver.ex_snapshot(self.hosts[instance], image)

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
        self.hooks.refill()
        states = [{"Name": "instance-state-name", "Values": ["running", "stopping", "stopped"]}]
        answer = self.client("ec2").describe_instances(Filters=states)["Reservations"]
        there = {each["InstanceId"]: each for one in answer for each in one["Instances"]}
        for instance in there.keys() - self.hosts.keys():
            self._make(instance, there[instance])
        for instance in self.hosts.keys() - there.keys():
            self._destroy(instance)
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

    def _destroy(self, instance: str) -> None:
        """But for the disk that images are snapshots of."""
        node = self.hosts.pop(instance)
        if any(each.node == node.name for each in self.images.values()):
            self.driver.ex_kill(node)
            self.kept[instance] = node
        else:
            self.driver.destroy_node(node)

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
        if any(tag["Key"] == BAKE for tag in plain["Tags"]):
            self.baking.add(instance)
        size, image = self.driver.ex_size(self.memory_mb(called)), plain["ImageId"]
        self.image_of[instance], snapshot = image, self.images.get(image)
        made = self.driver.create_node(instance, size, self.image, ex_address=address, ex_snapshot=snapshot)
        self.hosts[instance] = made
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
        # hosts' links are named after the last byte of their addresses: no instance gets this one
        own = str(IPv4Network(cidr)[250])
        first = driver.create_node("first", driver.ex_size(64), image, ex_address=own)
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
        stack.enter_context(_imaged(made))
        reconciling = threading.Thread(target=made.reconcile, daemon=True)
        reconciling.start()
        try:
            yield made
        finally:
            made.ended.set()  # no host is made any more
            reconciling.join()
            for node in (*made.hosts.values(), *made.kept.values()):
                driver.destroy_node(node)


@contextmanager
def _imaged(made: Pocket) -> Iterator[None]:
    """Images are of disks, and the address of a host whose disk is kept is not given again."""
    with imaging(), pytest.MonkeyPatch.context() as patch:
        create, free = EC2Backend.create_image, Subnet.del_subnet_ip

        def creating(backend: Any, instance_id: str, *more: Any, **named: Any) -> Any:
            image = create(backend, instance_id, *more, **named)
            made.take_image(instance_id, image.id)
            return image

        def leaving(subnet: Any, address: str) -> None:
            disks = {each.node for each in made.images.values()}
            if any(node.private_ips[0] == address for node in made.hosts.values() if node.name in disks):
                subnet._subnet_ips.pop(address)
            else:
                free(subnet, address)

        patch.setattr(EC2Backend, "create_image", creating)
        patch.setattr(Subnet, "del_subnet_ip", leaving)
        yield


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
