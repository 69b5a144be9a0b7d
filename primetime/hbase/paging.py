"""How much of a scan to ask for at once. Called by client.py.

The gateway holds a page in memory several times over, and counts it in results, not bytes: whole rows of 200,000 cells
exhausted 512 MB of heap and stalled it for minutes. So rows come in parts of PART_CELLS cells, and the number of parts
follows the bytes of the page before it.
"""

from __future__ import annotations

PART_CELLS = 20  # narrow rows fill a part badly, wide ones repeat their key: 20 costs neither much
FEWEST_PARTS = 1
FIRST_PARTS = 16
MOST_PARTS = 250  # 5,000 cells of 150 bytes: 1 MB on the wire; twice as many reads no faster
PAGE_BYTES = 4 * 1024 * 1024
GROWTH = 4  # a page with larger cells than those before it is at most this much too large


class Paging:
    """`parts` to ask for next, told by `saw` what came."""

    def __init__(self) -> None:
        self.parts = FIRST_PARTS

    def saw(self, parts: int, size: int) -> None:
        """A page of `parts` parts, `size` bytes together."""
        fitting = PAGE_BYTES * parts // max(size, 1)
        self.parts = max(FEWEST_PARTS, min(fitting, self.parts * GROWTH, MOST_PARTS))
