"""A slow cable: carries frames between a host's link and the bridge, each so many milliseconds late, both ways.

Run by faults as a process of its own, standard library only:

    relay.py CGROUPS LINK TAP BRIDGE MS,JITTER [ADDRESS=MS,JITTER...]

The link stays in the bridge, where faults' nft table drops all that it carries; TAP takes its place. What goes to or
comes from an ADDRESS has its own delay, everything else MS. A frame never overtakes another that it shares its delay
with. It works with any kernel that has TUN: neither netem nor nfqueue is needed. When the host restarts, its new link
is taken over again.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

LOOK_S = 0.2  # how often the link is looked after
HELD_BYTES = 256 << 20  # beyond it frames are dropped, as a full router does
BATCH = 64  # frames read from one side before the other has its turn
FRAME = 10 + 18 + (1 << 16)  # virtio header, Ethernet header with a VLAN tag, the longest packet that offloading makes
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_CSUM_TSO4_TSO6_ECN = 0x0F
_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_QDISC_BYPASS, _PACKET_IGNORE_OUTGOING = 263, 15, 20, 23
_ETH_P_ALL = 0x0003
_SO_RCVBUFFORCE = 33
_PATIENCE = (BlockingIOError, OSError)  # a link that is down, or gone for a moment

Delay = tuple[float, float]  # (seconds, at most so many seconds more)


def delay(text: str) -> Delay:
    """`200,20` → (0.2, 0.02)."""
    ms, jitter = text.split(",")
    return float(ms) / 1000, float(jitter) / 1000


class Line:
    """One direction: frames that wait for their time."""

    def __init__(self, default: Delay, peers: Mapping[bytes, Delay], peer_at: int) -> None:
        self._default = default
        self._peers = peers
        self._peer_at = peer_at  # where in a frame the peer's IPv4 address is
        self._last: dict[bytes, float] = {}
        self._waiting: list[tuple[float, int, bytes]] = []
        self._count = 0
        self._held = 0

    def take(self, frame: bytes, now: float) -> None:
        """Hold a frame (virtio header first) until its time."""
        peer = b""
        if self._peers and frame[22:24] == b"\x08\x00":
            peer = frame[self._peer_at : self._peer_at + 4]
        if peer not in self._peers:
            peer = b""
        seconds, jitter = self._peers.get(peer, self._default)
        due = now + seconds + (random.uniform(0, jitter) if jitter else 0)
        self._last[peer] = due = max(due, self._last.get(peer, 0))
        if self._held + len(frame) <= HELD_BYTES:
            self._held += len(frame)
            self._count += 1
            heapq.heappush(self._waiting, (due, self._count, frame))

    def due(self) -> float | None:
        """When the next frame goes."""
        return self._waiting[0][0] if self._waiting else None

    def give(self, now: float) -> list[bytes]:
        """The frames whose time has come."""
        frames = []
        while self._waiting and self._waiting[0][0] <= now:
            frames.append(heapq.heappop(self._waiting)[2])
            self._held -= len(frames[-1])
        return frames


def open_tap(name: str, bridge: str) -> int:
    """A TAP device in the bridge; it goes with this process."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))
    fcntl.ioctl(tap, _TUNSETOFFLOAD, _CSUM_TSO4_TSO6_ECN)
    subprocess.run(["ip", "link", "set", name, "master", bridge, "addrgenmode", "none", "up"], check=True)
    return tap


class Link:
    """This machine's end of the host's cable, as long and as often as it exists."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._index = 0
        self.socket: socket.socket | None = None

    def look(self) -> None:
        """Take the link over when it is new."""
        with contextlib.suppress(*_PATIENCE):
            index = socket.if_nametoindex(self._name)
            if index != self._index:
                self._open()
                self._index = index

    def _open(self) -> None:
        if self.socket is not None:
            self.socket.close()
        opened = self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        for option in (_PACKET_VNET_HDR, _PACKET_QDISC_BYPASS, _PACKET_IGNORE_OUTGOING):
            opened.setsockopt(_SOL_PACKET, option, 1)
        opened.setblocking(False)
        opened.bind((self._name, _ETH_P_ALL))

    def send(self, frames: list[bytes]) -> None:
        for frame in frames:
            with contextlib.suppress(*_PATIENCE):
                if self.socket is not None:
                    self.socket.send(frame)

    def receive(self) -> bytes:
        """A frame; OSError when there is none."""
        if self.socket is None:
            raise BlockingIOError
        return self.socket.recv(FRAME)


def carry(link: Link, tap: int, outward: Line, inward: Line) -> None:
    """For ever. `outward` is from the host."""
    looked = time.monotonic()
    while True:
        now = time.monotonic()
        if now - looked > LOOK_S:
            link.look()
            looked = now
        dues = [due for due in (outward.due(), inward.due()) if due is not None]
        timeout = max(0.0, min([*dues, looked + LOOK_S + 0.001]) - now)
        sides = [tap, link.socket.fileno()] if link.socket else [tap]
        ready, _, _ = select.select(sides, [], [], timeout)
        now = time.monotonic()
        if ready:
            with contextlib.suppress(*_PATIENCE):
                for _ in range(BATCH):
                    outward.take(link.receive(), now)
            with contextlib.suppress(*_PATIENCE):
                for _ in range(BATCH):
                    inward.take(os.read(tap, FRAME), now)
        now = time.monotonic()
        link.send(inward.give(now))
        for frame in outward.give(now):
            with contextlib.suppress(*_PATIENCE):
                os.write(tap, frame)


def main(argv: list[str]) -> None:
    groups, name, tap_name, bridge, default, *others = argv
    for group in groups.split():
        Path(group, "first", "cgroup.procs").write_text("0")
    peers = {socket.inet_aton(address): delay(text) for address, _, text in (other.partition("=") for other in others)}
    tap = open_tap(tap_name, bridge)
    link = Link(name)
    link.look()
    os.write(1, b"carries\n")
    for stream in (1, 2):  # the command that started this one may go
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    carry(link, tap, Line(delay(default), peers, 40), Line(delay(default), peers, 36))


if __name__ == "__main__":
    main(sys.argv[1:])
