"""Golden images: a machine of a group that scales converges, verifies, is cleaned and stops; its image is what the next
ones are made of. Called by `up --bake` and by machines.

Nothing is remembered here: the machine and the image carry whose they are and of which version, in the calls that make
them, so one that was cut short is gone on with by the next `up --bake`, and `down` finds all of it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping

from primetime.cloud import freeze, lock, names, parcel
from primetime.cloud.found import BAKE, BASE, Aws, Thing, find
from primetime.cloud.steps import Builder
from primetime.cloud.wanted import Key, cloud_of, owned
from primetime.drivers.aws.errors import AlreadyThere
from primetime.drivers.aws.wire import tags
from primetime.drivers.ec2 import by
from primetime.errors import PrimetimeError
from primetime.guard.marks import OWNER, SPOOL_DEVICE
from primetime.topology import Topology
from primetime.topology.cloud import CloudGroup

Progress = Callable[[str], None]
BAKED_S = 3600.0  # a machine's own time, its cleaning, and a snapshot of its disk
POLL_S = 5.0
KEPT = 2  # images of a group: the one in use, and the one before, for `roll --back`
DONE = "launch: CONTINUE"  # what a machine's log says that has proved its roles


def images(found: Mapping[Key, Thing], topology: Topology) -> dict[str, str]:
    """Group → the latest image of its own that was baked from the image that is declared."""
    every = [each for each in found.values() if each.kind == "image" and each.values["state"] == "available"]
    mine = sorted(
        (each for each in every if each.values["base"] == topology.image), key=lambda each: each.values["made"]
    )
    return {each.values["group"]: each.id for each in mine}


def bake(services: Aws, topology: Topology, progress: Progress, during_show: bool = False) -> list[str]:
    """An image for each group that scales, of what is declared now; their ids. What is there is not baked again.

    PrimetimeError when a machine does not prove its roles, or the time is over; the next call goes on.
    """
    freeze.require_no_show(topology, during_show, "up --bake")
    with lock.held(services.ec2, topology.name, "up --bake") as renew:
        groups = [group for group in cloud_of(topology).groups if group.scales]
        return [_Oven(services, topology, group, progress, renew).bake() for group in groups]


def remove_snapshots(services: Aws, topology: str, images: Iterable[Thing] = ()) -> None:
    """Of images that are gone: all but those that `images` lie on."""
    used = {snapshot for each in images for snapshot in each.extra}
    for each in snapshots(services, topology):
        if each not in used:
            services.ec2.connection.ask("DeleteSnapshot", SnapshotId=each)


def snapshots(services: Aws, topology: str) -> list[str]:
    """What images lie on."""
    answer = services.ec2.connection.ask("DescribeSnapshots", Owner=["self"], Filter=by({f"tag:{OWNER}": topology}))
    return [each["snapshotId"] for each in answer.get("snapshotSet") or []]


class _Oven:
    """One group's."""

    def __init__(
        self, services: Aws, topology: Topology, group: CloudGroup, progress: Progress, renew: Callable[[], None]
    ) -> None:
        self._aws, self._topology, self._group, self._renew = services, topology, group, renew
        self._progress = progress
        text = f"{parcel.version(topology)} {topology.image} {' '.join(group.roles)}"
        self._version = hashlib.sha256(text.encode()).hexdigest()[:12]

    def bake(self) -> str:
        """Look, do what is next, and look again until the image is there."""
        until, told = time.monotonic() + BAKED_S, ""
        while True:
            found = find(self._aws, self._topology.name)
            image = found.get(("image", f"{self._group.name}/{self._version}"))
            if image and image.values["state"] == "available":
                self._put_away(found)
                return image.id
            following = self._next(found, image)
            if following != told:
                self._progress(f"image of {self._group.name}: {following}")
                told = following
            if time.monotonic() > until:
                raise PrimetimeError(
                    f"no image of group {self._group.name} after {BAKED_S:.0f} s ({following}): see its console log; "
                    "repeat the command, or remove what is half done with down"
                )
            time.sleep(POLL_S)
            self._renew()

    def _next(self, found: Mapping[Key, Thing], image: Thing | None) -> str:
        """One call, or none; what is waited for."""
        if image and image.values["state"] == "pending":
            return f"waiting for {image.id}"
        if image:
            raise PrimetimeError(
                f"image {image.id} of group {self._group.name} is {image.values['state']}: remove it in the console, "
                "then repeat the command"
            )
        machine = found.get(("baking", self._group.name))
        if machine and machine.values["version"] != self._version:
            self._end(machine)
            return f"ending {machine.id}, which bakes what is declared no more"
        if machine is None:
            return f"{self._begin(found)} converges, verifies and cleans itself"
        if machine.extra != "stopped":
            return f"{machine.id} converges, verifies and cleans itself"
        self._require_proved(machine)
        return f"waiting for {self._take(machine)}"

    def _begin(self, found: Mapping[Key, Thing]) -> str:
        """A machine as the group's own are, but for a spool, a place in the group, and an end of its own making."""
        builder = Builder(self._aws, self._topology, found, self._progress)
        marks = {**owned(self._topology, self._group.name), BAKE: self._version}
        return builder.run_baking(self._group, marks, {"DeviceName": SPOOL_DEVICE, "NoDevice": ""})

    def _require_proved(self, machine: Thing) -> None:
        key = names.log(self._group.name, machine.id)
        log = (self._aws.read(self._topology.name, key) or b"").decode(errors="replace")
        if DONE not in log:
            self._end(machine)
            last = (log.strip().splitlines() or ["it left none"])[-1]
            raise PrimetimeError(
                f"{machine.id} did not prove the roles of group {self._group.name} ({last}): no image was made; its "
                f"log is in the topology's bucket: {key}"
            )

    def _take(self, machine: Thing) -> str:
        marks = {**owned(self._topology, self._group.name), BAKE: self._version, BASE: self._topology.image}
        given = [{"ResourceType": kind, "Tag": tags(marks)} for kind in ("image", "snapshot")]
        try:
            made = self._aws.ec2.connection.ask(
                "CreateImage",
                InstanceId=machine.id,
                Name=f"{self._topology.name}-{self._group.name}-{self._version}",
                TagSpecification=given,
            )
        except AlreadyThere:  # by a call whose answer was lost; its tags are seen at the next look
            return "the image that was made"
        return str(made["imageId"])

    def _put_away(self, found: Mapping[Key, Thing]) -> None:
        """The machine, and images that nobody goes back to."""
        if machine := found.get(("baking", self._group.name)):
            self._end(machine)
        every = [each for each in found.values() if each.kind == "image"]
        mine = [each for each in every if each.values["group"] == self._group.name]
        old = sorted(mine, key=lambda each: str(each.values["made"]))[:-KEPT]
        for each in old:
            self._progress(f"remove image {each.id}")
            self._aws.ec2.connection.ask("DeregisterImage", ImageId=each.id)
        remove_snapshots(self._aws, self._topology.name, [each for each in every if each not in old])

    def _end(self, machine: Thing) -> None:
        self._aws.ec2.connection.ask("TerminateInstances", InstanceId=[machine.id])
