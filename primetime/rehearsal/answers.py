"""HTTP/1.1 answers as bytes: what the generator needs of them, when an answer is not a plain 204."""

from __future__ import annotations

from dataclasses import dataclass

MAX_ANSWER_BYTES = 1 << 20
RETRY_AFTER_S, RETRY_AFTER_MAX_S = 1.0, 5.0  # when the server names none; and at most, whatever it names
TRY_AGAIN = frozenset((408, 429))  # and every 5xx


@dataclass(frozen=True)
class Answer:
    """One complete answer. `retry_after_s` is None when the server names no seconds."""

    status: int
    body: bytes
    keep_alive: bool
    retry_after_s: float | None

    @property
    def try_again(self) -> bool:
        """Whether the same request may be answered otherwise later."""
        return self.status >= 500 or self.status in TRY_AGAIN

    def wait_s(self, chance: float) -> float:
        """How long to wait before that; `chance` (0 to 1) adds up to half, so that a crowd does not return as one."""
        wait_s = min(RETRY_AFTER_S if self.retry_after_s is None else self.retry_after_s, RETRY_AFTER_MAX_S)
        return wait_s + chance * (0.1 + wait_s / 2)

    def __str__(self) -> str:
        return f"{self.status} {self.body[:200].decode(errors='replace')}".strip()


def parse(received: bytes, closed: bool = False) -> Answer | None:
    """The answer that `received` holds; None while it is incomplete. ValueError when it is not HTTP/1.x.

    `closed` says that nothing more will come: an answer of unknown length ends there (RFC 9112, 6.3).
    """
    if len(received) > MAX_ANSWER_BYTES:
        raise ValueError("an answer longer than 1 MiB")
    head, blank, rest = received.partition(b"\r\n\r\n")
    if not blank:
        return None
    status_line, *lines = head.split(b"\r\n")
    version, _, status_and_reason = status_line.partition(b" ")
    status = int(status_and_reason[:3])
    if not version.startswith(b"HTTP/1.") or not 100 <= status <= 599:
        raise ValueError(f"not HTTP/1.x: {status_line[:60]!r}")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    body, used = _body(status, headers, rest, closed)
    if body is None:
        return None
    retry_after = headers.get(b"retry-after", b"")
    keep_alive = version == b"HTTP/1.1" and headers.get(b"connection", b"").lower() != b"close"
    return Answer(
        status=status,
        body=body,
        keep_alive=keep_alive and used == len(rest) and not closed,
        retry_after_s=float(retry_after) if retry_after.isdigit() else None,
    )


def _body(status: int, headers: dict[bytes, bytes], rest: bytes, closed: bool) -> tuple[bytes | None, int]:
    """The body and how many bytes of `rest` it took; None while it is incomplete."""
    if status in (204, 304):
        return b"", 0
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return _chunks(rest)
    if b"content-length" in headers:
        length = int(headers[b"content-length"])
        return (rest[:length], length) if len(rest) >= length else (None, 0)
    return (rest, len(rest)) if closed else (None, 0)


def _chunks(rest: bytes) -> tuple[bytes | None, int]:
    body, at = b"", 0
    while (line_end := rest.find(b"\r\n", at)) >= 0:
        size = int(rest[at:line_end].partition(b";")[0], 16)
        start, end = line_end + 2, line_end + 2 + size
        if len(rest) < end + 2:
            break
        if size == 0:
            return body, end + 2
        body += rest[start:end]
        at = end + 2
    return None, 0
