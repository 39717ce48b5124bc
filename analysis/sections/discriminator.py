"""What the discriminator's features know of the class: a logistic regression on them, fitted to the training slices.

Not D's own class head: its threshold is that of the features as they were in training, over the last thousand images,
so that one answer may prevail where its ranking is right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analysis import classification, plots
from analysis.context import Context, NotHereError
from analysis.numbers import Number, Numbers
from analysis.plots import ReportFigure
from analysis.sections.fidelity import as_classifier, as_classifier_numbers
from analysis.slices import SliceTable
from analysis.sources import in_batches

QUESTION = "What does the discriminator know of the class?"
OF_NETWORKS = True
NUMBERS = (
    Number(
        "discriminator.auc",
        "D's features, AUC",
        "of a logistic regression on D's features, fitted to the training slices, on held-out reals",
        beside=(
            "accuracy {discriminator.accuracy}",
            "largest class {discriminator.majority}",
            "shuffled labels {discriminator.shuffled}",
        ),
    ),
    Number("discriminator.accuracy", meaning="its accuracy on held-out reals"),
    Number("discriminator.confusion", meaning="its answers as a matrix, whose rows are the true classes"),
    Number("discriminator.majority", meaning="share of the largest class, which a constant answer reaches"),
    Number("discriminator.shuffled", meaning="its AUC with people's labels shuffled, the mean"),
    *as_classifier_numbers("discriminator.fidelity", "regression on D's features", {"auc": "  on generated slices"}),
)


def measure(context: Context) -> tuple[Numbers, NDArray[np.int64]]:
    context.need_held_out()
    D, held_out, fakes = context.discriminator, context.held_out, context.fakes
    if D is None or len(context.class_names) < 2:
        raise NotHereError("a discriminator and two classes or more are needed")

    def features(slices: SliceTable) -> NDArray[np.float32]:
        return in_batches(D, D.features, slices.images)

    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    regression.fit(features(context.train), context.train.labels)
    probabilities, made = (regression.predict_proba(features(slices)) for slices in (held_out, fakes))
    counts = classification.confusion(held_out.labels, probabilities)
    numbers: Numbers = {
        "discriminator.accuracy": classification.accuracy(held_out.labels, probabilities),
        "discriminator.auc": classification.auc(held_out.labels, probabilities),
        "discriminator.shuffled": classification.shuffled_auc(held_out.labels, probabilities, held_out.subjects)[0],
        "discriminator.majority": float(np.bincount(held_out.labels).max() / len(held_out)),
        "discriminator.confusion": counts.tolist(),
        **as_classifier("discriminator.fidelity", (held_out, fakes), (probabilities, made), context.options.seed),
    }
    return numbers, counts


def answer(numbers: Numbers) -> str:
    return (
        f"A regression on its features gives held-out reals their class with an AUC of "
        f"{numbers['discriminator.auc']:.3f} (shuffled labels {numbers['discriminator.shuffled']:.3f})."
    )


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    figure = plots.new_figure(5.2, 5)
    plots.confusion_matrix(
        figure.add_subplot(),
        findings,
        context.class_names,
        f"on D's features, held-out reals ({context.held_out_split})\n"
        f"accuracy {numbers['discriminator.accuracy']:.3f}, AUC {numbers['discriminator.auc']:.3f}, "
        f"largest class {numbers['discriminator.majority']:.3f}",
    )
    return [
        ReportFigure(
            "confusion",
            figure,
            "The discriminator as a classifier",
            "A logistic regression on D's features, fitted to the real training slices, answers for held-out ones.",
            f"the largest class alone, {numbers['discriminator.majority']:.3f}, and shuffled labels, AUC "
            f"{numbers['discriminator.shuffled']:.3f}",
            private=False,
            alt="A matrix of counts: a row for each true class, a column for each answer. Right answers stand on the "
            "diagonal.",
            shown=f"{int(findings.sum())} real slices.",
        )
    ]
