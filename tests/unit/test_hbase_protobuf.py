"""Protocol buffers by hand: the examples of protobuf.dev, and what is no message."""

from __future__ import annotations

import pytest

from primetime.hbase.protobuf import delimited, field, fields, messages, read_delimited, read_varint, varint


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        (field(1, 150), "089601"),
        (field(2, b"testing"), "120774657374696e67"),
        (field(3, field(1, 150)), "1a03089601"),
        (field(16, 0), "800100"),
    ],
    ids=["number", "text", "message in a message", "field above 15"],
)
def test_a_field_has_the_bytes_of_the_documentation(message: bytes, encoded: str) -> None:
    assert message.hex() == encoded


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16_383, 16_384, 2**32, 2**63])
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert read_varint(b"-" + varint(number) + b"-", 1) == (number, 1 + len(varint(number)))


def test_fields_come_in_their_order_and_fixed_ones_are_passed_over() -> None:
    fixed = bytes.fromhex("0d00000000") + bytes.fromhex("110000000000000000")
    assert list(fields(field(1, 7) + fixed + field(2, b"x"))) == [(1, 7), (2, b"x")]


def test_messages_are_those_of_one_number() -> None:
    assert list(messages(field(1, b"a") + field(2, b"b") + field(1, b"c") + field(1, 5), 1)) == [b"a", b"c"]


@pytest.mark.parametrize(
    "cut", [b"\x08", b"\x08\x96", b"\x12\x07test", b"\x0b"], ids=["tag", "number", "text", "group"]
)
def test_what_is_no_message_is_an_error(cut: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut short|kind"):
        list(fields(cut))


def test_a_message_after_its_length_is_read_to_its_end_and_not_further() -> None:
    assert read_delimited(delimited(b"abc") + b"more", 0) == (b"abc", 4)
