"""Says what listens on a machine, then tries which packets get through from it. Run by network.py, on every host.

Sent to hosts as it stands: nothing but the standard library of Debian's Python. Standard output and input take turns:
out, what listens, [[transport, address, port]...]; in, what to try, [[transport, address, port, wanted]...], when every
machine is listening; out, what came of each: "open", "refused" (it got through, and nothing listens), "sent" (UDP) or
"silent"; in, that all have tried; out, from whom UDP probes arrived, [[source address, port]...].

UDP does not answer for itself, so a machine hears the probes through a raw socket, which gets a copy of what the
firewall let in, whoever owns the port.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from typing import Any

MARK = b"primetime verify"  # a probe's content, from its first byte
REFUSED_S = 1.5  # a packet that is dropped: this long is waited for what must not come
WANTED_S = 6.0  # and this long for what must: a busy machine is slow to answer
AT_ONCE = 400  # connections, below the 1,024 files of a login
REPEATS = 3  # of a UDP probe, which nobody sends again otherwise


def listening() -> list[list[Any]]:
    found: list[list[Any]] = []
    for line in subprocess.run(["ss", "-Hltun"], capture_output=True, text=True, check=True).stdout.splitlines():
        transport, _, _, _, local = line.split()[:5]
        address, _, port = local.rpartition(":")
        found.append([transport, address.strip("[]").removeprefix("::ffff:").partition("%")[0], int(port)])
    return found


async def tcp(limit: asyncio.Semaphore, address: str, port: int, wanted: bool) -> str:
    async with limit:
        try:
            connecting = asyncio.open_connection(address, port)
            _, writer = await asyncio.wait_for(connecting, WANTED_S if wanted else REFUSED_S)
        except ConnectionRefusedError:
            return "refused"
        except (OSError, TimeoutError):
            return "silent"
        writer.close()
        return "open"


async def udp(limit: asyncio.Semaphore, address: str, port: int, wanted: bool) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(REPEATS):
            with contextlib.suppress(OSError):  # EPERM: its own firewall keeps it in
                sender.sendto(MARK, (address, port))
            await asyncio.sleep(0.1)
    return "sent"


def ear() -> socket.socket | None:
    """A raw socket that hears UDP; None where that is not allowed (the controlling machine without root)."""
    with contextlib.suppress(PermissionError):
        hearing = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        hearing.setblocking(False)
        return hearing
    return None


def hear(hearing: socket.socket, heard: set[tuple[str, int]]) -> None:
    with contextlib.suppress(OSError):
        while packet := hearing.recv(65535):
            segment = packet[(packet[0] & 15) * 4 :]
            if segment[8:].startswith(MARK):
                heard.add((socket.inet_ntoa(packet[12:16]), int.from_bytes(segment[2:4], "big")))


async def main() -> None:
    loop, hearing = asyncio.get_running_loop(), ear()
    heard: set[tuple[str, int]] = set()
    if hearing:
        loop.add_reader(hearing, hear, hearing, heard)

    async def told() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    print(json.dumps(listening()), flush=True)
    probes = json.loads(await told() or "[]")
    limit, ways = asyncio.Semaphore(AT_ONCE), {"tcp": tcp, "udp": udp}
    tried = await asyncio.gather(*(ways[transport](limit, *rest) for transport, *rest in probes))
    print(json.dumps(tried), flush=True)
    await told()
    if hearing:
        hear(hearing, heard)
    print(json.dumps(sorted(heard)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
