"""What a group's machines may do on AWS: the policy of their role. Called by wanted (its digest) and steps."""

from __future__ import annotations

from typing import Any

from primetime.cloud import names
from primetime.drivers.identity import Account
from primetime.guard.marks import FROZEN, KEPT, NAME, OWNER, SHIPPED
from primetime.secrets import topology as secrets
from primetime.topology import Topology, inventory_groups
from primetime.topology.cloud import CloudGroup

# AWS has no way to allow these for some instances only
_LOOK = ["ec2:DescribeInstances"]
_LOOK_AT_VOLUMES = ["ec2:DescribeVolumes"]
_LOOK_AT_GROUPS = [
    *("autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances"),
    "elasticloadbalancing:DescribeTargetHealth",
]
# its launch, by boot; its end, by its guard
_COME_AND_GO = [
    *("autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"),
    "autoscaling:SetInstanceProtection",
]


def policy(topology: Topology, group: CloudGroup, account: Account) -> dict[str, Any]:
    """Read the bundle and its own roles' secrets, find its peers, write its own objects, complete its own hooks."""
    assert topology.cloud
    begin, region = f"arn:{account.partition}", topology.cloud.region
    bucket = f"{begin}:s3:::{names.bucket(topology.name, region, account)}"
    parameters = f"{begin}:ssm:{region}:{account.number}:parameter{names.parameters(topology.name)}"
    scaling = f"{begin}:autoscaling:{region}:{account.number}:autoScalingGroup:*:autoScalingGroupName"
    targets = f"{begin}:elasticloadbalancing:{region}:{account.number}:targetgroup"
    statements = [
        _allow(["s3:GetObject"], [f"{bucket}/{names.BUNDLES}/*", f"{bucket}/{names.FILES}/*"]),
        _allow(["s3:PutObject"], [f"{bucket}/{names.HOSTS}/{group.name}/*"]),
        _allow(_LOOK, ["*"]),
    ]
    if group.scales:
        statements.append(_allow(_LOOK_AT_GROUPS, ["*"]))
        statements.append(_allow(_COME_AND_GO, [f"{scaling}/{topology.name}-{group.name}"]))
        statements.append(
            _allow(["elasticloadbalancing:DeregisterTargets"], [f"{targets}/{topology.name}-{group.name}/*"])
        )
    if "guard" in group.roles and group.scales:
        mine = [f"{scaling}/{topology.name}-{group.name}"]
        statements.append(_allow(["autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses"], mine))
        marks = {"ForAllValues:StringEquals": {"aws:TagKeys": [FROZEN]}}
        statements.append(_allow(["autoscaling:CreateOrUpdateTags"], mine, marks))
    if "guard" in group.roles and group.spool_gb:
        statements += _adopting(topology, group, f"{begin}:ec2:{region}:{account.number}")
    if readable := secrets.readable(topology, inventory_groups(list(group.roles))):
        statements.append(_allow(["ssm:GetParameter"], [f"{parameters}{name}" for name in readable]))
    return {"Version": "2012-10-17", "Statement": statements}


def _adopting(topology: Topology, group: CloudGroup, ec2: str) -> list[dict[str, Any]]:
    """Take over its group's volumes from the dead: attach them to itself alone, delete what is marked as shipped."""
    volumes, marks = [f"{ec2}:volume/*"], {"aws:TagKeys": [SHIPPED, KEPT]}
    own = {f"aws:ResourceTag/{OWNER}": topology.name, f"aws:ResourceTag/{NAME}": group.name}
    itself = {"ArnEquals": {"ec2:SourceInstanceARN": f"{ec2}:instance/${{ec2:InstanceID}}"}}
    hold = ["ec2:AttachVolume", "ec2:DetachVolume"]
    mark = ["ec2:CreateTags", "ec2:DeleteTags"]
    return [
        _allow(_LOOK_AT_VOLUMES, ["*"]),
        _allow(hold, [f"{ec2}:instance/*"], itself),
        _allow(hold, volumes, {"StringEquals": own}),
        _allow(mark, volumes, {"StringEquals": own, "ForAllValues:StringEquals": marks}),
        _allow(["ec2:DeleteVolume"], volumes, {"StringEquals": own, "Null": {f"aws:ResourceTag/{SHIPPED}": "false"}}),
    ]


def _allow(actions: list[str], resources: list[str], when: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **({"Condition": when} if when else {})}
