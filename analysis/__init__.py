"""Honest analysis of generated slices. Uses the public names of progan_style only; these are its own."""

from analysis.features import SOURCES, FeatureTable, Judge, Slices, train_judge
from analysis.metrics import accuracy, auc, confusion, coverage, kid, shuffled_auc
from analysis.report import evaluator, predict_report

__all__ = [
    "SOURCES",
    "FeatureTable",
    "Judge",
    "Slices",
    "accuracy",
    "auc",
    "confusion",
    "coverage",
    "evaluator",
    "kid",
    "predict_report",
    "shuffled_auc",
    "train_judge",
]
