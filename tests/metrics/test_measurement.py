import numpy as np
import pytest
import torch

from wspace.errors import WspaceError
from wspace.metrics.frechet import frechet_distance, statistics
from wspace.metrics.measurement import compare, parse_metrics
from wspace.metrics.precision_recall import precision_recall


def test_names_are_parsed_once_each_in_order() -> None:
    assert parse_metrics("pr, fd,pr,") == ("pr", "fd")


@pytest.mark.parametrize("text", ["fid", "fd,kid", "", " , "])
def test_unknown_names_are_refused(text: str) -> None:
    with pytest.raises(WspaceError, match=r"metric '.*' is unknown: give some of fd,pr"):
        parse_metrics(text)


def test_each_metric_reports_its_own_figures() -> None:
    draws = np.random.RandomState(0)
    real, fake = (torch.from_numpy(draws.randn(n, 4) + n / 50) for n in (50, 60))
    precision, recall = precision_recall(real, fake)
    distance = frechet_distance(statistics(real), statistics(fake))
    assert compare(real, fake, ("fd",)) == {"fd_lite": distance}
    assert compare(real, fake, ("pr",)) == {"precision": precision, "recall": recall}
    assert set(compare(real, fake)) == {"fd_lite", "precision", "recall"}
