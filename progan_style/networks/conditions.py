"""What an image is conditioned on: its class, or what lies between the classes, its position, numbers and categories.

A Condition is made once, where labels enter: at the door of generate() and of a training step. The networks read it.

Letters: N images, K classes, C numbers and categories, W width.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypedDict, cast

import torch
from torch import Tensor, nn

from progan_style.networks.layers import Linear


@dataclass(frozen=True)
class Condition:
    """Conditions of N images: each field is None, or a tensor whose rows are images.

    values: numbers in standard deviations from their mean, the places of categories among their names, in the order in
    which the networks were built; NaN where one is unknown. Infinite: to be drawn by the image's seed (asking.py),
    unknown to the networks.
    """

    class_weights: Tensor  # [N, K] float, each row of sum 1 (1 and zeros: of one class), or of zeros: of none known
    position: Tensor | None = None  # [N] float, -1 .. 1; None: the middle
    known_labels: Tensor | None = None  # [N] int64, where the weights were made from labels; -1: unlabelled
    values: Tensor | None = None  # [N, C] float; None: all unknown

    @classmethod
    def of_labels(
        cls, labels: Tensor, num_classes: int, position: Tensor | None = None, values: Tensor | None = None
    ) -> "Condition":
        """Labels [N] int64 -> each image wholly of its class, of none where the label is -1 (unlabelled): then no
        embedding and no projection is heard. Nothing is read by the host, so nothing is checked."""
        # Not F.one_hot: it reads the labels on the host.
        weights = (labels[:, None] == torch.arange(num_classes, device=labels.device)).float()
        return cls(weights, position, labels, values)

    @classmethod
    def of(cls, given: "Tensor | Condition", class_names: Sequence[str], position: Tensor | None = None) -> "Condition":
        """Labels [N] int64 or class weights [N, K] float -> Condition; a Condition is returned as it is.

        Raises ValueError if it is something else, if a label names no class, or if a row of weights does not sum to 1.
        """
        if isinstance(given, Condition):
            return given
        classes, names = len(class_names), ", ".join(class_names)
        if given.ndim == 1 and not given.is_floating_point():
            if len(given) and not 0 <= int(given.min()) <= int(given.max()) < classes:
                raise ValueError(
                    f"expected labels from 0 to {classes - 1} for {names}, got {int(given.min())} to {int(given.max())}"
                )
            return cls.of_labels(given, classes, position)
        if given.ndim != 2 or given.shape[1] != classes or not given.is_floating_point():
            raise ValueError(
                f"expected labels [N] or float weights [N, {classes}] for {names}, "
                f"got {given.dtype} {list(given.shape)}"
            )
        sums = given.sum(dim=1)
        if not bool(((sums - 1).abs() < 1e-4).all()):
            raise ValueError(
                f"expected class weights that sum to 1 in every row, got sums from {sums.min():g} to {sums.max():g}"
            )
        return cls(given.float(), position)

    def __len__(self) -> int:
        return len(self.class_weights)

    def __getitem__(self, rows: "slice | Tensor") -> "Condition":
        """The conditions of some of the images."""
        return self._each(lambda values: values[rows])

    def chunk(self, parts: int) -> "list[Condition]":
        """In so many parts, like Tensor.chunk."""
        size = -(-len(self) // parts)
        return [self[start : start + size] for start in range(0, len(self), size)]

    def clone(self) -> "Condition":
        return self._each(Tensor.clone)

    def tensors(self) -> list[Tensor]:
        """Those that are given."""
        return [values for field in fields(self) if (values := getattr(self, field.name)) is not None]

    def to(self, device: torch.device | str) -> "Condition":
        return self._each(lambda values: values.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Condition":
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(values) for name, values in given.items() if values is not None})

    def kinds(self) -> Tensor:
        """A number for each image, [N] int64: equal for equal conditions."""
        columns = [self.class_weights, *([] if self.position is None else [self.position[:, None]])]
        if self.values is not None:  # NaN is not equal to itself
            unknown = self.values.isnan()
            columns += [torch.where(unknown, 0.0, self.values), unknown.float()]
        _, kind_of = torch.unique(torch.cat(columns, dim=1), dim=0, return_inverse=True)
        return kind_of

    @property
    def labels(self) -> Tensor:
        """The class of each image, [N] int64, -1 where unlabelled. Raises ValueError if one lies between classes."""
        if self.known_labels is not None:
            return self.known_labels
        highest, labels = self.class_weights.max(dim=1)
        if not bool((highest == 1.0).all()):
            raise ValueError("expected images of one class each, got class weights between the classes")
        return labels

    @property
    def labelled(self) -> Tensor:
        """[N, 1]: 1 where an image has a class, or lies between classes; 0 where it is unlabelled."""
        return self.class_weights.sum(dim=1, keepdim=True)

    def of_classes(self, table: Tensor) -> Tensor:
        """The rows of a table [K, W], mixed by the weights -> [N, W]; a whole weight gives its row to the last bit."""
        return self.class_weights.to(table.dtype) @ table


class Heard(TypedDict, total=False):
    """What networks hear beside the class, as arguments of those who make them. conditions: see Embeddings."""

    positions: bool
    conditions: Mapping[str, int] | None


class PositionEmbedding(nn.Module):
    """Where in the head a slice lies, -1 .. 1 -> [N, width]: a linear layer on sines and cosines of four frequencies.

    None is the middle.
    """

    waves: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("waves", math.pi / 2 * torch.arange(1.0, 5.0), persistent=False)
        self.dense = Linear(8, width)

    def forward(self, position: Tensor | None, n: int) -> Tensor:
        if position is None:
            position = self.waves.new_zeros(n)
        angles = position[:, None].float() * self.waves
        return cast(Tensor, self.dense(torch.cat([angles.sin(), angles.cos()], dim=1)))


class NumberEmbedding(nn.Module):
    """A number in standard deviations from its mean [N] -> [N, width]: as a position, and a vector for the unknown.

    Where the sines repeat, two numbers would be one. So the number becomes a place within their period by a tanh: a
    third of it near the mean, and at most 1.5, whatever an outlier is.
    """

    waves: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("waves", math.pi / 2 * torch.arange(1.0, 5.0), persistent=False)
        self.dense = Linear(8, width)
        self.unknown = nn.Parameter(torch.randn(width))

    def forward(self, z: Tensor) -> Tensor:
        unknown = ~z.isfinite()
        place = 1.5 * torch.tanh(torch.where(unknown, 0.0, z.float()) / 4.5)  # NaN would be in the gradient
        angles = place[:, None] * self.waves
        known = self.dense(torch.cat([angles.sin(), angles.cos()], dim=1))
        return torch.where(unknown[:, None], self.unknown, known)


class CategoryEmbedding(nn.Module):
    """The place of a category among its names [N] -> [N, width]: its row of a table, of which the last is unknown."""

    def __init__(self, categories: int, width: int):
        super().__init__()
        self.table = nn.Parameter(torch.randn(categories + 1, width))

    def forward(self, place: Tensor) -> Tensor:
        # A product, as of the classes: its gradient adds up in one order
        last = len(self.table) - 1
        row = torch.where(place.isfinite(), place, last)
        return (row[:, None] == torch.arange(last + 1, device=row.device)).to(self.table.dtype) @ self.table


class Embeddings(nn.ModuleDict):
    """Condition.values [N, C] -> [N, width] of each. sizes: name -> number of categories, 0 for a number."""

    def __init__(self, sizes: Mapping[str, int], width: int):
        # of_: a column may be called as a method of a module is
        kinds = {f"of_{name}": size for name, size in sizes.items()}
        super().__init__(
            {name: CategoryEmbedding(size, width) if size else NumberEmbedding(width) for name, size in kinds.items()}
        )

    def forward(self, values: Tensor | None, like: Tensor) -> list[Tensor]:
        """like [N, ...]: on the device of the embeddings; None: all are unknown."""
        if values is None:
            values = like.new_full([len(like), len(self)], math.nan)
        return [embed(column) for embed, column in zip(self.values(), values.unbind(dim=1), strict=True)]
