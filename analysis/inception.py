"""InceptionV3 from a local file of weights: an extractor of photographs, asked for beside the reference classifier.

Letters: M images, R resolution (pixels per side).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from progan_style import load_torchvision

BATCH = 64
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


@dataclass(frozen=True)
class Inception:
    """InceptionV3 as FID knows it (torch-fidelity's, with TensorFlow's 2015 weights): an extractor of photographs.

    It has never seen a scan. Its numbers compare with their own baseline at the same n, with nothing else.
    """

    network: Any
    name: str
    hash: str

    @torch.inference_mode()
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[M, 1, R, R] -> [M, 2048]; gray to RGB and the resize to 299 are the network's own."""
        device = next(self.network.parameters()).device
        rows = []
        for start in range(0, len(images), BATCH):
            x = torch.from_numpy(np.array(images[start : start + BATCH])).to(device).expand(-1, 3, -1, -1)
            rows.append(self.network(x)[0].cpu().numpy())
        return np.concatenate(rows)


def load_inception(file: Path, device: str | torch.device = "cpu") -> Inception:
    """The weights of a local file, whose sha256 must be the known one: torch-fidelity unpickles it.

    Raises FileNotFoundError without the file, ValueError for another hash or without torch-fidelity.
    """
    check_inception(file)
    load_torchvision()
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ModuleNotFoundError:
        raise ValueError("InceptionV3 needs torch-fidelity: pip install -e '.[inception]'") from None
    name = "inception-v3-compat"
    network = FeatureExtractorInceptionV3(name, ["2048"], feature_extractor_weights_path=str(file))
    return Inception(network.to(device).eval(), name, INCEPTION_SHA256[:12])


def check_inception(file: Path) -> None:
    """Raises FileNotFoundError or ValueError unless the file is the known one."""
    if not file.is_file():
        raise FileNotFoundError(f"--inception {file}: no such file")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != INCEPTION_SHA256:
        raise ValueError(
            f"--inception {file}: sha256 {found[:12]}..., expected {INCEPTION_SHA256[:12]}... "
            f"(weights-inception-2015-12-05-6726825d.pth of torch-fidelity)"
        )
