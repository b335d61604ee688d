from pathlib import Path

import pytest

from wspace.errors import WspaceError
from wspace.metrics.features.named import check_extractor, distance_key, open_extractor


def test_the_default_sees_offline() -> None:
    assert open_extractor().name == "lite"


def test_only_inception_makes_a_distance_fid() -> None:
    assert distance_key("fid", "inception") == "fid"
    assert distance_key("kid", "inception") == "kid"
    assert distance_key("fid", "lite") == "fd_lite"
    assert distance_key("kid", "dinov2") == "kd_dinov2"


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("vgg", None, "'vgg' is unknown: give one of lite, inception, dinov2"),
        ("inception", None, "inception-2015-12-05.pt with --weights"),
        ("dinov2", None, "as safetensors with --weights"),
        ("lite", Path("a.pt"), "--weights a.pt: extractor 'lite' has weights of its own"),
    ],
)
def test_what_cannot_be_opened_is_said_before_anything_is_loaded(
    name: str, weights: Path | None, message: str
) -> None:
    with pytest.raises(WspaceError, match=message):
        check_extractor(name, weights)
    with pytest.raises(WspaceError, match=message):
        open_extractor(name, weights)
