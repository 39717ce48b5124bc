"""Honest analysis of generated slices. Uses the public names of progan_style only; these are its own.

Each is imported when it is first used, so that a command's --help need not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.classification import accuracy, auc, confusion, shuffled_auc
    from analysis.context import Context, Options, folder_context, run_context
    from analysis.distances import coverage, kid
    from analysis.evaluation import evaluator
    from analysis.held_out import with_unseen_phantoms
    from analysis.judge import Judge, train_judge
    from analysis.page import summary
    from analysis.plots import ReportFigure
    from analysis.report import PARTS, check_parts, make_report, report_and_say
    from analysis.slices import SliceSet
    from analysis.sources import SOURCES, FeatureTable

_HOME = {
    "accuracy": "classification",
    "auc": "classification",
    "confusion": "classification",
    "shuffled_auc": "classification",
    "Context": "context",
    "Options": "context",
    "folder_context": "context",
    "run_context": "context",
    "coverage": "distances",
    "kid": "distances",
    "evaluator": "evaluation",
    "with_unseen_phantoms": "held_out",
    "Judge": "judge",
    "train_judge": "judge",
    "summary": "page",
    "ReportFigure": "plots",
    "PARTS": "report",
    "check_parts": "report",
    "make_report": "report",
    "report_and_say": "report",
    "SliceSet": "slices",
    "FeatureTable": "sources",
    "SOURCES": "sources",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module analysis has no attribute {name}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)
