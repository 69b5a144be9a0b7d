"""EBS volumes with a tag: found, attached, marked, detached, deleted. Called by primetime.guard and primetime.cloud.

Beside ec2, whose libcloud driver the hosts would have to carry and import for five calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libcloud.common.base import BaseDriver

from primetime.drivers.aws import wire
from primetime.drivers.aws.connection import AwsConnection, AwsDriver


@dataclass(frozen=True)
class Volume:
    """A volume, and what it is attached to. `attached_at`: epoch seconds, of the attachment that it has now."""

    id: str
    zone: str
    state: str  # EC2's: creating, available, in-use, deleting
    tags: Mapping[str, str] = field(default_factory=dict)
    instance: str = ""
    device: str = ""
    attached_at: int = 0
    attachment: str = ""  # attaching, attached, detaching


class VolumesConnection(AwsConnection):
    """EC2 writes lists without `member`."""

    service_name = "ec2"
    version = "2016-11-15"
    member = ""


class Volumes:
    """The verbs, over any connection to EC2."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def list_volumes(self, tags: Mapping[str, str], zone: str = "") -> list[Volume]:
        """Those that have every one of `tags`, in a zone or in all."""
        filters = {f"tag:{key}": value for key, value in tags.items()}
        if zone:
            filters["availability-zone"] = zone
        found = self._connection.ask(
            "DescribeVolumes", Filter=[{"Name": name, "Value": [value]} for name, value in filters.items()]
        )
        return [_volume(each) for each in found.get("volumeSet") or []]

    def attach_volume(self, volume: str, instance: str, device: str) -> None:
        """InUse when another instance was first: EC2 gives a volume to one alone."""
        self._connection.ask("AttachVolume", VolumeId=volume, InstanceId=instance, Device=device)

    def detach_volume(self, volume: str, instance: str) -> None:
        """It must not be mounted any more."""
        self._connection.ask("DetachVolume", VolumeId=volume, InstanceId=instance)

    def ex_mark_volume(self, volume: str, tags: Mapping[str, str]) -> None:
        self._connection.ask("CreateTags", ResourceId=[volume], Tag=wire.tags(tags))

    def ex_unmark_volume(self, volume: str, names: list[str]) -> None:
        self._connection.ask("DeleteTags", ResourceId=[volume], Tag=[{"Key": name} for name in names])

    def destroy_volume(self, volume: str) -> None:
        """InUse while it is attached."""
        self._connection.ask("DeleteVolume", VolumeId=volume)


class VolumesDriver(AwsDriver, BaseDriver):  # type: ignore[misc]
    """Volumes of one region. Credentials are found (environment, profile, role) unless a key is given."""

    name = "Amazon EBS"
    connectionCls = VolumesConnection
    service = "ec2"

    @property
    def volumes(self) -> Volumes:
        return Volumes(self.connection)


def _volume(plain: Mapping[str, Any]) -> Volume:
    attached = (plain.get("attachmentSet") or [{}])[0]
    return Volume(
        id=plain["volumeId"],
        zone=plain["availabilityZone"],
        state=plain["status"],
        tags=wire.untagged(plain.get("tagSet"), "key", "value"),
        instance=attached.get("instanceId") or "",
        device=attached.get("device") or "",
        attached_at=_epoch(attached.get("attachTime")),
        attachment=attached.get("status") or "",
    )


def _epoch(text: str | None) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) if text else 0
