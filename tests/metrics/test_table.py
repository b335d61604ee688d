import numpy as np
import pytest
import torch

from wspace.errors import WspaceError
from wspace.metrics.frechet import frechet_distance, statistics
from wspace.metrics.precision_recall import precision_recall
from wspace.metrics.table import measure, parse_metrics


def test_names_are_parsed_once_each_in_order() -> None:
    assert parse_metrics("pr, fd,pr,") == ("pr", "fd")


@pytest.mark.parametrize("text", ["fid", "fd,kid", "", " , "])
def test_unknown_names_are_refused(text: str) -> None:
    with pytest.raises(WspaceError, match=r"metric '.*' is unknown: give some of fd,pr"):
        parse_metrics(text)


def test_each_metric_reports_its_own_values() -> None:
    draws = np.random.RandomState(0)
    real, fake = (torch.from_numpy(draws.randn(n, 4) + n / 50) for n in (50, 60))
    precision, recall = precision_recall(real, fake)
    distance = frechet_distance(statistics(real), statistics(fake))
    assert measure(real, fake, ("fd",)) == {"fd_lite": distance}
    assert measure(real, fake, ("pr",)) == {"precision": precision, "recall": recall}
    assert set(measure(real, fake)) == {"fd_lite", "precision", "recall"}
