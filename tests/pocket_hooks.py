"""Lifecycle hooks and schedules as EC2 carries them out, in this process's moto, which keeps them and never acts.

A member waits at its launch and at its end until somebody completes that. One that is protected is not chosen when its
group shrinks: the group waits for that to end.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from moto.autoscaling import autoscaling_backends
from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import (
    AutoScalingBackend,
    FakeAutoScalingGroup,
    InstanceState,
    TerminateInstanceActivity,
)
from moto.autoscaling.responses import AutoScalingResponse
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError, VolumeInUseError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

from tests.moto_server import REGION

LAUNCHING, SERVING, ENDING = "Pending:Wait", "InService", "Terminating:Wait"
CONFIGURE = "configure"


_CHANGING = threading.RLock()  # of groups: moto's are changed by its server's threads, and by tests
_ABANDONED = "was abandoned: Lifecycle Action Completed with ABANDON Result"


@dataclass
class Hooks:
    """What was said: (instance, hook, result) of those completed, and the instance of each heartbeat.

    `launches`: instance → its activity as its group tells it, the latest last.
    """

    completed: list[tuple[str, str, str]] = field(default_factory=list)
    heartbeats: list[str] = field(default_factory=list)
    launches: dict[str, dict[str, Any]] = field(default_factory=dict)

    def begun(self, group: str, instance: str) -> None:
        """A launch, which its hook holds."""
        self.launches[instance] = {
            "ActivityId": str(uuid.uuid4()),
            "AutoScalingGroupName": group,
            "Description": f"Launching a new EC2 instance: {instance}",
            "Cause": "an instance was started in response to a difference between desired and actual capacity",
            "StartTime": datetime.now(UTC),
            "StatusCode": "MidLifecycleAction",
        }

    def ended(self, instance: str, result: str) -> None:
        """A launch, by its hook."""
        self.completed.append((instance, CONFIGURE, result))
        self.launches[instance]["EndTime"] = datetime.now(UTC)
        if result == "CONTINUE":
            self.launches[instance]["StatusCode"] = "Successful"
            return
        token = f"Lifecycle Action with token {uuid.uuid4()} {_ABANDONED}"
        told = f"Instance failed to complete user's Lifecycle Action: {token}"
        self.launches[instance] |= {"StatusCode": "Cancelled", "StatusMessage": told}

    @staticmethod
    def refill() -> None:
        """As groups do by themselves: launch what they have too few of."""
        with _CHANGING:
            for group in autoscaling_backends[DEFAULT_ACCOUNT_ID][REGION].autoscaling_groups.values():
                if len(_active(group)) < (group.desired_capacity or 0) and "Launch" not in group._suspended_processes:
                    group.set_desired_capacity(group.desired_capacity)

    @staticmethod
    def time_is(now: datetime) -> None:
        """Carry out the scheduled actions that are due; those that are done are there no longer."""
        backend = autoscaling_backends[DEFAULT_ACCOUNT_ID][REGION]
        for start, name in sorted((_start(each), name) for name, each in backend.scheduled_actions.items()):
            if start <= now:
                action = backend.scheduled_actions.pop(name)
                group = backend.autoscaling_groups[action.auto_scaling_group_name]
                group.min_size = group.min_size if action.min_size is None else int(action.min_size)
                group.set_desired_capacity(int(action.desired_capacity))

    def die(self, group: str, instance: str) -> None:
        """An instance's end without a hook, as when its hardware fails, or in its pause; nobody takes its place."""
        found = autoscaling_backends[DEFAULT_ACCOUNT_ID][REGION].autoscaling_groups[group]
        with _CHANGING:
            before = len(_active(found))
            found.instance_states = [each for each in found.instance_states if each.instance_id != instance]
            found.desired_capacity -= before - len(_active(found))  # one that is ending counts no more
        found.autoscaling_backend.ec2_backend.terminate_instances([instance])


