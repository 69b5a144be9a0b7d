"""The formats of docs/architecture.md, pinned: changing one of these loses what is stored."""

import pytest

from primetime import event

ID = b"01JD6Q2V5K8X3M9R7T1W4Y6Z0A"


def test_a_ulid_sorts_by_its_time() -> None:
    assert event.ulid(1_700_000_000_000, 2**80 - 1) < event.ulid(1_700_000_000_001, 0)


def test_a_ulid_is_26_characters_of_crockford_s_base_32() -> None:
    assert event.ULID.fullmatch(event.ulid(2**48 - 1, 2**80 - 1))


def test_a_number_that_does_not_fit_its_width_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit 2 characters"):
        event.crockford(1024, 2)


def test_a_row_key_is_salt_show_zero_and_the_big_endian_second() -> None:
    assert event.row_key(ID, b"quiz-20261121", 61_999) == bytes([event.salt(ID)]) + b"quiz-20261121\0\0\0\0\x3d"


def test_the_salt_is_pinned_for_ever() -> None:
    assert event.salt(ID) == 14


def test_a_row_key_comes_apart_again() -> None:
    assert event.split_row_key(event.row_key(ID, b"quiz", 86_400_000)) == (event.salt(ID), b"quiz", 86_400)


def test_a_row_key_whose_second_contains_zero_bytes_comes_apart_again() -> None:
    assert event.split_row_key(event.row_key(ID, b"quiz", 0))[1:] == (b"quiz", 0)


def test_a_qualifier_is_the_id_and_the_blake2b_64_of_the_bytes() -> None:
    # b2sum -l 64 says the same
    assert event.qualifier(ID, b'{"id":"x"}') == ID + bytes.fromhex("ca358ac070e44085")
