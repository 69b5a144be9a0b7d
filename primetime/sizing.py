"""Heaps from the size that the topology gives a host.

Never from what the kernel shows: inside a container that is the size of the machine around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from primetime.errors import UsageError
from primetime.settings import known

OPERATING_SYSTEM_MB = 160  # systemd, sshd, journald, page cache that the JVMs' files need
JVM_OVERHEAD_MB = 110  # metaspace, code cache, threads, buffers of a small HBase or Hadoop daemon, beside its heap
LEAST_HEAP_MB = 32


def heaps(memory_mb: int, weights: Mapping[str, int], reserved_mb: int = 0) -> dict[str, int]:
    """Split what a host has left, after its system and each JVM's overhead, by weight: {daemon: MiB}.

    `weights` is daemon → heap_weight, `reserved_mb` what daemons that are not JVMs take. Raises UsageError
    when the host is too small.
    """
    if not weights:
        return {}
    left = memory_mb - OPERATING_SYSTEM_MB - reserved_mb - JVM_OVERHEAD_MB * len(weights)
    total = sum(weights.values())
    split = {daemon: left * weight // total for daemon, weight in weights.items()}
    if min(split.values()) < LEAST_HEAP_MB:
        needed = -(-LEAST_HEAP_MB * total // min(weights.values())) + memory_mb - left
        raise UsageError(f"{memory_mb} MiB is too little for {', '.join(weights)}: give the group memory_mb {needed}")
    return split


def on_a_host(memory_mb: int, groups: Iterable[str]) -> dict[str, int]:
    """The heaps on a host of so many MiB in these inventory groups. Raises UsageError when it is too small."""
    classes = {group: known()[group] for group in groups if group in known()}
    weights = {group: cls.heap_weight for group, cls in classes.items() if hasattr(cls, "heap_weight")}
    return heaps(memory_mb, weights, sum(getattr(cls, "reserved_mb", 0) for cls in classes.values()))
