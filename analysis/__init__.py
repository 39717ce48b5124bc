"""Honest analysis of generated slices. Uses the public names of progan_style only; these are its own.

Each is imported when it is first used, so that a command's --help need not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # "as" tells type checkers that a name is for others
    from analysis.classification import (
        accuracy as accuracy,
        auc as auc,
        confusion as confusion,
        shuffled_auc as shuffled_auc,
    )
    from analysis.context import (
        Context as Context,
        Options as Options,
        folder_context as folder_context,
        run_context as run_context,
    )
    from analysis.distances import coverage as coverage, kid as kid
    from analysis.embedding import Map as Map, pca_map as pca_map, umap_map as umap_map
    from analysis.evaluation import evaluator as evaluator
    from analysis.held_out import with_unseen_phantoms as with_unseen_phantoms
    from analysis.judge import Judge as Judge, train_judge as train_judge
    from analysis.latents import diversity as diversity
    from analysis.memorisation import aligned_pixels as aligned_pixels, share_of_copies as share_of_copies
    from analysis.persons import of_many_persons as of_many_persons
    from analysis.plots import ReportFigure as ReportFigure
    from analysis.report import (
        check_report_folder as check_report_folder,
        make_report as make_report,
        print_report as print_report,
    )
    from analysis.ruler import ventricle_ratio as ventricle_ratio
    from analysis.sections import check_sections as check_sections
    from analysis.slices import SliceTable as SliceTable
    from analysis.sources import SOURCES as SOURCES, FeatureTable as FeatureTable, register_source as register_source
    from analysis.style import look as look
    from analysis.summary import summary as summary
    from analysis.two_classes import compared_classes as compared_classes

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
    "Map": "embedding",  # a fitted map of features to points
    "pca_map": "embedding",
    "umap_map": "embedding",
    "evaluator": "evaluation",
    "with_unseen_phantoms": "held_out",
    "Judge": "judge",
    "train_judge": "judge",
    "diversity": "latents",  # how far different images of a set are apart
    "aligned_pixels": "memorisation",  # slices in a common pose and contrast
    "share_of_copies": "memorisation",  # and the distance below which a slice is called one
    "of_many_persons": "persons",  # a choice of slices, of as many persons as possible
    "ReportFigure": "plots",
    "make_report": "report",
    "print_report": "report",
    "check_report_folder": "report",
    "check_sections": "sections",
    "SliceTable": "slices",
    "FeatureTable": "sources",
    "SOURCES": "sources",
    "register_source": "sources",  # features of your own, from a plugin
    "look": "style",  # the colour and marker of a class, real or generated
    "summary": "summary",
    "ventricle_ratio": "ruler",
    "compared_classes": "two_classes",  # the healthy and the diseased class
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module analysis has no attribute {name}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
