"""From latents and labels to styles."""

import pytest
import torch
from network_tools import of

from progan_style.networks.conditions import Condition
from progan_style.networks.mapping import Mapping, mix_styles


def test_class_weights_mix_the_embeddings(nets):
    G, _ = nets
    z, labels = torch.randn(3, 12), of(0, 1, 2)
    assert torch.equal(G.mapping(z, Condition(torch.eye(3))), G.mapping(z, labels))
    half = G.mapping(z[:1], Condition(torch.tensor([[0.5, 0.5, 0.0]])))
    with torch.no_grad():
        G.mapping.embed.weight[2] = G.mapping.embed.weight[:2].mean(dim=0)
    assert torch.allclose(half, G.mapping(z[:1], labels[2:]))


AGE, BOTH = {"age": 0}, {"sex": 2, "age": 0}


@pytest.mark.parametrize(
    ("classes", "positions", "others"),
    ((2, False, {}), (1, True, {}), (3, True, AGE), (2, True, BOTH), (1, False, AGE)),
)
@pytest.mark.parametrize(
    ("their_classes", "their_positions", "their_others"),
    ((1, False, {}), (2, False, {}), (1, True, {}), (1, False, AGE), (2, True, {"age": 0, "sex": 2})),
)
def test_a_mapping_takes_anothers_weights_whatever_both_are_conditioned_on(
    classes, positions, others, their_classes, their_positions, their_others
):
    """w is the other's: what is new here counts for nothing, what is in both counts as there, in whatever order."""

    def mapping(num_classes, positions, conditions):
        sizes = dict(z_dim=5, w_dim=6, num_layers=4, depth=3, lr_mul=0.01)
        return Mapping(num_classes=num_classes, positions=positions, conditions=conditions, **sizes)

    theirs, mine = mapping(their_classes, their_positions, their_others), mapping(classes, positions, others)
    weights = {f"mapping.{name}": t for name, t in theirs.state_dict().items()}
    adapted = {name.removeprefix("mapping."): t for name, t in mine.adapted(weights, "mapping.").items()}
    with torch.no_grad():
        for name, t in mine.state_dict().items():
            if name == "embed.weight" and their_classes > 1:
                t[: min(classes, their_classes)] = adapted[name][:classes]
            else:
                t.copy_(adapted[name])
    if (
        (their_classes > 1 and classes == 1)
        or (their_positions and not positions)
        or their_others.keys() - others.keys()
    ):
        return  # what counted there does not here
    z, labels = torch.randn(4, 5), torch.zeros(4).long()
    position = torch.linspace(-1, 1, 4) if positions else None
    known = {"age": torch.tensor([-1.0, 0.5, float("nan"), 2.0]), "sex": torch.tensor([0.0, 1.0, 1.0, float("nan")])}
    values, their_values = (
        torch.stack([known[k] for k in names], 1) if names else None for names in (others, their_others)
    )
    w = mine(z, Condition.of_labels(labels, classes, position, values))
    their_position = position if their_positions else None
    theirs_w = theirs(z, Condition.of_labels(labels, their_classes, their_position, their_values))
    assert torch.allclose(w, theirs_w, atol=1e-6)


def test_style_mixing_keeps_the_head_and_takes_the_tail():
    ws, other = torch.zeros(500, 10, 2), torch.ones(500, 10, 2)
    u = torch.rand(500, 2)
    mixed = mix_styles(ws, other, u, active_layers=6, probability=0.9)[:, :, 0]
    crossover = (mixed == 0).sum(dim=1)
    assert (mixed.diff(dim=1) >= 0).all()
    assert set(crossover[u[:, 0] < 0.9].tolist()) == {1, 2, 3, 4, 5}
    assert set(crossover[u[:, 0] >= 0.9].tolist()) == {6}


def test_a_mapping_hears_a_height_only_where_it_is_asked_to():
    plain = Mapping(z_dim=5, w_dim=6, num_layers=4, num_classes=1, depth=3, lr_mul=0.01)
    assert plain.position is None and plain.parts["position"] == 0
