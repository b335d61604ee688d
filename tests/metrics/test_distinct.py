import pytest
import torch

from wspace.errors import WspaceError
from wspace.metrics.distinct import distinct_share


def test_pictures_as_varied_as_real_ones_are_distinct() -> None:
    real, fake = torch.randn(2, 400, 8, generator=torch.Generator().manual_seed(0))
    assert distinct_share(real, fake) > 0.97


def test_repeated_pictures_are_counted() -> None:
    real, fake = torch.randn(2, 400, 8, generator=torch.Generator().manual_seed(0))
    assert distinct_share(real, fake[:1].repeat(50, 1)) == 0
    fake[:100] = fake[0]
    assert distinct_share(real, fake) == pytest.approx(0.75, abs=0.02)


def test_one_picture_has_no_other() -> None:
    with pytest.raises(WspaceError, match="1 pictures have no nearest other one"):
        distinct_share(torch.zeros(5, 2), torch.zeros(1, 2))