def _start(action: Any) -> datetime:
    told: datetime = action.start_time
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _active(group: Any) -> list[Any]:
    return [each for each in group.instance_states if each.lifecycle_state in (LAUNCHING, SERVING)]


def _waiting(self: Any) -> tuple[Any, Any]:
    """(group, member) of a call that names a member in this pause."""
    group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
    for each in group.instance_states:
        if each.instance_id == self._get_param("InstanceId") and each.lifecycle_state in (LAUNCHING, ENDING):
            return group, each
    raise ValidationError(f"No active Lifecycle Action found with instance ID {self._get_param('InstanceId')}")


@contextmanager
def imaging() -> Iterator[None]:
    """Images as EC2 makes them while this lasts: one of a name, their snapshots tagged in the same call."""
    create = EC2Backend.create_image

    def creating(
        backend: Any, instance_id: str, name: str, description: str, tag_specifications: list[dict[str, Any]]
    ) -> Any:
        if any(each.name == name for each in backend.amis.values()):
            raise EC2ClientError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use")
        of = {each["ResourceType"]: each for each in tag_specifications}
        made = create(backend, instance_id, name, description, [of["image"]])
        made.ebs_snapshot.add_tags({each["Key"]: each["Value"] for each in of["snapshot"]["Tags"]})
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EC2Backend, "create_image", creating)
        yield


@contextmanager
def giving() -> Iterator[None]:
    """Volumes as EC2 gives them while this lasts: to one instance alone, which is in their zone."""
    attach = EBSBackend.attach_volume

    def attaching(backend: Any, volume_id: str, instance_id: str, *more: Any, **named: Any) -> Any:
        volume, instance = backend.get_volume(volume_id), backend.get_instance(instance_id)
        if volume.attachment:
            raise VolumeInUseError(volume_id, volume.attachment.instance.id)
        assert volume.zone.name == instance.placement.zone, "a volume is in another zone than its instance"
        return attach(backend, volume_id, instance_id, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EBSBackend, "attach_volume", attaching)
        yield


