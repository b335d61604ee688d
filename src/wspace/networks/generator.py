"""The generator: mapping, truncation and synthesis behind one interface for all generations."""

from __future__ import annotations

from torch import Tensor, nn

from wspace.networks.config import GeneratorConfig
from wspace.networks.features import FeatureMaps
from wspace.networks.layers import EqualizedLinear
from wspace.networks.mapping import MappingNetwork
from wspace.networks.noise import Noise
from wspace.sizes import Resolution, Size

__all__ = ["Generator"]


class Generator(nn.Module):
    """A mapping network and a synthesis network; see docs/architecture.md for the interface.

    Source: Karras et al. 2019 (StyleGAN), Figure 1b.

    Args:
        config: what both are made of.
        synthesis: of the generation that ``config`` names; `build_generator` finds it.

    Attributes:
        name: what it was loaded under, without folders; recipes say it.
    """

    name: str = ""

    def __init__(self, config: GeneratorConfig, synthesis: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.synthesis = synthesis
        self.mapping = MappingNetwork(
            config.mapping,
            z_dim=config.z_dim,
            num_classes=config.num_classes,
            w_dim=config.w_dim,
            num_ws=self.num_ws,
        )

    @property
    def resolution(self) -> Resolution:
        """Side of the images in pixels where they are square, else height and width."""
        return self.config.resolution

    @property
    def size(self) -> Size:
        """Height and width of the images in pixels."""
        return self.config.size

    @property
    def image_channels(self) -> int:
        """Channels of the images: 1 for grey, 3 for colour, 4 with alpha (see `images`)."""
        return self.config.image_channels

    @property
    def num_ws(self) -> int:
        """Layers that take a w of their own."""
        return int(self.synthesis.num_ws)  # type: ignore[arg-type]

    @property
    def z_dim(self) -> int:
        """Width of the input latent."""
        return self.config.z_dim

    @property
    def w_dim(self) -> int:
        """Width of w."""
        return self.config.w_dim

    @property
    def num_classes(self) -> int:
        """Classes that the generator tells apart; 0 for none."""
        return self.config.num_classes

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What the classes are called; None where nobody has named them."""
        return self.config.class_names

    @property
    def w_avg(self) -> Tensor:
        """(w_dim,), the running mean of w."""
        return self.mapping.w_avg

    @property
    def affine_layers(self) -> tuple[tuple[int, EqualizedLinear], ...]:
        """What makes styles of w, each with the layer of ws that it takes, from 4² up."""
        return self.synthesis.affine_layers  # type: ignore[return-value]

    @property
    def feature_maps(self) -> tuple[FeatureMaps, ...]:
        """The maps on the way to the image that can be looked at, the first ones first."""
        return self.synthesis.feature_maps  # type: ignore[return-value]

    @property
    def const_noise(self) -> list[Tensor]:
        """The stored noise maps, (1, 1, H, W) a noise layer; empty for StyleGAN3."""
        return self.synthesis.const_noise  # type: ignore[return-value]

    @property
    def noise_shapes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of each noise layer's map."""
        return tuple((int(m.shape[2]), int(m.shape[3])) for m in self.const_noise)

    @property
    def noise_layers(self) -> tuple[int, ...]:
        """The layer of ws that each noise layer belongs to."""
        return self.synthesis.noise_layers  # type: ignore[return-value]

    @property
    def block_layers(self) -> tuple[tuple[int, ...], ...]:
        """The layers of ws that each block owns, smallest first; empty for StyleGAN3."""
        return self.synthesis.block_layers  # type: ignore[return-value]

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        psi: float | Tensor = 1.0,
        cutoff: int | None = None,
        noise: Noise = "const",
    ) -> Tensor:
        """Latents to images: ``synthesis(mapping(z, c, psi, cutoff), noise)``.

        Args:
            z: (N, z_dim).
            c: (N, num_classes), one-hot; where the model has classes.
            psi: truncation, see `truncation.truncate`.
            cutoff: truncation, see `truncation.truncate`.
            noise: see `noise.noise_maps`.

        Returns:
            (N, image_channels, height, width), float32, nominally in [-1, 1]; with
            alpha, premultiplied.
        """
        image: Tensor = self.synthesis(self.mapping(z, c, psi, cutoff), noise)
        return image
