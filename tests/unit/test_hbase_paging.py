"""Pages of a scan stay within what the gateway can hold."""

from __future__ import annotations

from primetime.hbase.paging import FIRST_PARTS, GROWTH, MOST_PARTS, PAGE_BYTES, PART_CELLS, Paging


def after_pages(*part_bytes: int) -> Paging:
    """Paging after full pages whose parts were of these sizes."""
    paging = Paging()
    for size in part_bytes:
        paging.saw(paging.parts, paging.parts * size)
    return paging


def test_small_cells_come_in_the_largest_pages() -> None:
    assert after_pages(*[PART_CELLS * 150] * 9).parts == MOST_PARTS


def test_pages_without_values_come_in_the_largest_pages() -> None:
    assert after_pages(*[0] * 9).parts == MOST_PARTS


def test_pages_of_large_cells_fit_the_page_size() -> None:
    part_bytes = PART_CELLS * 60_000
    paging = after_pages(*[part_bytes] * 9)
    assert PAGE_BYTES / 2 < paging.parts * part_bytes <= PAGE_BYTES


def test_a_part_larger_than_a_page_still_comes() -> None:
    assert after_pages(PAGE_BYTES * 3).parts == 1


def test_a_page_grows_step_by_step() -> None:
    assert after_pages(1).parts == FIRST_PARTS * GROWTH


def test_pages_recover_after_a_large_cell() -> None:
    assert after_pages(PAGE_BYTES, *[150] * 9).parts == MOST_PARTS


def test_a_page_that_is_not_full_is_judged_by_what_came() -> None:
    paging = Paging()
    paging.saw(1, PAGE_BYTES // 10)
    assert paging.parts == 10
