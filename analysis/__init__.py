"""Honest analysis of generated slices. Uses the public names of progan_style only; these are its own."""

from analysis.context import Context, folder_context, run_context, with_unseen_phantoms
from analysis.features import SOURCES, FeatureTable, Judge, Slices, train_judge
from analysis.metrics import accuracy, auc, confusion, coverage, kid, shuffled_auc
from analysis.page import summary
from analysis.plots import Picture
from analysis.report import PARTS, check_parts, evaluator, make_report, report_and_say

__all__ = [
    "PARTS",
    "SOURCES",
    "Context",
    "FeatureTable",
    "Judge",
    "Picture",
    "Slices",
    "accuracy",
    "auc",
    "check_parts",
    "confusion",
    "coverage",
    "evaluator",
    "folder_context",
    "kid",
    "make_report",
    "report_and_say",
    "run_context",
    "shuffled_auc",
    "summary",
    "train_judge",
    "with_unseen_phantoms",
]
