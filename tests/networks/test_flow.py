import pytest
import torch

from wspace.networks.flow import VelocityField
from wspace.networks.presets import preset


@pytest.mark.parametrize("num_classes", [0, 3])
def test_each_row_has_a_velocity_of_its_own(num_classes: int) -> None:
    torch.manual_seed(0)
    field = VelocityField(preset("compact", resolution=8, num_classes=num_classes)[0])
    x, t = torch.randn(4, 256), torch.rand(4)
    c = torch.eye(3)[:1].expand(4, -1) if num_classes else None
    v = field(x, t, c)
    assert v.shape == (4, 256)
    assert v.dtype == torch.float32
    torch.testing.assert_close(field(x[1:2], t[1:2], None if c is None else c[1:2]), v[1:2])


def test_velocities_depend_on_place_time_and_class() -> None:
    torch.manual_seed(0)
    field = VelocityField(preset("compact", resolution=8, num_classes=3)[0])
    x, t, c = torch.randn(1, 256), torch.tensor([0.5]), torch.eye(3)[:1]
    v = field(x, t, c)
    for other in (field(x + 0.1, t, c), field(x, t + 0.01, c), field(x, t, c.flip(1))):
        assert float((other - v).detach().norm() / v.detach().norm()) > 0.01
