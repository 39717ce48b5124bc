"""Conditions: what comes in, what is refused, and that rows stay together."""

import numpy as np
import pytest
import torch

from progan_style.networks.conditions import (
    CategoryEmbedding,
    Condition,
    Embeddings,
    NumberEmbedding,
    PositionEmbedding,
)

NAMES = ("CN", "MCI", "AD")


def test_labels_become_whole_weights():
    condition = Condition.of(torch.tensor([2, 0]), NAMES)
    assert condition.class_weights.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert condition.labels.tolist() == [2, 0] and condition.position is None and len(condition) == 2


@pytest.mark.parametrize("classes", (1, 2, 5))
def test_a_whole_weight_is_its_class_to_the_last_bit_with_its_gradient(classes):
    """As a lookup in the table would give."""
    torch.manual_seed(0)
    labels, grads = torch.randint(0, classes, (64,)), torch.randn(64, 24)
    looked_up, mixed = (torch.randn(classes, 24).requires_grad_() for _ in range(2))
    with torch.no_grad():
        mixed.copy_(looked_up)
    rows = looked_up[labels]
    made = Condition.of_labels(labels, classes).of_classes(mixed)
    assert torch.equal(rows, made)
    rows.backward(grads)
    made.backward(grads)
    assert torch.allclose(looked_up.grad, mixed.grad, atol=1e-6)


def test_class_weights_have_labels_where_each_image_is_of_one_class():
    """The identity of two classes: [0, 1], not [0, 0] as if its last column were a position."""
    assert Condition.of(torch.eye(2), ("CN", "AD")).labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match="expected images of one class each, got class weights between the classes"):
        _ = Condition.of(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), ("CN", "AD")).labels


def test_rows_of_all_conditions_stay_together():
    condition = Condition.of(torch.tensor([0, 1, 2, 0, 1]), NAMES, torch.linspace(-1, 1, 5))
    some = condition[torch.tensor([4, 2])]
    assert some.labels.tolist() == [1, 2] and some.position.tolist() == [1.0, 0.0]
    every_second = condition[::2]
    assert every_second.labels.tolist() == [0, 2, 1] and every_second.position.tolist() == [-1.0, 0.0, 1.0]
    parts = condition.chunk(2)
    assert [len(part) for part in parts] == [3, 2]
    assert torch.cat([part.class_weights for part in parts]).equal(condition.class_weights)
    assert torch.cat([part.position for part in parts]).equal(condition.position)
    values = torch.arange(10.0).reshape(5, 2)
    known = Condition.of_labels(torch.tensor([0, 1, 2, 0, 1]), 3, values=values)
    assert known[::2].values.equal(values[::2]) and known.chunk(2)[1].values.equal(values[3:])
    copied = known.clone()
    copied.values.zero_()
    assert known.values.equal(values) and len(known.tensors()) == 3 and known.to("meta").values.is_meta


def test_equal_conditions_have_one_number():
    position = torch.tensor([0.0, 0.5, 0.0, 0.0])
    kinds = Condition.of(torch.tensor([0, 0, 0, 1]), NAMES, position).kinds()
    assert kinds[0] == kinds[2] and len(kinds.unique()) == 3
    assert len(Condition.of(torch.tensor([0, 0, 0, 1]), NAMES).kinds().unique()) == 2
    nan, inf = float("nan"), float("inf")
    values = torch.tensor([[nan, 1.0], [nan, 1.0], [0.0, 1.0], [inf, nan], [inf, nan], [inf, 0.0]])
    kinds = Condition.of_labels(torch.zeros(6).long(), 3, values=values).kinds().tolist()
    assert kinds[0] == kinds[1] and kinds[3] == kinds[4] and len(set(kinds)) == 4


