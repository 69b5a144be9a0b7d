"""A CloudFormation template of `export` → the same cluster for Terraform, as JSON. Called by bench/cloud.

Only what the export makes is understood: another kind of resource is an error, not left out. Names and attributes are
those of Terraform's AWS provider, version 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from primetime.errors import PrimetimeError

Json = dict[str, Any]

# moto tells of these in other words than AWS does (an account before a group's id, no template of a machine): they are
# read like all others, and what differs is no change
TOLD_OTHERWISE = (
    "aws_instance",
    "aws_launch_template",
    "aws_vpc_security_group_ingress_rule",
    "aws_autoscaling_group",
    "aws_autoscaling_lifecycle_hook",
)
SERVICES = ("autoscaling", "ec2", "elbv2", "iam", "s3", "sts")


def configuration(template: Json, region: str, endpoint: str) -> Json:
    """All of a configuration, `main.tf.json`: its provider asks `endpoint`, and nothing else."""
    every: dict[str, Json] = {}
    for name, resource in template["Resources"].items():
        kind, values = _translated(name, resource, template["Resources"])
        every.setdefault(kind, {})[name] = values
    provider = {
        "region": region,
        "access_key": "test",
        "secret_key": "test",
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_requesting_account_id": True,
        "endpoints": [dict.fromkeys(SERVICES, endpoint)],
    }
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
        "provider": {"aws": provider},
        "resource": every,
    }


def _translated(name: str, resource: Json, every: Mapping[str, Json]) -> tuple[str, Json]:
    kind = resource["Type"].removeprefix("AWS::")
    if kind not in _KINDS:
        raise PrimetimeError(f"{name} is a {kind}, which has no counterpart here: write it in {__name__}")
    terraform, translate = _KINDS[kind]
    values = translate(_resolved(resource["Properties"], every))
    if terraform in TOLD_OTHERWISE:
        values["lifecycle"] = {"ignore_changes": "all"}
    if "DependsOn" in resource:
        values["depends_on"] = [_address(resource["DependsOn"], every)]
    return terraform, values


def _address(name: str, every: Mapping[str, Json]) -> str:
    return f"{_KINDS[every[name]['Type'].removeprefix('AWS::')][0]}.{name}"


def _resolved(value: Any, every: Mapping[str, Json]) -> Any:
    """Values with references as Terraform writes them."""
    if isinstance(value, list):
        return [_resolved(each, every) for each in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return f"${{{_address(value['Ref'], every)}.id}}"
    if "Fn::GetAtt" in value:
        name, attribute = value["Fn::GetAtt"]
        return f"${{{_address(name, every)}.{_ATTRIBUTES[attribute]}}}"
    return {key: _resolved(each, every) for key, each in value.items()}


_ATTRIBUTES = {"GroupId": "id", "LatestVersionNumber": "latest_version"}


def _tags(values: Json) -> Json:
    return {each["Key"]: each["Value"] for each in values.get("Tags", [])}


def _network(values: Json) -> Json:
    return {"cidr_block": values["CidrBlock"], "tags": _tags(values)}


def _gateway(values: Json) -> Json:
    return {"tags": _tags(values)}


def _attachment(values: Json) -> Json:
    return {"internet_gateway_id": values["InternetGatewayId"], "vpc_id": values["VpcId"]}


def _subnet(values: Json) -> Json:
    return {
        "vpc_id": values["VpcId"],
        "cidr_block": values["CidrBlock"],
        "availability_zone": values["AvailabilityZone"],
        "map_public_ip_on_launch": values["MapPublicIpOnLaunch"],
        "tags": _tags(values),
    }


def _routes(values: Json) -> Json:
    return {"vpc_id": values["VpcId"], "tags": _tags(values)}


def _route(values: Json) -> Json:
    return {
        "route_table_id": values["RouteTableId"],
        "destination_cidr_block": values["DestinationCidrBlock"],
        "gateway_id": values["GatewayId"],
    }


def _association(values: Json) -> Json:
    return {"route_table_id": values["RouteTableId"], "subnet_id": values["SubnetId"]}


def _security_group(values: Json) -> Json:
    return {
        "name": values["GroupName"],
        "description": values["GroupDescription"],
        "vpc_id": values["VpcId"],
        "tags": _tags(values),
    }


def _rule(values: Json) -> Json:
    from_group = "SourceSecurityGroupId" in values
    source = {"referenced_security_group_id": values["SourceSecurityGroupId"]} if from_group else {}
    return {
        "security_group_id": values["GroupId"],
        "ip_protocol": values["IpProtocol"],
        "from_port": values["FromPort"],
        "to_port": values["ToPort"],
        **(source or {"cidr_ipv4": values["CidrIp"]}),
    }


def _template(values: Json) -> Json:
    data = values["LaunchTemplateData"]
    options = data["MetadataOptions"]
    return {
        "name": values["LaunchTemplateName"],
        "image_id": data["ImageId"],
        "instance_type": data["InstanceType"],
        "metadata_options": {
            "http_tokens": options["HttpTokens"],
            "http_put_response_hop_limit": options["HttpPutResponseHopLimit"],
        },
        "block_device_mappings": [_device(each) for each in data["BlockDeviceMappings"]],
        "tag_specifications": [
            {"resource_type": each["ResourceType"], "tags": _tags(each)} for each in data["TagSpecifications"]
        ],
        "vpc_security_group_ids": data["SecurityGroupIds"],
        "tags": _tags(values["TagSpecifications"][0]),
    }


def _device(mapping: Json) -> Json:
    volume = mapping["Ebs"]
    return {
        "device_name": mapping["DeviceName"],
        "ebs": {
            "volume_type": volume["VolumeType"],
            "volume_size": volume["VolumeSize"],
            "encrypted": volume["Encrypted"],
            "delete_on_termination": volume["DeleteOnTermination"],
        },
    }


def _target_group(values: Json) -> Json:
    return {
        "name": values["Name"],
        "vpc_id": values["VpcId"],
        "protocol": values["Protocol"],
        "port": values["Port"],
        "target_type": values["TargetType"],
        "health_check": {
            "protocol": values["HealthCheckProtocol"],
            "port": values["HealthCheckPort"],
            "path": values["HealthCheckPath"],
            "interval": values["HealthCheckIntervalSeconds"],
            "healthy_threshold": values["HealthyThresholdCount"],
            "unhealthy_threshold": values["UnhealthyThresholdCount"],
        },
        "tags": _tags(values),
    }


def _balancer(values: Json) -> Json:
    return {
        "name": values["Name"],
        "load_balancer_type": values["Type"],
        "internal": values["Scheme"] != "internet-facing",
        "subnets": values["Subnets"],
        "tags": _tags(values),
    }


def _listener(values: Json) -> Json:
    return {
        "load_balancer_arn": values["LoadBalancerArn"],
        "protocol": values["Protocol"],
        "port": values["Port"],
        "default_action": [
            {"type": each["Type"], "target_group_arn": each["TargetGroupArn"]} for each in values["DefaultActions"]
        ],
    }


def _group(values: Json) -> Json:
    policy = values["MixedInstancesPolicy"]
    made_from, shares = policy["LaunchTemplate"], policy["InstancesDistribution"]
    launched = made_from["LaunchTemplateSpecification"]
    return {
        "name": values["AutoScalingGroupName"],
        "min_size": int(values["MinSize"]),
        "max_size": int(values["MaxSize"]),
        "vpc_zone_identifier": values["VPCZoneIdentifier"],
        "health_check_type": values["HealthCheckType"],
        "target_group_arns": values["TargetGroupARNs"],
        "wait_for_capacity_timeout": "0",
        "force_delete": True,
        "mixed_instances_policy": {
            "launch_template": {
                "launch_template_specification": {
                    "launch_template_id": launched["LaunchTemplateId"],
                    "version": launched["Version"],
                },
                "override": [{"instance_type": each["InstanceType"]} for each in made_from["Overrides"]],
            },
            "instances_distribution": {
                "on_demand_allocation_strategy": shares["OnDemandAllocationStrategy"],
                "on_demand_base_capacity": shares["OnDemandBaseCapacity"],
                "on_demand_percentage_above_base_capacity": shares["OnDemandPercentageAboveBaseCapacity"],
                "spot_allocation_strategy": shares["SpotAllocationStrategy"],
            },
        },
        "tag": [
            {"key": each["Key"], "value": each["Value"], "propagate_at_launch": each["PropagateAtLaunch"]}
            for each in values["Tags"]
        ],
    }


def _hook(values: Json) -> Json:
    return {
        "name": values["LifecycleHookName"],
        "autoscaling_group_name": values["AutoScalingGroupName"],
        "lifecycle_transition": values["LifecycleTransition"],
        "heartbeat_timeout": values["HeartbeatTimeout"],
        "default_result": values["DefaultResult"],
    }


def _action(values: Json) -> Json:
    group = values["AutoScalingGroupName"]
    as_it_is = -1  # what the group has
    return {
        "scheduled_action_name": values["StartTime"].replace(":", "-"),
        "autoscaling_group_name": group,
        "min_size": values.get("MinSize", as_it_is),
        "max_size": values.get("MaxSize", as_it_is),
        "desired_capacity": values.get("DesiredCapacity", as_it_is),
        "start_time": values["StartTime"],
    }


def _node(values: Json) -> Json:
    made_from = values["LaunchTemplate"]
    return {
        "ami": values["ImageId"],
        "instance_type": values["InstanceType"],
        "launch_template": {"id": made_from["LaunchTemplateId"], "version": made_from["Version"]},
        "subnet_id": values["SubnetId"],
        "tags": _tags(values),
    }


# CloudFormation's kind → Terraform's, and how its properties are said there
_KINDS: dict[str, tuple[str, Callable[[Json], Json]]] = {
    "EC2::VPC": ("aws_vpc", _network),
    "EC2::InternetGateway": ("aws_internet_gateway", _gateway),
    "EC2::VPCGatewayAttachment": ("aws_internet_gateway_attachment", _attachment),
    "EC2::Subnet": ("aws_subnet", _subnet),
    "EC2::RouteTable": ("aws_route_table", _routes),
    "EC2::Route": ("aws_route", _route),
    "EC2::SubnetRouteTableAssociation": ("aws_route_table_association", _association),
    "EC2::SecurityGroup": ("aws_security_group", _security_group),
    "EC2::SecurityGroupIngress": ("aws_vpc_security_group_ingress_rule", _rule),
    "EC2::LaunchTemplate": ("aws_launch_template", _template),
    "EC2::Instance": ("aws_instance", _node),
    "ElasticLoadBalancingV2::TargetGroup": ("aws_lb_target_group", _target_group),
    "ElasticLoadBalancingV2::LoadBalancer": ("aws_lb", _balancer),
    "ElasticLoadBalancingV2::Listener": ("aws_lb_listener", _listener),
    "AutoScaling::AutoScalingGroup": ("aws_autoscaling_group", _group),
    "AutoScaling::LifecycleHook": ("aws_autoscaling_lifecycle_hook", _hook),
    "AutoScaling::ScheduledAction": ("aws_autoscaling_schedule", _action),
}
