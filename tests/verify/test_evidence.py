"""What counts as evidence."""

from __future__ import annotations

import pytest

from verify.evidence import _grew


@pytest.mark.parametrize(
    ("values", "grown"),
    [
        ([[90, "4"], [110, "5"]], True),
        ([[90, "4"], [110, "4"]], False),
        ([[90, "4"]], False),
        ([[110, "1"]], True),
        ([[90, "40"], [110, "1"]], True),  # the process started anew in between
        ([[90, "40"], [110, "0"]], False),
        ([[90, "40"], [110, "0"], [120, "2"]], True),
    ],
)
def test_a_counter_has_grown_if_it_is_higher_than_before_or_began_anew(values: list[list[object]], grown: bool) -> None:
    assert _grew(values, 100) is grown