@pytest.mark.parametrize(
    "given, message",
    (
        (torch.tensor([0, 3]), "expected labels from 0 to 2 for CN, MCI, AD, got 0 to 3"),
        (torch.tensor([-1]), "expected labels from 0 to 2 for CN, MCI, AD, got -1 to -1"),
        (
            torch.tensor([0.5]),
            r"expected labels \[N\] or float weights \[N, 3\] for CN, MCI, AD, got torch.float32 \[1\]",
        ),
        (torch.ones(2, 4) / 4, r"got torch.float32 \[2, 4\]"),
        (torch.ones(2, 3, dtype=torch.long), r"got torch.int64 \[2, 3\]"),
        (torch.ones(2, 3), "class weights that sum to 1 in every row, got sums from 3 to 3"),
    ),
)
def test_what_is_no_condition_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Condition.of(given, NAMES)


def test_an_unknown_number_is_a_vector_of_its_own_and_the_others_gradients_are_finite():
    torch.manual_seed(0)
    embed, z = NumberEmbedding(5), torch.tensor([0.3, float("nan"), -2.0])
    assert torch.equal(embed(torch.tensor([float("inf")]))[0], embed.unknown)  # what is still to be drawn
    made = embed(z)
    assert torch.equal(made[1], embed.unknown) and not torch.equal(made[0], made[2])
    grads = torch.randn(3, 5)
    made.backward(grads)
    assert torch.equal(embed.unknown.grad, grads[1]) and torch.equal(embed.dense.bias.grad, grads[0] + grads[2])
    assert embed.dense.weight.grad.isfinite().all()


def test_a_position_is_heard_as_four_waves_and_none_is_the_middle():
    """sin and cos of k pi / 2 times the position, k = 1 .. 4, in numpy."""
    torch.manual_seed(0)
    embedding, where = PositionEmbedding(5), np.array([-1.0, 0.3, 0.0])
    angles = np.pi / 2 * where[:, None] * np.arange(1, 5)
    waves = torch.tensor(np.concatenate([np.sin(angles), np.cos(angles)], axis=1)).float()
    heard = embedding(torch.tensor(where).float(), 3)
    assert torch.allclose(heard, embedding.dense(waves), atol=1e-6)
    assert torch.equal(embedding(None, 1)[0], embedding(torch.zeros(1), 1)[0])


def test_no_two_numbers_are_one_and_the_near_are_alike():
    """However far out: where sines alone would repeat, ten standard deviations were another place again."""
    torch.manual_seed(0)
    embed, z = NumberEmbedding(32), torch.linspace(-12.0, 12.0, 49)
    made = embed(z).detach()
    apart = torch.cdist(made, made)
    assert apart[~torch.eye(49, dtype=torch.bool)].min() > 0
    for i in range(49):
        assert apart[i].argsort()[:3].sub(i).abs().max() <= 2


def test_a_category_is_its_row_and_the_last_row_is_unknown():
    embed = CategoryEmbedding(3, 4)
    place = torch.tensor([2.0, float("nan"), 0.0, 2.0])
    made, grads = embed(place), torch.randn(4, 4)
    assert torch.equal(embed(torch.tensor([float("inf")]))[0], embed.table[3])
    assert torch.equal(made, embed.table[[2, 3, 0, 2]])
    made.backward(grads)
    assert torch.allclose(embed.table.grad, torch.stack([grads[2], torch.zeros(4), grads[0] + grads[3], grads[1]]))


def test_embeddings_stand_in_the_order_of_their_names_whatever_these_are():
    """Columns that are called as methods of a module are."""
    embeddings = Embeddings({"type": 0, "keys": 2}, 4)
    values = torch.tensor([[0.5, 1.0]])
    first, second = embeddings(values, torch.zeros(1, 2))
    assert torch.equal(first, embeddings["of_type"](values[:, 0])) and torch.equal(
        second[0], embeddings["of_keys"].table[1]
    )
    unknown = embeddings(None, torch.zeros(1, 2))
    assert torch.equal(unknown[0][0], embeddings["of_type"].unknown) and torch.equal(
        unknown[1][0], embeddings["of_keys"].table[2]
    )
