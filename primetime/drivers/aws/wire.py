"""AWS's query protocol as data: parameters out of plain values, plain values out of XML. Called by the drivers.

EC2 writes lists as `A.1`, the other services as `A.member.1`; in answers a list's elements are `item` or `member`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

Plain = Any  # None, str, list[Plain] or dict[str, Plain]
_ELEMENTS = {"item", "member"}
_TOKENS = {"nextToken": "NextToken", "NextToken": "NextToken", "NextMarker": "Marker", "Marker": "Marker"}


def parameters(values: Mapping[str, Any], member: str = "") -> dict[str, str]:
    """`{"A": [{"B": 1}]}` → `{"A.1.B": "1"}`, or `{"A.member.1.B": "1"}` with member "member". None is left out."""
    return dict(_flat(values, "", f"{member}." if member else ""))


def _flat(value: Any, name: str, member: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key, member)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value, 1):
            yield from _flat(inner, f"{name}.{member}{number}", member)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif value is not None:
        yield name, str(value)


def tags(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most actions take them."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tagged(resource: str, values: Mapping[str, str]) -> dict[str, Any]:
    """EC2's parameter that gives tags in the creating call."""
    return {"TagSpecification": [{"ResourceType": resource, "Tag": tags(values)}]}


def untagged(plain: Plain, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Tags of an answer as a mapping."""
    return {tag[key]: tag[value] or "" for tag in plain or []}


def local(element: ElementTree.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def plain(element: ElementTree.Element) -> Plain:
    """An answer as text, lists and mappings; an empty element is None."""
    children = list(element)
    if not children:
        return (element.text or "").strip() or None
    if all(local(child) in _ELEMENTS for child in children):
        return [plain(child) for child in children]
    return {local(child): plain(child) for child in children}


def in_namespace(element: ElementTree.Element, namespace: str) -> ElementTree.Element:
    """The same, every name in `namespace`: libcloud looks for one spelling, endpoints answer with several."""
    for inner in element.iter():
        inner.tag = f"{{{namespace}}}{local(inner)}" if namespace else local(inner)
    return element


def next_page(document: ElementTree.Element) -> dict[str, str]:
    """The parameter that asks for what follows a page; empty when this is the last one."""
    for holder in (document, *document):
        for child in holder:
            if local(child) in _TOKENS and (child.text or "").strip():
                return {_TOKENS[local(child)]: str(child.text).strip()}
    return {}


def append_page(document: ElementTree.Element, page: ElementTree.Element) -> None:
    """Add a further page's list elements to the lists of `document`, and drop its token."""
    for holder, more in ((document, page), *zip(document, page, strict=False)):
        lists = {child.tag: child for child in holder}
        for child in more:
            elements = list(child)
            if local(child) not in _ELEMENTS and elements and all(local(e) in _ELEMENTS for e in elements):
                lists[child.tag].extend(elements) if child.tag in lists else holder.append(child)
        for child in [child for child in holder if local(child) in _TOKENS]:
            holder.remove(child)
