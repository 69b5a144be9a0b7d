"""Amazon EC2 Auto Scaling in libcloud's words: groups, members, policies, schedules, hooks, and what else a group has.

libcloud has no such driver; one was proposed in 2015 (apache/libcloud#494, #495), and its names are kept:
AutoScaleGroup, AutoScalePolicy, create_auto_scale_group, list_auto_scale_group_members. Called by primetime.cloud.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from libcloud.common.base import BaseDriver

from primetime.drivers.aws import wire
from primetime.drivers.aws.connection import AwsConnection, AwsDriver

PAGE = 100  # the most that DescribeAutoScalingGroups gives at once


class AutoScalingConnection(AwsConnection):
    service_name = "autoscaling"
    version = "2011-01-01"


@dataclass(frozen=True)
class AutoScaleMember:
    """An instance of a group: `state` is its life cycle's (InService, Terminating:Wait), `health` EC2's word."""

    id: str
    state: str
    health: str
    zone: str
    protected: bool
    size: str = ""
    version: str = ""  # of its launch template


@dataclass(frozen=True)
class AutoScaleGroup:
    """A group as it is found; `extra` has all of AWS's answer in plain values."""

    name: str
    min_size: int
    max_size: int
    desired: int
    members: tuple[AutoScaleMember, ...] = ()
    suspended: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AutoScalePolicy:
    """A policy of a group; `extra` has all of AWS's answer in plain values."""

    name: str
    kind: str  # TargetTrackingScaling, StepScaling, SimpleScaling
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScheduledAction:
    """Sizes from a time on. `recurrence` (cron) is read in `time_zone`; `start` and `end` are instants."""

    name: str
    min_size: int | None = None
    max_size: int | None = None
    desired: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    recurrence: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True)
class LifecycleHook:
    """A pause before an instance serves (`launching`) or goes (`terminating`), until it is completed."""

    name: str
    transition: str  # "launching" or "terminating"
    timeout_s: int
    otherwise: str = "ABANDON"  # what happens when nobody completes it: ABANDON or CONTINUE

    @property
    def wire(self) -> dict[str, Any]:
        return {
            "LifecycleHookName": self.name,
            "LifecycleTransition": f"autoscaling:EC2_INSTANCE_{self.transition.upper()}",
            "HeartbeatTimeout": self.timeout_s,
            "DefaultResult": self.otherwise,
        }


