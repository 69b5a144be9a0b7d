"""Carrying out a plan's steps, each so that it may be cut short anywhere and taken again. Called by machines.

Tags go into the call that makes a thing, so what was made is always found; a client token or a name that only one can
have makes the same call, made twice, one thing.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from libcloud.storage.base import Container
from libcloud.storage.types import ContainerAlreadyExistsError, InvalidContainerNameError

from primetime.cloud import names, parcel, permissions
from primetime.cloud.found import BAKE, DIGEST, NODE, Aws, Thing, find
from primetime.cloud.plan import Step, differs
from primetime.cloud.user_data import endpoints, environment, user_data
from primetime.cloud.wanted import ANY, Key, Resource, cloud_of, hooks, owned, template
from primetime.cloud.ways import private_key
from primetime.drivers.autoscaling import LifecycleHook, ScheduledAction, made_of
from primetime.drivers.aws.errors import AlreadyThere, AwsError
from primetime.drivers.aws.wire import tagged, tags
from primetime.errors import NotAsDeclared, PrimetimeError
from primetime.guard.marks import LEAST
from primetime.secrets import topology as secrets
from primetime.secrets.declared import Secret
from primetime.ssh_files import key_pair
from primetime.topology import Topology
from primetime.topology.cloud import CloudGroup

Progress = Callable[[str], None]
KNOWN_S, AGAIN_S = 60.0, 2.0  # IAM tells the other services within seconds, and promises nothing
_UNKNOWN_ROLE = re.compile(r"invalid.*iam ?instance ?profile", re.IGNORECASE)
OPERATORS = {
    names.SIGNING: ("up", Secret(names.SIGNING, "signs bundles", "machines made from then on check the new one")),
    names.SSH: ("up", Secret(names.SSH, "opens machines", "machines made from then on let the new one in")),
}


class Builder:
    """Takes steps for one topology; `ids` grows as things are made."""

    def __init__(
        self, services: Aws, topology: Topology, found: Mapping[Key, Thing], progress: Progress = lambda _: None
    ) -> None:
        self.progress = progress
        self._keys: dict[str, Ed25519PrivateKey] = {}
        self.aws, self.topology, self.cloud = services, topology, cloud_of(topology)
        self.found = dict(found)
        self.ids = {key: thing.id for key, thing in found.items()}

    def take(self, step: Step) -> None:
        """One step. NotAsDeclared when somebody else's resource has the name."""
        verb = getattr(self, f"_{step.resource.kind.replace('-', '_')}")
        try:
            made = self._once_known(verb, step)
        except AlreadyThere as error:
            made = self._mine(step)
            if made is None:
                raise NotAsDeclared(
                    f"{step.resource.kind} {step.resource.name}: there is one that {self.topology.name} does not own "
                    f"({error.refusal.message}): rename the topology, or remove that one"
                ) from error
        if made:
            self.ids[step.resource.key] = made

    def _once_known(self, verb: Callable[[Step], str | None], step: Step) -> str | None:
        """What `verb` makes, asked again while the rest of AWS does not know the role that IAM has just made."""
        until = time.monotonic() + KNOWN_S
        while True:
            try:
                return verb(step)
            except AwsError as error:
                if not _UNKNOWN_ROLE.search(error.refusal.message) or time.monotonic() > until:
                    raise
                self.progress(
                    f"waiting: {step.resource.kind} {step.resource.name}: its role is not known everywhere yet"
                )
                time.sleep(AGAIN_S)

    def _mine(self, step: Step) -> str | None:
        """The thing as it was to be, when a repeated call finds what the first one made, whose answer was not heard."""
        there = find(self.aws, self.topology.name).get(step.resource.key)
        return there.id if there and not differs(step.resource, there) else None

    def _ask(self, action: str, **values: Any) -> Any:
        return self.aws.ec2.connection.ask(action, **values)

    def _id(self, kind: str, name: str | None = None) -> str:
        return self.ids[kind, name or self.topology.name]

    def _tags(self, name: str) -> dict[str, str]:
        return owned(self.topology, name)

    def _called(self, name: str) -> str:
        return f"{self.topology.name}-{name}"

    def _subnets(self) -> list[str]:
        return [self._id("subnet", zone) for zone in self.cloud.zones]

    @cached_property
    def _bucket_name(self) -> str:
        return names.bucket(self.topology.name, self.cloud.region, self.aws.account)

    def _operators(self, name: str) -> Ed25519PrivateKey:
        """A key that only operators have."""
        if name not in self._keys:
            text = self.aws.parameters.get_parameter(names.parameters(self.topology.name) + name)
            if text is None:
                raise NotAsDeclared(f"parameter {name} of {self.topology.name} has just gone: repeat the command")
            self._keys[name] = private_key(text)
        return self._keys[name]

    def _bucket(self, step: Step) -> str:
        try:
            self.aws.storage.create_container(self._bucket_name)
        except ContainerAlreadyExistsError:
            pass  # this account's own, made by a call whose answer was lost
        except InvalidContainerNameError as error:
            raise NotAsDeclared(f"bucket {self._bucket_name} is of another account: rename the topology") from error
        return self._bucket_name

    def _bundle(self, step: Step) -> None:
        """Files that are not there yet, the manifest, and last the signature: a bundle without one is not there."""
        storage, bucket = self.aws.storage, Container(self._bucket_name, {}, self.aws.storage)
        there = {each.name for each in storage.list_container_objects(bucket, prefix=f"{names.FILES}/")}
        at = f"{names.BUNDLES}/{step.resource.name}"
        with tempfile.TemporaryDirectory() as folder:
            making = Path(folder)
            every = parcel.files(self.topology, making, self.progress)
            for each in every:
                if (key := f"{names.FILES}/{each.sha256}") not in there:
                    storage.upload_object(str(each.path), bucket, key)
            content = parcel.manifest(self.topology, every)
            signature = self._operators(names.SIGNING).sign(content)
            for name, data in ((names.MANIFEST, content), (names.SIGNATURE, signature)):
                (making / name).write_bytes(data)
                storage.upload_object(str(making / name), bucket, f"{at}/{name}")

    def _parameter(self, step: Step) -> None:
        name = step.resource.name
        declared = {**secrets.declared(self.topology), **OPERATORS}
        secret = declared[name][1]
        if not secret.random_bytes:
            raise PrimetimeError(
                f"Secret {name} of {self.topology.name} comes from elsewhere: bin/primetime secret set {name} "
                f"-t {self.topology.argument}, then repeat the command"
            )
        path = names.parameters(self.topology.name)
        self.aws.parameters.put_parameter(path + name, secret.make(), self._tags(name))

    def _role(self, step: Step) -> None:
        name = step.resource.name
        [group] = [each for each in self.cloud.groups if each.name == name]
        self.aws.iam.make_machine_role(
            names.role(self.cloud.region, self.topology.name, name),
            names.roles(self.cloud.region, self.topology.name),
            permissions.policy(self.topology, group, self.aws.account),
            f"{name} {step.resource.values['digest']}",
            self._tags(name),
        )

    def _user_data(self, boot: Mapping[str, Any]) -> str:
        """What only AWS can tell is added here: it differs for no machine of a topology."""
        public = self._operators(names.SIGNING).public_key()
        return user_data(
            {
                **boot,
                "bucket": self._bucket_name,
                "public_key": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
                "ssh_key": key_pair(self._operators(names.SSH), f"primetime-{self.topology.name}")[1].rstrip(),
                "endpoints": endpoints(self.cloud.region),
                "environment": environment(self.cloud.region),
            }
        )

    def _network(self, step: Step) -> str:
        made = self._ask(
            "CreateVpc", CidrBlock=step.resource.values["cidr"], **tagged("vpc", self._tags(step.resource.name))
        )
        return str(made["vpc"]["vpcId"])

    def _gateway(self, step: Step) -> str:
        if step.verb == "make":
            made = self._ask("CreateInternetGateway", **tagged("internet-gateway", self._tags(step.resource.name)))
            self.ids[step.resource.key] = made["internetGateway"]["internetGatewayId"]
        gateway = self._id("gateway")
        self._ask("AttachInternetGateway", InternetGatewayId=gateway, VpcId=self._id("network"))
        return gateway

    def _subnet(self, step: Step) -> str:
        made = self._ask(
            "CreateSubnet",
            VpcId=self._id("network"),
            CidrBlock=step.resource.values["cidr"],
            AvailabilityZone=step.resource.name,
            **tagged("subnet", self._tags(step.resource.name)),
        )
        return str(made["subnet"]["subnetId"])

    def _routes(self, step: Step) -> str:
        there = self.found.get(step.resource.key)
        if step.verb == "make":
            made = self._ask(
                "CreateRouteTable", VpcId=self._id("network"), **tagged("route-table", self._tags(step.resource.name))
            )
            self.ids[step.resource.key] = made["routeTable"]["routeTableId"]
        table = self._id("routes")
        if not there or not there.values["default"]:
            self._ask("CreateRoute", RouteTableId=table, DestinationCidrBlock=ANY, GatewayId=self._id("gateway"))
        joined = there.extra if there else {}
        for subnet in self._subnets():
            if subnet not in joined:
                self._ask("AssociateRouteTable", RouteTableId=table, SubnetId=subnet)
        return table

    def _addresses(self, step: Step) -> None:
        subnet = self._id("subnet", step.resource.name)
        self._ask("ModifySubnetAttribute", SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})

    def _security_group(self, step: Step) -> str:
        name = step.resource.name
        made = self._ask(
            "CreateSecurityGroup",
            GroupName=self._called(name),
            GroupDescription=f"primetime {self.topology.name} {name}",
            VpcId=self._id("network"),
            **tagged("security-group", self._tags(name)),
        )
        return str(made["groupId"])

    def _rules(self, step: Step) -> None:
        """Let in what is missing first, then shut what is too much: nothing that is declared is ever cut off."""
        there = self.found.get(step.resource.key)
        have = set(there.values["rules"]) if there else set()
        want = set() if step.verb == "remove" else set(step.resource.values["rules"])
        group = self._id("security-group", step.resource.name)
        for action, rules in (
            ("AuthorizeSecurityGroupIngress", want - have),
            ("RevokeSecurityGroupIngress", have - want),
        ):
            if rules:
                self._ask(action, GroupId=group, IpPermissions=[self._permission(*rule) for rule in sorted(rules)])

    def _permission(self, transport: str, port: int, source: str) -> dict[str, Any]:
        group = self.ids.get(("security-group", source))
        whom = {"Groups": [{"GroupId": group}]} if group else {"IpRanges": [{"CidrIp": source}]}
        if source.startswith("sg-"):
            whom = {"Groups": [{"GroupId": source}]}
        return {"IpProtocol": transport, "FromPort": port, "ToPort": port, **whom}

    def _template(self, step: Step) -> str:
        name, digest = step.resource.name, step.resource.values["digest"]
        details = dict(step.resource.details)
        boot = self._user_data(details.pop("boot"))
        data = {**details, "SecurityGroupId": [self._id("security-group", name)], "UserData": boot}
        token = self._token("template", name, digest)
        if step.verb == "make":
            marks = {**self._tags(name), DIGEST: f"{digest}@1"}
            return self.aws.ec2.ex_create_launch_template(self._called(name), data, marks, token).id
        there = self.found[step.resource.key].extra
        version = self.aws.ec2.ex_create_launch_template_version(there, data)
        self._ask("CreateTags", ResourceId=[there.id], Tag=tags({DIGEST: f"{digest}@{version}"}))
        return str(there.id)

    def _target_group(self, step: Step) -> str:
        name, values = step.resource.name, step.resource.values
        return self.aws.balancing.ex_create_target_group(
            self._called(name), self._id("network"), values["port"], values["health"], self._tags(name)
        ).id

    def _balancer(self, step: Step) -> str:
        name = step.resource.name
        return self.aws.balancing.create_balancer(self._called(name), self._subnets(), tags=self._tags(name)).id

    def _listener(self, step: Step) -> str:
        name = step.resource.name
        return self.aws.balancing.ex_create_listener(
            self._id("balancer", name), step.resource.values["port"], self._id("target-group", name), self._tags(name)
        ).id

    def _group(self, step: Step) -> str:
        resource, name = step.resource, self._called(step.resource.name)
        values, share = resource.values, resource.details["spot_share"]
        marks = {**self._tags(resource.name), LEAST: str(values["min"])}
        template = self._id("template", resource.name)
        if step.verb == "make":
            balanced = [self._id("target-group", resource.name)] if resource.details["balanced"] else []
            self.aws.scaling.create_auto_scale_group(
                name,
                values["min"],
                values["max"],
                template,
                self._subnets(),
                target_groups=balanced,
                tags=marks,
                ex_hooks=self._hooks(resource.name),
                ex_sizes=values["sizes"],
                ex_spot_share=share,
            )
            return name
        group = self.found[resource.key].extra
        smallest = {} if group.min_size <= values["max"] else {"MinSize": values["max"]}
        if str(values["min"]) != group.tags.get(LEAST):
            smallest = {"MinSize": values["min"]}
        self.aws.scaling.update_auto_scale_group(
            name,
            MaxSize=values["max"],
            VPCZoneIdentifier=",".join(self._subnets()),
            **smallest,
            **made_of(template, values["sizes"], share, values["min"]),
        )
        self.aws.scaling.ex_tag_auto_scale_group(name, marks)
        return name

    def _hook(self, step: Step) -> None:
        group, _, name = step.resource.name.partition("/")
        [hook] = [each for each in self._hooks(group) if each.name == name]
        self.aws.scaling.ex_put_hook(self._called(group), hook)

    def _hooks(self, name: str) -> tuple[LifecycleHook, ...]:
        [group] = [each for each in self.cloud.groups if each.name == name]
        return hooks(group)

    def _action(self, step: Step) -> None:
        group, _, name = step.resource.name.partition("/")
        if step.verb == "remove":
            self.aws.scaling.ex_delete_scheduled_action(self._called(group), name)
            return
        values = step.resource.values
        self.aws.scaling.ex_put_scheduled_action(
            self._called(group), ScheduledAction(name, values["min"], None, values["desired"], values["start"])
        )

    def _node(self, step: Step) -> str:
        name, group = step.resource.name, step.resource.details["group"]
        marks = {**self._tags(name), NODE: name}
        made = self._ask(
            "RunInstances",
            MinCount=1,
            MaxCount=1,
            LaunchTemplate={"LaunchTemplateId": self._id("template", group), "Version": "$Latest"},
            SubnetId=self._id("subnet", step.resource.values["zone"]),
            ClientToken=self._token("node", name, self._last(NODE, name)),
            **tagged("instance", marks),
        )
        return str(made["instancesSet"][0]["instanceId"])

    def run_baking(self, group: CloudGroup, marks: Mapping[str, str], without: Mapping[str, str]) -> str:
        """A machine of a group's template that is baked; `without` is a device that it shall not have."""
        boot = template(self.topology, self.cloud, group, self.topology.image)["boot"]
        boot |= {"scaling_group": "", "hook": "", "bake": True}
        made = self._ask(
            "RunInstances",
            MinCount=1,
            MaxCount=1,
            ImageId=self.topology.image,
            LaunchTemplate={"LaunchTemplateId": self._id("template", group.name), "Version": "$Latest"},
            SubnetId=self._subnets()[0],
            BlockDeviceMapping=[without] if group.spool_gb else None,
            UserData=base64.b64encode(self._user_data(boot).encode()).decode(),
            ClientToken=self._token("bake", *marks.values(), self._last(BAKE, marks[BAKE])),
            **tagged("instance", marks),
        )
        return str(made["instancesSet"][0]["instanceId"])

    def _last(self, tag: str, value: str) -> str:
        """The machine that had this tag before, while EC2 remembers it: its token must not be used again."""
        answer = self._ask(
            "DescribeInstances",
            Filter=[
                {"Name": f"tag:{tag}", "Value": [value]},
                {"Name": "vpc-id", "Value": [self._id("network")]},
            ],
        )
        found = [each for one in answer.get("reservationSet") or [] for each in one["instancesSet"]]
        return max(((each.get("launchTime") or "", each["instanceId"]) for each in found), default=("", "none"))[1]

    def _token(self, *words: str) -> str:
        """The same for the same thing of this very network, so that a repeated call is the same call."""
        text = "/".join((self.topology.name, self._id("network"), *words))
        return hashlib.sha256(text.encode()).hexdigest()[:48]


__all__ = ["Builder", "Resource"]
