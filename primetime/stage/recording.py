"""What a stage showed, kept while somebody looks, and as one HTML file that plays it again without a stage.

Called by app.py. A snapshot is kept as what differs from the one before; what belongs to this machine alone (addresses,
its health, where phones vote) is never kept. page/stage.js plays it.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import orjson

EVERY_MS = 500
MOST = 16_000  # over two hours of change; then the older half is thinned
OWN = ("health", "vote_at", "next", "price", "cost", "capacity", "expires_ms")  # of this stage, not of what it showed

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


class Recording:
    """Changes in order, each with its `at_ms`; the first one is whole."""

    def __init__(self, every_ms: int = EVERY_MS, most: int = MOST) -> None:
        self._every_ms, self._most = every_ms, most
        self._changes: list[tuple[int, bytes]] = []  # when, and packed: an hour of change is 3 MB
        self._last: dict[str, Any] = {}
        self._newest: Mapping[str, Any] | None = None  # came too soon after what was kept last
        self._lock = threading.Lock()

    def note(self, snapshot: Mapping[str, Any]) -> None:
        """Keep what is new in a snapshot, not more often than that."""
        with self._lock:
            if not snapshot["nodes"]:
                return  # nothing is read yet
            if self._changes and snapshot["at_ms"] - self._changes[-1][0] < self._every_ms:
                self._newest = snapshot
                return
            self._keep(snapshot)

    def changes(self) -> list[dict[str, Any]]:
        """All that was kept, up to the very last snapshot: nothing may come after it that would be kept."""
        with self._lock:
            if self._newest:
                self._keep(self._newest)
            kept = list(self._changes)
        return [_unpacked(change) for _, change in kept]

    def _keep(self, snapshot: Mapping[str, Any]) -> None:
        shown, at_ms = _shown(snapshot), snapshot["at_ms"]
        changed = {key: value for key, value in shown.items() if self._last.get(key) != value}
        self._last, self._newest = shown, None
        if changed:
            self._changes.append((at_ms, _packed({**changed, "at_ms": at_ms})))
        if len(self._changes) > self._most:
            self._thin()

    def _thin(self) -> None:
        """Every two of the older half become one: the later one's time, what both changed."""
        half = len(self._changes) // 2
        older = self._changes[:half]
        pairs = [_merged(older[at], older[at + 1]) for at in range(0, half - 1, 2)]
        self._changes = [*pairs, *older[len(pairs) * 2 :], *self._changes[half:]]


def _merged(earlier: tuple[int, bytes], later: tuple[int, bytes]) -> tuple[int, bytes]:
    return later[0], _packed({**_unpacked(earlier[1]), **_unpacked(later[1])})


def _packed(change: Mapping[str, Any]) -> bytes:
    return zlib.compress(orjson.dumps(change), 1)


def _unpacked(change: bytes) -> dict[str, Any]:
    return dict(orjson.loads(zlib.decompress(change)))


def _shown(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    counter = {key: value for key, value in snapshot["counter"].items() if key != "history"}  # drawn of the rates
    nodes = [{key: value for key, value in node.items() if key != "address"} for node in snapshot["nodes"]]
    left_out = (*OWN, "at_ms")
    return {key: value for key, value in snapshot.items() if key not in left_out} | {"counter": counter, "nodes": nodes}


def html(recording: Recording) -> bytes:
    """The page with all that it needs and what was recorded, in one file."""
    page, style, script, path_map = (_file(name) for name in ("stage.html", "stage.css", "stage.js", "map.js"))
    # `<` only as an escape: nothing in a string can end the element
    changes = orjson.dumps(recording.changes()).decode().replace("<", "\\u003c")
    imports = 'import { PathMap, element } from "/map.js"\n'
    assert imports in script, imports
    inside_out = path_map.replace("export ", "")
    module = f"const {{ PathMap, element }} = (() => {{\n{inside_out}\nreturn {{ PathMap, element }}\n}})()\n"
    whole = script.replace(imports, module)
    recorded = f'<script type="application/json" id="recorded">{changes}</script>'
    for outside, inside in (
        ('<link rel="icon" href="/icon.svg">\n', f'<meta http-equiv="content-security-policy" content="{_POLICY}">\n'),
        ('<link rel="stylesheet" href="/stage.css">', f"<style>\n{style}</style>"),
        ('<script type="module" src="/stage.js"></script>', f'{recorded}\n<script type="module">{whole}</script>'),
    ):
        assert outside in page, outside
        page = page.replace(outside, inside)
    return page.encode()


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")
