"""Features by the Inception network of FID, from the official TorchScript file.

TorchScript is a program: only a file whose SHA-256 is known is ever loaded. wspace does not come
with it; its terms are its makers'.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics.features.extractor import Extractor

__all__ = ["KNOWN_FILES", "InceptionExtractor"]

# By SHA-256: what the file is called where it is published.
KNOWN_FILES: Mapping[str, str] = {
    "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4": "inception-2015-12-05.pt",
}


class InceptionExtractor(Extractor):
    """The pooled last layer of the Inception-v3 of 2015: 2048 numbers a picture.

    With it the Frechet distance is FID and the kernel distance is KID.

    Source: Heusel et al. 2017; the network resizes as TensorFlow 1 did, inside the file.
    """

    name = "inception"
    dim = 2048
    rule = "scaled to 299² inside the network (bilinear, as in TensorFlow 1)"

    def __init__(
        self,
        weights: Path | str,
        device: torch.device | str = "cpu",
        batch_size: int | None = None,
        known_files: Mapping[str, str] = KNOWN_FILES,
    ) -> None:
        """Load the network, if it is a known one.

        Args:
            weights: the TorchScript file.
            device: where it computes.
            batch_size: pictures at once, None: 16 on a CPU, else 128.
            known_files: SHA-256 (hex) to name; files of other content are refused.

        Raises:
            WspaceError: the file cannot be read, or is not a known one; nothing of it was run then.
        """
        super().__init__(device, batch_size or (16 if torch.device(device).type == "cpu" else 128))
        try:
            content = Path(weights).read_bytes()
        except OSError as error:
            raise WspaceError(
                f"cannot read {weights}: {error.strerror}: give the file of the Inception network "
                f"({', '.join(known_files.values())})."
            ) from None
        digest = hashlib.sha256(content).hexdigest()
        if digest not in known_files:
            raise WspaceError(
                f"{weights} is not the Inception network of FID (SHA-256 {digest[:12]}...): a "
                f"TorchScript file is a program, so only {', '.join(known_files.values())} is run."
            )
        self.id = f"inception {digest[:12]} v1"
        # What was hashed is what is loaded: the file may have changed meanwhile.
        self._network: Any = torch.jit.load(io.BytesIO(content), map_location=self.device).eval()

    def features_of(self, pixels: Tensor) -> Tensor:
        """Features of one batch; see `Extractor`."""
        features: Tensor = self._network(pixels.expand(-1, 3, -1, -1), return_features=True)
        return features
