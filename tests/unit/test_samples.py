"""What is read of Prometheus' text format."""

import pytest

from primetime.verify.samples import read

TEXT = """# HELP a_total What a counts.
# TYPE a_total counter
a_total{route="events",code="204"} 12
a_total{route="a b",code="400"} 1e+15

b_seconds_bucket{le="+Inf"} 3
b_seconds_sum 0.25
c +Inf
"""


def test_every_sample_is_read_with_its_labels() -> None:
    assert read(TEXT) == {
        'a_total{route="events",code="204"}': 12,
        'a_total{route="a b",code="400"}': 1e15,
        'b_seconds_bucket{le="+Inf"}': 3,
        "b_seconds_sum": 0.25,
        "c": float("inf"),
    }


@pytest.mark.parametrize("line", ["a_total", "a_total 1 2 3", "<html>", 'a_total{x="1" 3', "a_total one"])
def test_a_line_that_is_no_sample_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"not a sample|could not convert"):
        read(f"{line}\n")
