"""Honest analysis of generated slices. Uses the public names of progan_style only; these are its own.

Each is imported when it is first used, so that a command's --help need not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.context import Context, folder_context, run_context, with_unseen_phantoms
    from analysis.features import SOURCES, FeatureTable, Judge, Slices, train_judge
    from analysis.metrics import accuracy, auc, confusion, coverage, kid, shuffled_auc
    from analysis.page import summary
    from analysis.plots import Picture
    from analysis.report import PARTS, check_parts, evaluator, make_report, report_and_say

_HOME = {
    "Context": "context",
    "folder_context": "context",
    "run_context": "context",
    "with_unseen_phantoms": "context",
    "FeatureTable": "features",
    "Judge": "features",
    "SOURCES": "features",
    "Slices": "features",
    "train_judge": "features",
    "accuracy": "metrics",
    "auc": "metrics",
    "confusion": "metrics",
    "coverage": "metrics",
    "kid": "metrics",
    "shuffled_auc": "metrics",
    "summary": "page",
    "Picture": "plots",
    "PARTS": "report",
    "check_parts": "report",
    "evaluator": "report",
    "make_report": "report",
    "report_and_say": "report",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module analysis has no attribute {name}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)