@contextmanager
def acting() -> Iterator[Hooks]:
    """While this lasts."""
    hooks, versions = Hooks(), dict[str, int]()
    launch, resize = FakeAutoScalingGroup.replace_autoscaling_group_instances, FakeAutoScalingGroup.set_desired_capacity
    protect, delete = AutoScalingBackend.set_instance_protection, AutoScalingBackend.delete_auto_scaling_group
    register = AutoScalingBackend.update_attached_target_groups

    def launching(group: Any, count_needed: int, propagated_tags: dict[str, str]) -> None:
        before = list(group.instance_states)
        launch(group, count_needed, propagated_tags)
        for state in group.instance_states:
            if state not in before:
                state.lifecycle_state = LAUNCHING
                versions[state.instance_id] = group.ec2_launch_template.latest_version_number
                hooks.begun(group.name, state.instance_id)

    def resizing(group: Any, capacity: int | None) -> None:
        wanted = group.min_size if capacity is None else capacity
        with _CHANGING:
            free = [each for each in _active(group) if not each.protected_from_scale_in]
            for state in free[: max(0, len(_active(group)) - wanted)]:
                state.lifecycle_state = ENDING
            if len(_active(group)) > wanted:
                group.desired_capacity = wanted
            else:
                resize(group, wanted)

    def registering(backend: Any, name: str) -> None:
        """Members that serve, or are about to; whoever ends may leave by itself."""
        group = backend.autoscaling_groups[name]
        every, group.instance_states = group.instance_states, _active(group)
        try:
            register(backend, name)
        finally:
            group.instance_states = every

    def protecting(backend: Any, group_name: str, *more: Any, **named: Any) -> None:
        protect(backend, group_name, *more, **named)
        group = backend.autoscaling_groups[group_name]
        group.set_desired_capacity(group.desired_capacity)

    def terminating(backend: Any, instance_id: str, should_decrement: bool) -> TerminateInstanceActivity:
        states = [each for group in backend.autoscaling_groups.values() for each in group.instance_states]
        [state] = [each for each in states if each.instance_id == instance_id]
        group = state.auto_scaling_group
        before = group.desired_capacity
        state.lifecycle_state = ENDING
        group.set_desired_capacity(before - 1 if should_decrement else before)
        return TerminateInstanceActivity(state.instance, before)

    def deleting(backend: Any, group_name: str) -> None:
        group = backend.autoscaling_groups[group_name]
        members, group.instance_states = [each.instance_id for each in group.instance_states], []
        if members:
            backend.ec2_backend.terminate_instances(members)
        delete(backend, group_name)

    def made_of(state: Any) -> dict[str, Any]:
        """The version that the template had when it was launched."""
        template = state.auto_scaling_group.ec2_launch_template
        version = str(versions.get(state.instance_id, template.default_version_number))
        return {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "Version": version}

    def create_version(self: Any) -> ActionResult:
        """Also from what an earlier version has, and with user-data that machines can be made of."""
        template = self.ec2_backend.get_launch_template(self._get_param("LaunchTemplateId"))
        source, data = self._get_param("SourceVersion"), self._get_param("LaunchTemplateData", {})
        if source:
            data = template.get_version(int(source)).data
        else:
            data["UserData"] = parse_user_data(self._get_param("LaunchTemplateData.UserData"))
        version = template.create_version(data, "")
        return ActionResult({"LaunchTemplateVersion": {"VersionNumber": version.number}})

    def complete(self: Any) -> EmptyResult:
        group, state = _waiting(self)
        instance, result = state.instance_id, self._get_param("LifecycleActionResult")
        launching = state.lifecycle_state == LAUNCHING
        if launching:
            hooks.ended(instance, result)
        if launching and result == "CONTINUE":
            state.lifecycle_state = SERVING
        else:
            group.instance_states.remove(state)
            self.autoscaling_backend.ec2_backend.terminate_instances([instance])
        if not launching:
            hooks.completed.append((instance, self._get_param("LifecycleHookName"), result))
        return EmptyResult()

    def activities(self: Any) -> ActionResult:
        """Of launches alone."""
        mine = [
            each
            for each in reversed(hooks.launches.values())
            if each["AutoScalingGroupName"] == self._get_param("AutoScalingGroupName")
        ]
        return ActionResult({"Activities": mine[: int(self._get_param("MaxRecords", 100))]})

    def heartbeat(self: Any) -> EmptyResult:
        hooks.heartbeats.append(_waiting(self)[1].instance_id)
        return EmptyResult()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeAutoScalingGroup, "active_instances", _active)
        patch.setattr(FakeAutoScalingGroup, "replace_autoscaling_group_instances", launching)
        patch.setattr(FakeAutoScalingGroup, "set_desired_capacity", resizing)
        patch.setattr(AutoScalingBackend, "update_attached_target_groups", registering)
        patch.setattr(AutoScalingBackend, "set_instance_protection", protecting)
        patch.setattr(AutoScalingBackend, "terminate_instance", terminating)
        patch.setattr(AutoScalingBackend, "delete_auto_scaling_group", deleting)
        patch.setattr(InstanceState, "launch_template", property(made_of))
        # moto shows those of its creation for ever
        patch.setattr(LaunchTemplate, "tags", property(LaunchTemplate.get_tags, lambda *_: None), raising=False)
        patch.setattr(LaunchTemplates, "create_launch_template_version", create_version)
        patch.setattr(AutoScalingResponse, "describe_scaling_activities", activities)
        patch.setattr(AutoScalingResponse, "complete_lifecycle_action", complete, raising=False)
        patch.setattr(AutoScalingResponse, "record_lifecycle_action_heartbeat", heartbeat, raising=False)
        yield hooks
