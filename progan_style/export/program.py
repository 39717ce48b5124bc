"""A generator -> a file that runs without this program: torch.export, checked against the generator itself.

torch.export and not ONNX: it needs torch alone, keeps every operation, and the check has the same arithmetic on both
sides. An ONNX file would need two packages more to be written (onnx, onnxscript) and a third to be checked; who wants
one can make it from this file with `torch.onnx.export`.

Letters: N batch, Z latent width, R resolution, K classes, C conditions that are numbers or categories.
"""

import io
import json
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from progan_style.asking import draw_conditions
from progan_style.files import write_whole
from progan_style.networks.conditions import Condition
from progan_style.networks.contract import Generator
from progan_style.sampling import centre, latents

MOST = 4096  # images in one call
TOLERANCE = 1e-4  # of gray values from -1 to 1: a hundredth of a gray level
TRIED = (1, 2, 5)  # images in one call, for the check


class Sampler(nn.Module):
    """z [N, Z], labels [N] int64, noise [N, noise_size], psi -> images [N, 1, R, R], -1 (black) .. 1 (white).

    psi, a scalar: truncation towards the centre of the class, 1 = none. A generator that knows conditions beside the
    class takes them in its place, where it has them: position [N], -1 .. 1, then values [N, C], each a number in
    standard deviations from its mean or the place of a category, NaN: unknown.
    """

    centres: Tensor

    def __init__(self, G: Generator):
        super().__init__()
        self.G, self.classes = G, len(G.class_names)
        self.positioned, self.others = G.mapping.position is not None, len(G.described.others)
        self.register_buffer("centres", centre(G, Condition.of_labels(torch.arange(self.classes), self.classes)))

    def forward(self, z: Tensor, labels: Tensor, noise: Tensor, *last: Tensor) -> Tensor:
        position = last[0] if self.positioned else None
        values = last[-1] if self.others else None
        ws = self.G.mapping(z, Condition.of_labels(labels, self.classes, position, values))
        if not self.positioned and not self.others:
            ws = self.centres[labels][:, None].lerp(ws, last[0])
        return self.G.synthesis(ws, noise)

    def inputs(self, seeds: Tensor, psi: float = 1.0) -> tuple[Tensor, ...]:
        """Those of the images with these seeds, the classes in turn."""
        z, noise = latents(self.G, seeds)
        last = [torch.linspace(-1.0, 1.0, len(seeds))] if self.positioned else []
        if self.others:
            condition = Condition.of_labels(seeds % self.classes, self.classes)
            values = draw_conditions(self.G, condition, seeds).values
            assert values is not None
            last.append(values)
        return z, seeds % self.classes, noise, *(last or [torch.tensor(psi)])

    def shapes(self) -> tuple[Any, ...]:
        """Which of the inputs have a row for each image."""
        rows = {0: torch.export.Dim("N", min=1, max=MOST)}
        given = self.positioned + bool(self.others)
        return rows, rows, rows, (rows,) * given or (None,)


@torch.no_grad()
def export_generator(G: Generator, path: str | Path) -> float:
    """Write a generator as a program of torch.export -> its largest error, of gray values from -1 to 1.

    The file needs torch alone: torch.export.load(path).module()(z, labels, noise, psi), as Sampler says. It is read
    back and held against G on the CPU, for one image and several, before it counts as made. Raises ValueError, in one
    line, for a generator that torch.export cannot follow (a plugin's, that decides by values), or whose program makes
    other images.
    """
    path, sampler = Path(path), Sampler(deepcopy(G).cpu().eval())
    given = sampler.inputs(torch.arange(2))
    try:
        program = torch.export.export(sampler, given, dynamic_shapes=sampler.shapes(), strict=False)
    except Exception as error:  # what stops it has many types, and pages of words
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"this generator cannot be exported: {why}") from None
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # lines of code, with the places on this machine where they lie
    about = {"class_names": json.dumps(G.class_names), "resolution": str(G.resolution), "nimg": str(G.nimg)}
    about["conditions"] = json.dumps([one.model_dump() for one in G.described.all])
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={f"{name}.txt": text for name, text in about.items()})
    off = largest_error(torch.export.load(io.BytesIO(buffer.getvalue())).module(), sampler)
    if not off <= TOLERANCE:
        raise ValueError(f"this generator cannot be exported: its program's images differ by {off:g}")
    write_whole(path, buffer.getvalue())
    return off


def largest_error(program: Any, sampler: Sampler) -> float:
    """The largest difference of a pixel, over calls of several sizes."""
    worst = 0.0
    for count in TRIED:
        given = sampler.inputs(torch.arange(100, 100 + count), psi=0.7)
        difference = cast(Tensor, program(*given) - sampler(*given)).abs().max()
        worst = max(worst, float(difference)) if bool(difference.isfinite()) else float("inf")
    return worst
