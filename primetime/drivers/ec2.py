"""libcloud's EC2 driver, mended: every region, signature version 4 in a POST, pages, retries, errors with kinds.

Called by primetime.cloud and by anything that speaks libcloud: all of EC2NodeDriver's verbs work as they are.
Launch templates, which it lacks, are here; `connection.ask` calls any other action with plain values.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from libcloud.compute.drivers.ec2 import API_VERSION, NAMESPACE, EC2NodeDriver

from primetime.drivers.aws import wire
from primetime.drivers.aws.connection import AwsConnection, AwsDriver
from primetime.errors import UsageError

USER_DATA_BYTES = 16_384  # EC2's limit, before base64


class Ec2Connection(AwsConnection):
    """EC2 writes lists without `member`; libcloud looks for its names in a namespace."""

    service_name = "ec2"
    version = API_VERSION
    member = ""
    xml_namespace = NAMESPACE


@dataclass(frozen=True)
class LaunchTemplate:
    """What instances of a group are made of; each change is a version."""

    id: str
    name: str
    latest: int
    tags: Mapping[str, str] = field(default_factory=dict)


class Ec2Driver(AwsDriver, EC2NodeDriver):  # type: ignore[misc]
    """Amazon EC2 in one region. Credentials are found (environment, profile, role) unless a key is given."""

    connectionCls: Any = Ec2Connection
    service = "ec2"
    token, api_name, country = None, "ec2", ""

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {}

    def ex_create_launch_template(
        self, name: str, data: Mapping[str, Any], tags: Mapping[str, str] | None = None, client_token: str | None = None
    ) -> LaunchTemplate:
        """`data`: EC2's RequestLaunchTemplateData; UserData is plain text here. AlreadyThere when the name is taken."""
        made = self.connection.ask(
            "CreateLaunchTemplate",
            LaunchTemplateName=name,
            LaunchTemplateData=template_data(data),
            ClientToken=client_token,
            **wire.tagged("launch-template", tags or {}),
        )
        return _template(made["launchTemplate"])

    def ex_create_launch_template_version(
        self, template: LaunchTemplate, data: Mapping[str, Any], client_token: str | None = None
    ) -> int:
        """A further version of the whole data; returns its number. Groups that follow `$Latest` use it from now on."""
        made = self.connection.ask(
            "CreateLaunchTemplateVersion",
            LaunchTemplateId=template.id,
            LaunchTemplateData=template_data(data),
            ClientToken=client_token,
        )
        return int(made["launchTemplateVersion"]["versionNumber"])

    def ex_copy_launch_template_version(self, template: LaunchTemplate, version: str, image: str) -> int:
        """A further version that has what an earlier one has; returns its number. `image` is what that one boots."""
        made = self.connection.ask(
            "CreateLaunchTemplateVersion",
            LaunchTemplateId=template.id,
            SourceVersion=version,
            LaunchTemplateData={"ImageId": image},  # AWS wants something there, and takes the rest from the source
            ClientToken=f"{template.id}-{template.latest}-{version}",
        )
        return int(made["launchTemplateVersion"]["versionNumber"])

    def ex_list_launch_templates(self, filters: Mapping[str, str] | None = None) -> list[LaunchTemplate]:
        """Those that match EC2's filters (`tag:Name`)."""
        found = self.connection.ask("DescribeLaunchTemplates", Filter=by(filters))
        return [_template(each) for each in found.get("launchTemplates") or []]

    def ex_get_launch_template_data(self, template: LaunchTemplate, version: str = "$Latest") -> dict[str, Any]:
        """A version's data as EC2 answers it, in plain values."""
        found = self.connection.ask(
            "DescribeLaunchTemplateVersions", LaunchTemplateId=template.id, LaunchTemplateVersion=[version]
        )
        data: dict[str, Any] = found["launchTemplateVersionSet"][0]["launchTemplateData"] or {}
        return data

    def ex_delete_launch_template(self, template: LaunchTemplate) -> bool:
        """By its id: one of the same name that somebody else has made since stays."""
        self.connection.ask("DeleteLaunchTemplate", LaunchTemplateId=template.id)
        return True


def by(filters: Mapping[str, str | list[str]] | Mapping[str, str] | None) -> list[dict[str, Any]]:
    """EC2's filters from a mapping; a list of values means any of them."""
    return [
        {"Name": name, "Value": [value] if isinstance(value, str) else value} for name, value in (filters or {}).items()
    ]


def template_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Launch template data with its user-data encoded; UsageError when that is too long."""
    text = str(data.get("UserData") or "").encode()
    if len(text) > USER_DATA_BYTES:
        raise UsageError(f"user-data of {len(text)} bytes: EC2 takes {USER_DATA_BYTES}: fetch the rest from a bundle")
    return {**data, "UserData": base64.b64encode(text).decode() if text else None}


def _template(plain: Mapping[str, Any]) -> LaunchTemplate:
    return LaunchTemplate(
        id=plain["launchTemplateId"],
        name=plain["launchTemplateName"],
        latest=int(plain["latestVersionNumber"]),
        tags=wire.untagged(plain.get("tagSet"), "key", "value"),
    )
