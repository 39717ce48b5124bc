"""torchvision, also beside a torch build that it was not compiled for.

A CUDA build of torchvision beside the CPU build of torch (and other mixed builds, pytorch/vision #9077, #8985) fails at
import with "operator torchvision::nms does not exist". Only its compiled operators are then missing, and nothing here
uses them: on exactly that error the two names are declared and the import is made again.
"""

import importlib
import sys
from types import ModuleType

import torch


def load_torchvision() -> ModuleType:
    """The torchvision package, imported."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    load_torchvision.library = library  # type: ignore[attr-defined]  # its declarations live as long as it does
    return importlib.import_module("torchvision")
