import pytest
import torch
from thumbnails import Thumbnails

from wspace.errors import WspaceError
from wspace.metrics.comparison import Comparison
from wspace.metrics.density_coverage import density_coverage
from wspace.metrics.features.seen import Seen
from wspace.metrics.frechet import frechet_distance
from wspace.metrics.gaussian import statistics
from wspace.metrics.kernel import kernel_distance
from wspace.metrics.precision_recall import precision_recall
from wspace.metrics.table import METRICS, check_metrics, measure, parse_metrics, titles

OF_FEATURES = ("fd", "kid", "pr", "dc", "distinct")


@pytest.fixture
def comparison() -> Comparison:
    random = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(n, 4, generator=random) + n / 50 for n in (50, 60))
    return Comparison(real=Seen(real), fake=Seen(fake), extractor=Thumbnails(), drawing=None)


def test_names_are_parsed_once_each_in_order() -> None:
    assert parse_metrics("pr, fd,pr,") == ("pr", "fd")


@pytest.mark.parametrize("text", ["fid", "fd,is", "", " , "])
def test_unknown_names_are_refused(text: str) -> None:
    with pytest.raises(WspaceError, match=r"metric '.*' is unknown: give some of fd,kid,pr"):
        parse_metrics(text)


def test_each_metric_reports_its_own_values(comparison: Comparison) -> None:
    real, fake = comparison.real.features, comparison.fake.features
    distance = frechet_distance(statistics(real), statistics(fake))
    assert measure(comparison, ("fd",)) == {"fd_thumbnails": distance}
    assert measure(comparison, ("pr",)) == precision_recall(real, fake)._asdict()
    assert measure(comparison, ("dc",)) == density_coverage(real, fake)._asdict()
    assert measure(comparison, ("kid",))["kd_thumbnails"] == kernel_distance(real, fake).mean
    assert list(measure(comparison, OF_FEATURES)) == [
        "fd_thumbnails", "kd_thumbnails", "kd_thumbnails_error", "precision", "recall",
        "density", "coverage", "distinct",
    ]  # fmt: skip


def test_a_figure_is_named_by_its_extractor_and_fid_is_inceptions_alone() -> None:
    assert titles(("fd", "kid"), "inception") == {"fid": "FID", "kid": "KID"}
    assert titles(("fd", "kid", "dc"), "lite") == {
        "fd_lite": "FD (lite)",
        "kd_lite": "KD (lite)",
        "density": "density (lite)",
        "coverage": "coverage (lite)",
    }
    for extractor in ("lite", "dinov2"):
        assert not any("FID" in title for title in titles(METRICS, extractor).values())


def test_every_title_has_its_value(comparison: Comparison) -> None:
    found = measure(comparison, OF_FEATURES)
    assert set(titles(OF_FEATURES, "thumbnails")) <= set(found)


def test_pictures_have_no_metric_of_models() -> None:
    check_metrics((*OF_FEATURES, "attributes"), has_model=False, subject="a.zip")
    check_metrics(METRICS, has_model=True, subject="model")
    with pytest.raises(WspaceError, match=r"'mixing' needs a model: a.zip holds pictures"):
        check_metrics(("fd", "mixing"), has_model=False, subject="a.zip")
