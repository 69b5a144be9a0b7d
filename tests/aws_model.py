"""What AWS publishes of its own interface, as boto3 carries it: whether AWS would understand a request or an answer.

moto takes no notice of a parameter that it does not know, nor of one that is missing; AWS refuses both. Called by
moto_server for whatever reaches it, and by aws_wire for what drivers send and for the answers in files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from xml.etree import ElementTree

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ListShape, OperationModel, OperationNotFoundError, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

_NAMES = {"elasticloadbalancing": "elbv2"}  # by which signatures know a service → by which boto3 does
_PROTOCOL = {"Action", "Version"}
_AROUND = {"ResponseMetadata", "requestId", "return", "NextToken", "NextMarker"}


@cache
def _service(name: str) -> ServiceModel:
    name = _NAMES.get(name, name)
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


@cache
def _operation(service: str, action: str) -> OperationModel | None:
    try:
        return _service(service).operation_model(action)
    except OperationNotFoundError:
        return None


def request_problems(service: str, asked: Mapping[str, str]) -> list[str]:
    """What AWS would refuse in a call of the query protocol: `{"Action": ..., "A.member.1.B": ...}`."""
    action = asked["Action"]
    operation = _operation(service, action)
    if operation is None:
        return [f"{service} has no action {action}"]
    values = {name: value for name, value in asked.items() if name not in _PROTOCOL}
    if operation.input_shape is None:
        return [f"{action} takes no {name}" for name in values]
    try:
        read = _read(operation.input_shape, _tree(values), _service(service).protocol == "ec2")
    except ValueError as error:
        return [f"{action}: {error}"]
    return _refused(action, read, operation.input_shape)


def document_problems(service: str, action: str, asked: Mapping[str, Any]) -> list[str]:
    """The same of a service that speaks JSON."""
    operation = _operation(service, action)
    if operation is None or operation.input_shape is None:
        return [f"{service} has no action {action}"]
    unknown = [f"{action}: {name} is unknown" for name in asked if name not in operation.input_shape.members]
    return unknown or _refused(action, asked, operation.input_shape)


def answer_problems(service: str, action: str, text: str) -> list[str]:
    """What AWS would never answer to an action: elements that its model does not have."""
    operation = _operation(service, action)
    if operation is None:
        return [f"{service} has no action {action}"]
    document = ElementTree.XML(text)
    result = next((each for each in document if _local(each) == f"{action}Result"), document)
    shape = operation.output_shape
    return list(_strange(shape, result, action)) if shape else [f"{action}: {_local(each)}" for each in _own(result)]


def understands(service: str) -> bool:
    """Whether it speaks the query protocol or JSON, which can be read here: S3 does not."""
    try:
        return str(_service(service).protocol) in ("ec2", "query", "json")
    except UnknownServiceError:
        return False


def _refused(action: str, values: Any, shape: Shape) -> list[str]:
    report = ParamValidator().validate(values, shape)
    return [f"{action}: {report.generate_report()}"] if report.has_errors() else []


def _tree(flat: Mapping[str, str]) -> dict[str, Any]:
    """`{"A.1.B": "x"}` → `{"A": {"1": {"B": "x"}}}`."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *way, last = name.split(".")
        at = tree
        for part in way:
            at = at.setdefault(part, {})
        at[last] = value
    return tree


def _read(shape: Shape, tree: Any, ec2: bool) -> Any:
    """Parameters as the values that boto3 takes; ValueError where the model has no such thing."""
    if isinstance(shape, StructureShape):
        return _read_structure(shape, tree, ec2)
    if isinstance(shape, ListShape):
        elements = tree if ec2 or shape.serialization.get("flattened") else tree["member"]
        if list(elements) != [str(number) for number in range(1, len(elements) + 1)]:
            raise ValueError(f"a list of {shape.name} is numbered {list(elements)}")
        return [_read(shape.member, each, ec2) for each in elements.values()]
    return _read_scalar(shape, tree)


def _read_structure(shape: StructureShape, tree: Any, ec2: bool) -> dict[str, Any]:
    known = {_written(name, member, ec2): (name, member) for name, member in shape.members.items()}
    if unknown := [name for name in tree if name not in known]:
        raise ValueError(f"{shape.name} has no {', '.join(unknown)}")
    return {known[name][0]: _read(known[name][1], value, ec2) for name, value in tree.items()}


def _written(name: str, member: Shape, ec2: bool) -> str:
    """A member's name in a request, as botocore's serializers have it."""
    if ec2 and "queryName" in member.serialization:
        return str(member.serialization["queryName"])
    written = str(member.serialization.get("name", name))
    if isinstance(member, ListShape) and member.serialization.get("flattened") and not ec2:
        written = str(member.member.serialization.get("name", written))
    return written[0].upper() + written[1:] if ec2 else written


def _read_scalar(shape: Shape, text: str) -> Any:
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name in ("float", "double"):
        return float(text)
    if shape.type_name == "boolean":
        if text not in ("true", "false"):
            raise ValueError(f"{shape.name} is {text!r}: neither true nor false")
        return text == "true"
    if text not in (allowed := shape.metadata.get("enum") or [text]):
        raise ValueError(f"{shape.name} is {text!r}: none of {allowed}")
    return text


def _strange(shape: Shape, element: ElementTree.Element, where: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        known = {str(member.serialization.get("name", name)): member for name, member in shape.members.items()}
        for each in _own(element):
            if _local(each) in known:
                yield from _strange(known[_local(each)], each, f"{where}.{_local(each)}")
            else:
                yield f"{where} has no {_local(each)}"
    elif isinstance(shape, ListShape):
        for each in element:
            yield from _strange(shape.member, each, where)
    elif (element.text or "") not in (allowed := shape.metadata.get("enum") or [element.text or ""]):
        yield f"{where} is {element.text!r}: none of {allowed}"


def _own(element: ElementTree.Element) -> list[ElementTree.Element]:
    """An answer's own elements, without what is around each."""
    return [each for each in element if _local(each) not in _AROUND]


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
