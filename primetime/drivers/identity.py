"""Who asks, and what machines may do: AWS's STS and IAM. libcloud has no driver for either. Called by primetime.cloud.

IAM is one service for all regions; what belongs together there is found by its path.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libcloud.common.base import BaseDriver

from primetime.drivers.aws.connection import AwsConnection, AwsDriver
from primetime.drivers.aws.errors import AlreadyThere, LimitReached, NotThere

POLICY = "own"  # a role's one policy
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class IamConnection(AwsConnection):
    service_name = "iam"
    version = "2010-05-08"


class StsConnection(AwsConnection):
    service_name = "sts"
    version = "2011-06-15"


@dataclass(frozen=True)
class Account:
    """Whose credentials these are: the account's number, and the partition that its ARNs begin with."""

    number: str
    partition: str


@dataclass(frozen=True)
class MachineRole:
    """A role of instances, and its instance profile of the same name. `description` is what it was given."""

    name: str
    description: str


class StsDriver(AwsDriver, BaseDriver):  # type: ignore[misc]
    """AWS's Security Token Service in one region."""

    name = "AWS Security Token Service"
    connectionCls = StsConnection
    service = "sts"

    def account(self) -> Account:
        """Of these credentials. Nobody needs a permission for this."""
        said = self.connection.ask("GetCallerIdentity")
        return Account(str(said["Account"]), str(said["Arn"]).split(":")[1])


class IamDriver(AwsDriver, BaseDriver):  # type: ignore[misc]
    """Roles that instances have."""

    name = "AWS Identity and Access Management"
    connectionCls = IamConnection
    service = "iam"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "region": "us-east-1"})  # as IAM's signatures say it everywhere

    def list_machine_roles(self, path: str) -> list[MachineRole]:
        """Those under a path."""
        found = self.connection.ask("ListRoles", PathPrefix=path).get("Roles") or []
        return [MachineRole(each["RoleName"], each.get("Description") or "") for each in found]

    def make_machine_role(
        self, name: str, path: str, policy: Mapping[str, Any], description: str, tags: Mapping[str, str]
    ) -> None:
        """A role for EC2 with one policy, and its instance profile; the same again completes or changes it.

        The whole description is given last, its first word at once: a role that has all of it is complete. AlreadyThere
        when the name has another path.
        """
        marks = [{"Key": key, "Value": value} for key, value in tags.items()]
        ask, trust = self.connection.ask, json.dumps(_TRUST)
        if name not in [each.name for each in self.list_machine_roles(path)]:
            first = description.partition(" ")[0]
            ask("CreateRole", RoleName=name, Path=path, AssumeRolePolicyDocument=trust, Description=first, Tags=marks)
        ask("PutRolePolicy", RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(policy))
        profiles = ask("ListInstanceProfiles", PathPrefix=path).get("InstanceProfiles") or []
        if name not in [each["InstanceProfileName"] for each in profiles]:
            ask("CreateInstanceProfile", InstanceProfileName=name, Path=path, Tags=marks)
        with contextlib.suppress(LimitReached, AlreadyThere):  # AWS's word for: it has its role
            ask("AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=name)
        ask("UpdateRole", RoleName=name, Description=description)

    def delete_machine_role(self, name: str) -> None:
        """The role, its policy and its instance profile, whatever is left of them."""
        ask = self.connection.ask
        for action, values in (
            ("RemoveRoleFromInstanceProfile", {"InstanceProfileName": name, "RoleName": name}),
            ("DeleteInstanceProfile", {"InstanceProfileName": name}),
            ("DeleteRolePolicy", {"RoleName": name, "PolicyName": POLICY}),
            ("DeleteRole", {"RoleName": name}),
        ):
            with contextlib.suppress(NotThere):
                ask(action, **values)
