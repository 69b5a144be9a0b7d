"""The shipper's numbers for Prometheus, made of its status and of nothing else (docs/metrics.md says what each means).

Counters belong to a lane: each begins again at 0 when its process does, which a sum over lanes would hide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PREFIX = "primetime_shipper_"

Labels = Mapping[str, str]

_SINK = {
    "lag_seconds": ("lag_seconds", "Age of the oldest event that the sink has yet to take; 0 when there is none."),
    "lag_bytes": ("lag_bytes", "Bytes in the spool that the sink has yet to take."),
    "lag_events": ("lag_events", "Events that these are, estimated."),
    "failing_s": ("failing_seconds", "For how long every attempt has failed; 0 when the last one did not."),
}
_LANE = {
    "batches": ("batches_total", "Batches that the sink has taken."),
    "events": ("events_total", "Events in them."),
    "retries": ("retries_total", "Attempts that failed and were made again."),
    "dead_letters": ("dead_letters_total", "Events that HBase cannot store as they are, kept as dead letters."),
    "resent": ("resent_total", "Events that Redis had counted before."),
}


def render(status: Mapping[str, Any]) -> str:
    """Prometheus' text format."""
    return "".join(line + "\n" for line in _lines(status))


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    sinks = {name: sink for name, sink in status["sinks"].items() if not sink.get("disabled")}
    for key, (name, about) in _SINK.items():
        yield from _family(name, "gauge", about, [({"sink": sink}, said[key]) for sink, said in sinks.items()])
    stored = [({"sink": sink}, said["last_batch_ms"] / 1000) for sink, said in sinks.items() if said["last_batch_ms"]]
    yield from _family("last_batch_timestamp_seconds", "gauge", "When the sink last took a batch.", stored)
    for key, (name, about) in _LANE.items():
        counted = [(_of(lane), said[key]) for lane, said in status["lanes"].items() if key in said]
        yield from _family(name, "counter", about, counted)
    kept = [({"sink": sink}, len(said["kept"])) for sink, said in sinks.items() if sink == "hbase"]
    yield from _family("kept_segments", "gauge", "Segments that cannot be stored whole and stay in the spool.", kept)
    lost = [({"sink": sink}, sum(said["lost"].values())) for sink, said in sinks.items() if "lost" in said]
    yield from _family("lost_segments", "gauge", "Segments that are gone without having been stored whole.", lost)
    for name, kind, about, value in (
        ("spool_segments", "gauge", "Segments in the spool.", status["segments"]),
        ("spool_bytes", "gauge", "What they take on the disk.", status["spool_bytes"]),
        ("lane_deaths_total", "counter", "Lanes that died and were started again.", status["restarts"]),
        ("trouble", "gauge", "1 while dead writers' segments cannot be closed.", int(bool(status["trouble"]))),
        ("start_time_seconds", "gauge", "When it started.", status["started_ms"] / 1000),
        ("report_timestamp_seconds", "gauge", "When all this was true.", status["at_ms"] / 1000),
    ):
        yield from _family(name, kind, about, [({}, value)])


def _of(lane: str) -> Labels:
    return {"sink": lane.partition("-")[0], "lane": lane}


def _family(name: str, kind: str, about: str, samples: Sequence[tuple[Labels, float]]) -> Iterator[str]:
    if samples:
        yield f"# HELP {PREFIX}{name} {about}"
        yield f"# TYPE {PREFIX}{name} {kind}"
    for labels, value in samples:
        named = ",".join(f'{label}="{text}"' for label, text in labels.items())
        yield f"{PREFIX}{name}{{{named}}} {value}" if named else f"{PREFIX}{name} {value}"
