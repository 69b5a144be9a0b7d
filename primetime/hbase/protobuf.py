"""Google's protocol buffers, as far as HBase's RPC needs them: fields out, fields in. Called by rpc.py and multi.py.

A message is its fields one after the other: a varint of number and kind, then a varint (kind 0), or a length and so
many bytes (kind 2; a message inside a message is one of these). protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_LENGTH = {_FIXED64: 8, _FIXED32: 4}


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last with the high bit set."""
    if number < 0x80:
        return bytes((number,))
    return bytes((number & 0x7F | 0x80,)) + varint(number >> 7)


def field(number: int, value: int | bytes) -> bytes:
    """One field of a message."""
    if isinstance(value, int):
        return varint(number << 3 | _VARINT) + varint(value)
    return varint(number << 3 | _BYTES) + delimited(value)


def delimited(message: bytes) -> bytes:
    """A message with its length before it."""
    return varint(len(message)) + message


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, where the next byte is); ValueError when `data` ends before it does."""
    number = shift = 0
    while at < len(data):
        number |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return number, at + 1
        at, shift = at + 1, shift + 7
    raise ValueError("a number is cut short")


def read_delimited(data: bytes, at: int) -> tuple[bytes, int]:
    """(message, where the next byte is); ValueError when `data` ends before it does."""
    length, at = read_varint(data, at)
    if at + length > len(data):
        raise ValueError("a message is cut short")
    return data[at : at + length], at + length


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field; ValueError for what is no message."""
    at = 0
    while at < len(message):
        tag, at = read_varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            number, at = read_varint(message, at)
            yield tag >> 3, number
        elif kind == _BYTES:
            data, at = read_delimited(message, at)
            yield tag >> 3, data
        elif kind in _FIXED_LENGTH:
            at += _FIXED_LENGTH[kind]
        else:
            raise ValueError(f"a field of kind {kind}")


def messages(message: bytes, number: int) -> Iterator[bytes]:
    """The values of the fields of this number that are bytes, text or messages."""
    for found, value in fields(message):
        if found == number and isinstance(value, bytes):
            yield value