class AutoScalingDriver(AwsDriver, BaseDriver):  # type: ignore[misc]
    """Auto Scaling in one region. Credentials are found (environment, profile, role) unless a key is given."""

    name = "Amazon EC2 Auto Scaling"
    website = "https://aws.amazon.com/autoscaling/"
    connectionCls = AutoScalingConnection
    service = "autoscaling"

    def list_auto_scale_groups(
        self, names: Sequence[str] = (), ex_tags: Mapping[str, str] | None = None
    ) -> list[AutoScaleGroup]:
        """All, those of some names, or those that have every tag of `ex_tags`."""
        found = self._ask(
            "DescribeAutoScalingGroups",
            AutoScalingGroupNames=names or None,
            Filters=[{"Name": f"tag:{key}", "Values": [value]} for key, value in (ex_tags or {}).items()],
            MaxRecords=PAGE,
        )
        return [_group(each) for each in found.get("AutoScalingGroups") or []]

    def create_auto_scale_group(
        self,
        name: str,
        min_size: int,
        max_size: int,
        launch_template: str,
        subnets: Sequence[str],
        desired: int | None = None,
        target_groups: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        ex_hooks: Sequence[LifecycleHook] = (),
        ex_sizes: Sequence[str] = (),
        ex_spot_share: float = 0,
        ex_cooldown_s: int | None = None,
        ex_protect_from_scale_in: bool = False,
    ) -> None:
        """A group from the latest version of a launch template (its id), its hooks there before its first instance.

        With several `ex_sizes` or a spot share it mixes: all on-demand up to `min_size`, and of what is above that
        the share (0 to 1) is spot. AlreadyThere when the name is taken.
        """
        self._ask(
            "CreateAutoScalingGroup",
            AutoScalingGroupName=name,
            MinSize=min_size,
            MaxSize=max_size,
            DesiredCapacity=desired,
            VPCZoneIdentifier=",".join(subnets),
            TargetGroupARNs=target_groups,
            HealthCheckType="EC2",  # back-pressure must never get a collector replaced
            DefaultCooldown=ex_cooldown_s,
            NewInstancesProtectedFromScaleIn=ex_protect_from_scale_in,
            LifecycleHookSpecificationList=[hook.wire for hook in ex_hooks],
            Tags=[{**tag, "PropagateAtLaunch": True} for tag in wire.tags(tags or {})],
            **made_of(launch_template, ex_sizes, ex_spot_share, min_size),
        )

    def update_auto_scale_group(self, group: str, **values: Any) -> None:
        """What is given, in AWS's words: `MinSize=2`, or `made_of(...)`. Desired capacity is the autoscaler's."""
        self._ask("UpdateAutoScalingGroup", AutoScalingGroupName=group, **values)

    def ex_tag_auto_scale_group(self, group: str, tags: Mapping[str, str], propagate: bool = True) -> None:
        """Set tags of a group; with `propagate` also of the instances it makes from now on."""
        whose = {"ResourceId": group, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": propagate}
        self._ask("CreateOrUpdateTags", Tags=[{**tag, **whose} for tag in wire.tags(tags)])

    def delete_auto_scale_group(self, group: str, force: bool = False) -> None:
        """With `force` its instances go too, without their hooks; else InUse while it has any."""
        self._ask("DeleteAutoScalingGroup", AutoScalingGroupName=group, ForceDelete=force)

    def list_auto_scale_group_members(self, group: str) -> list[AutoScaleMember]:
        """The instances of a group, and what each is doing."""
        found = self.list_auto_scale_groups([group])
        return list(found[0].members) if found else []

    def ex_member(self, instance: str) -> tuple[str | None, AutoScaleMember | None]:
        """(name of its group, the instance as the group has it); (None, None) of one that is in none."""
        found = self._ask("DescribeAutoScalingInstances", InstanceIds=[instance])
        for each in found.get("AutoScalingInstances") or []:
            return each["AutoScalingGroupName"], _member(each)
        return None, None

    def ex_set_desired(self, group: str, desired: int) -> None:
        """By hand, at once: no cooldown is waited for."""
        self._ask("SetDesiredCapacity", AutoScalingGroupName=group, DesiredCapacity=desired, HonorCooldown=False)

    def ex_terminate_member(self, member: str, shrink: bool) -> None:
        """Through its hook; with `shrink` nobody takes its place."""
        self._ask("TerminateInstanceInAutoScalingGroup", InstanceId=member, ShouldDecrementDesiredCapacity=shrink)

    def ex_protect_members(self, group: str, members: Sequence[str], protected: bool) -> None:
        """Whether scaling in may choose them."""
        self._ask(
            "SetInstanceProtection",
            AutoScalingGroupName=group,
            InstanceIds=members,
            ProtectedFromScaleIn=protected,
        )

    def ex_list_activities(self, group: str, most: int = 10) -> list[dict[str, Any]]:
        """What the group did lately, the latest first: StatusCode, Description, Cause, StatusMessage."""
        document = self.connection.first_page("DescribeScalingActivities", AutoScalingGroupName=group, MaxRecords=most)
        return list(document.get("Activities") or [])

    def ex_suspend(self, group: str, processes: Sequence[str]) -> None:
        """Stop some of a group's processes: ReplaceUnhealthy, AZRebalance, ScheduledActions..."""
        self._ask("SuspendProcesses", AutoScalingGroupName=group, ScalingProcesses=processes)

    def ex_resume(self, group: str, processes: Sequence[str]) -> None:
        """Let them go on."""
        self._ask("ResumeProcesses", AutoScalingGroupName=group, ScalingProcesses=processes)

    def create_auto_scale_policy(self, group: str, name: str, metric: str, target: float) -> None:
        """Target tracking on a predefined metric (`ASGAverageCPUUtilization`); the same again changes nothing."""
        self._ask(
            "PutScalingPolicy",
            AutoScalingGroupName=group,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration={
                "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
                "TargetValue": target,
            },
        )

    def list_auto_scale_policies(self, group: str) -> list[AutoScalePolicy]:
        """The policies of a group."""
        found = self._ask("DescribePolicies", AutoScalingGroupName=group)
        return [
            AutoScalePolicy(each["PolicyName"], each["PolicyType"], each) for each in found.get("ScalingPolicies") or []
        ]

    def delete_auto_scale_policy(self, group: str, name: str) -> None:
        self._ask("DeletePolicy", AutoScalingGroupName=group, PolicyName=name)

    def ex_put_scheduled_action(self, group: str, action: ScheduledAction) -> None:
        """Make it so; a name that is there gets these times and sizes."""
        self._ask(
            "PutScheduledUpdateGroupAction",
            AutoScalingGroupName=group,
            ScheduledActionName=action.name,
            MinSize=action.min_size,
            MaxSize=action.max_size,
            DesiredCapacity=action.desired,
            StartTime=_instant(action.start),
            EndTime=_instant(action.end),
            Recurrence=action.recurrence,
            TimeZone=action.time_zone,
        )

    def ex_list_scheduled_actions(self, group: str | None = None) -> dict[tuple[str, str], ScheduledAction]:
        """(group, name) → action, of one group or all."""
        found = self._ask("DescribeScheduledActions", AutoScalingGroupName=group)
        return {
            (each["AutoScalingGroupName"], each["ScheduledActionName"]): _scheduled(each)
            for each in found.get("ScheduledUpdateGroupActions") or []
        }

    def ex_delete_scheduled_action(self, group: str, name: str) -> None:
        self._ask("DeleteScheduledAction", AutoScalingGroupName=group, ScheduledActionName=name)

    def ex_put_hook(self, group: str, hook: LifecycleHook) -> None:
        """Make it so; a name that is there is changed."""
        self._ask("PutLifecycleHook", AutoScalingGroupName=group, **hook.wire)

    def ex_list_hooks(self, group: str) -> list[LifecycleHook]:
        """The hooks of a group."""
        found = self._ask("DescribeLifecycleHooks", AutoScalingGroupName=group)
        return [_hook(each) for each in found.get("LifecycleHooks") or []]

    def ex_delete_hook(self, group: str, name: str) -> None:
        self._ask("DeleteLifecycleHook", AutoScalingGroupName=group, LifecycleHookName=name)

    def ex_complete_hook(self, group: str, hook: str, member: str, proceed: bool) -> None:
        """End an instance's pause: it goes on, or is abandoned."""
        self._ask(
            "CompleteLifecycleAction",
            AutoScalingGroupName=group,
            LifecycleHookName=hook,
            InstanceId=member,
            LifecycleActionResult="CONTINUE" if proceed else "ABANDON",
        )

    def ex_heartbeat(self, group: str, hook: str, member: str) -> None:
        """Begin the pause's time anew."""
        self._ask(
            "RecordLifecycleActionHeartbeat", AutoScalingGroupName=group, LifecycleHookName=hook, InstanceId=member
        )

    def ex_put_warm_pool(self, group: str, min_size: int, state: str = "Stopped") -> None:
        """Instances that have booted once and wait beside the group, stopped (or Hibernated, Running)."""
        self._ask("PutWarmPool", AutoScalingGroupName=group, MinSize=min_size, PoolState=state)

    def ex_warm_pool(self, group: str) -> tuple[dict[str, Any] | None, list[AutoScaleMember]]:
        """(its configuration or None, its instances)."""
        found = self._ask("DescribeWarmPool", AutoScalingGroupName=group)
        return found.get("WarmPoolConfiguration"), [_member(each) for each in found.get("Instances") or []]

    def ex_delete_warm_pool(self, group: str, force: bool = False) -> None:
        self._ask("DeleteWarmPool", AutoScalingGroupName=group, ForceDelete=force)

    def ex_start_refresh(self, group: str, healthy_percent: int = 100, warmup_s: int | None = None) -> str:
        """Replace every instance, keeping so many in service; returns the refresh's id. InUse while one runs."""
        made = self._ask(
            "StartInstanceRefresh",
            AutoScalingGroupName=group,
            Preferences={"MinHealthyPercentage": healthy_percent, "InstanceWarmup": warmup_s, "SkipMatching": True},
        )
        return str(made["InstanceRefreshId"])

    def ex_list_refreshes(self, group: str) -> list[dict[str, Any]]:
        """The latest first: InstanceRefreshId, Status, PercentageComplete, StatusReason."""
        found = self._ask("DescribeInstanceRefreshes", AutoScalingGroupName=group)
        return list(found.get("InstanceRefreshes") or [])

    def ex_cancel_refresh(self, group: str) -> None:
        self._ask("CancelInstanceRefresh", AutoScalingGroupName=group)

    def _ask(self, action: str, **values: Any) -> Any:
        return self.connection.ask(action, **values)


def made_of(launch_template: str, sizes: Sequence[str], spot_share: float, always: int) -> dict[str, Any]:
    """What a group's instances are made of, for its creation or update.

    A template alone, or a mix of sizes (the first that can be had) whose share above `always` machines is spot.
    """
    template = {"LaunchTemplateId": launch_template, "Version": "$Latest"}
    if len(sizes) < 2 and not spot_share:
        return {"LaunchTemplate": template}
    return {
        "MixedInstancesPolicy": {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": template,
                "Overrides": [{"InstanceType": size} for size in sizes],
            },
            "InstancesDistribution": {
                "OnDemandAllocationStrategy": "prioritized",
                "OnDemandBaseCapacity": always,
                "OnDemandPercentageAboveBaseCapacity": round(100 - 100 * spot_share),
                "SpotAllocationStrategy": "capacity-optimized-prioritized",
            },
        }
    }


