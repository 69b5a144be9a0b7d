"""A topology file as YAML, and where in it each value stands. Called by primetime.topology."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from primetime.errors import UsageError

_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Source:
    """What a file says, with the way back to its lines."""

    where: str  # the file, as the user wrote it
    data: Any
    root: yaml.Node | None

    def at(self, *path: str | int) -> str:
        """`file:line:column` of the value at `path`; of the last key on the way when there is no such value."""
        node, mark = self.root, None
        for step in path:
            key, value = _step(node, step)
            if value is None:
                break
            node, mark = value, (value if step == path[-1] else key or value).start_mark
        return f"{self.where}{_position(mark)}" if mark else f"{self.where}:1:1"

    def key(self, *path: str | int) -> str:
        """`file:line:column` of the last key of `path`."""
        node, mark = self.root, None
        for step in path:
            key, node = _step(node, step)
            mark = key.start_mark if key else mark
        return f"{self.where}{_position(mark)}" if mark else f"{self.where}:1:1"


def _step(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    """(key, value) one step down; the last one counts, because merged keys (`<<`) come first."""
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in reversed(node.value) if pair[0].value == step), (None, None))
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None, None


def read(path: Path) -> str:
    """The text of a file. Raises UsageError."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory: name a topology file in it, for example {path / 'demo.yml'}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): see its owner and mode") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8: save the file as UTF-8"
        ) from error


def source(text: str, where: str) -> Source:
    """YAML text, whose keys are text and stand once each. Raises UsageError."""
    root = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        found = list(_key_problems(root, where)) if root else []
        if found:
            raise UsageError("\n".join(found))
        return Source(where, loader.construct_document(root) if root else None, root)
    except yaml.YAMLError as error:
        raise UsageError(f"{where}{_not_yaml(error, text)}") from error
    except RecursionError as error:
        raise UsageError(f"{where}: lists or mappings are nested too deeply: a topology has four levels") from error
    except ValueError as error:  # such as a date that no calendar has
        raise UsageError(f"{where}{_culprit(root)}: not YAML: {error}: write it in quotes") from error


def _culprit(root: yaml.Node | None) -> str:
    """The position of the first value that cannot be made."""
    for node in _nodes(root):
        try:
            if isinstance(node, yaml.ScalarNode):
                yaml.SafeLoader("").construct_object(node)
        except ValueError:
            return _position(node.start_mark)
    return ""


def _position(mark: yaml.Mark) -> str:
    return f":{mark.line + 1}:{mark.column + 1}"


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Every node once, however many aliases it has, in order of lines."""
    waiting, seen = [root] if root else [], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)
        elif isinstance(node, yaml.MappingNode):
            waiting += reversed([value for _, value in node.value])


def _not_yaml(error: yaml.YAMLError, text: str) -> str:
    """Where, and in words that help."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f":{line}: not YAML: it holds a control character (#x{error.character:04x}): remove it"
    mark = getattr(error, "problem_mark", None)
    position = _position(mark) if mark else ""
    problem = str(getattr(error, "problem", error))
    if "'\\t'" in problem:
        return f"{position}: not YAML: a tab: indent with spaces"
    return f"{position}: not YAML: {problem}"


def _key_problems(root: yaml.Node, where: str) -> Iterator[str]:
    """Keys that stand twice in one mapping (YAML lets the last one win in silence) or are no text."""
    for node in _nodes(root):
        if not isinstance(node, yaml.MappingNode):
            continue
        first: dict[str, int] = {}
        for key, _ in node.value:
            position = f"{where}{_position(key.start_mark)}"
            if key.tag == _MERGE:
                continue
            if key.tag != _TEXT:
                shown = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                yield f"{position}: key {shown} is not text to YAML: write a name, or put it in quotes"
            elif key.value in first:
                yield f"{position}: {key.value} stands here again, first in line {first[key.value]}: keep one of them"
            else:
                first[key.value] = key.start_mark.line + 1
