from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from mutations import drawn
from parsers import PARSERS, check_survives

NUM_INPUTS = 200  # the long campaign is benchmarks/reliability.py


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_input_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    parser = PARSERS[name]

    @settings(
        max_examples=NUM_INPUTS,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn(parser.make(tmp_path)))
    def survives(value: Any) -> None:
        check_survives(parser, value, tmp_path)

    survives()