def _group(plain: Mapping[str, Any]) -> AutoScaleGroup:
    return AutoScaleGroup(
        name=plain["AutoScalingGroupName"],
        min_size=int(plain["MinSize"]),
        max_size=int(plain["MaxSize"]),
        desired=int(plain["DesiredCapacity"]),
        members=tuple(_member(each) for each in plain.get("Instances") or []),
        suspended=tuple(each["ProcessName"] for each in plain.get("SuspendedProcesses") or []),
        tags=wire.untagged(plain.get("Tags")),
        extra=plain,
    )


def _member(plain: Mapping[str, Any]) -> AutoScaleMember:
    return AutoScaleMember(
        id=plain["InstanceId"],
        state=plain["LifecycleState"],
        health=plain["HealthStatus"],
        zone=plain["AvailabilityZone"],
        protected=plain.get("ProtectedFromScaleIn") == "true",
        size=plain.get("InstanceType") or "",
        version=str((plain.get("LaunchTemplate") or {}).get("Version") or ""),
    )


def _scheduled(plain: Mapping[str, Any]) -> ScheduledAction:
    def number(key: str) -> int | None:
        return int(plain[key]) if plain.get(key) is not None else None

    def instant(key: str) -> datetime | None:
        text = plain.get(key)
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC) if text else None

    return ScheduledAction(
        name=plain["ScheduledActionName"],
        min_size=number("MinSize"),
        max_size=number("MaxSize"),
        desired=number("DesiredCapacity"),
        start=instant("StartTime"),
        end=instant("EndTime"),
        recurrence=plain.get("Recurrence"),
        time_zone=plain.get("TimeZone"),
    )


def _hook(plain: Mapping[str, Any]) -> LifecycleHook:
    return LifecycleHook(
        name=plain["LifecycleHookName"],
        transition=plain["LifecycleTransition"].rpartition("_")[2].lower(),
        timeout_s=int(plain["HeartbeatTimeout"]),
        otherwise=plain["DefaultResult"],
    )


def _instant(time: datetime | None) -> str | None:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if time else None
