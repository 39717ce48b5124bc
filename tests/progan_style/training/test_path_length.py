import math

import pytest
import torch
from run_tools import OF_ARCHITECTURE

from progan_style.checkpoint import load_state
from progan_style.training.path_length import DECAY, PathLength, path_lengths

N, L, W, R = 3, 4, 5, 8
CPU = torch.device("cpu")


@pytest.fixture
def linear():
    """G(w) = A w for each image: (A [L * W, R * R], ws, images, y); J^T y is A y."""
    torch.manual_seed(0)
    A = torch.randn(L * W, R * R, dtype=torch.float64, requires_grad=True)
    ws = torch.randn(N, L, W, dtype=torch.float64, requires_grad=True)
    y = torch.randn(N, R * R, dtype=torch.float64)
    return A, ws, (ws.flatten(1) @ A).reshape(N, 1, R, R), y


def known_lengths(A, y):
    """sqrt of the mean over the styles of |A y / R|^2, style by style."""
    slope = (y @ A.T / R).reshape(N, L, W)
    return slope.square().sum(dim=2).mean(dim=1).sqrt()


def test_the_lengths_of_a_linear_generator_are_known(linear):
    A, ws, images, y = linear
    assert torch.allclose(path_lengths(images, ws, y), known_lengths(A, y))


def test_penalty_and_gradient_of_a_linear_generator_are_known(linear):
    A, ws, images, y = linear
    regulariser = PathLength(2.0, 4, CPU)
    regulariser.mean.fill_(0.5)
    penalty = regulariser.penalty(images, ws, y)
    expected = 2.0 * 4 * (known_lengths(A, y) - 0.5).square().mean()
    assert torch.allclose(penalty, expected)
    assert torch.allclose(*(torch.autograd.grad(term, A)[0] for term in (penalty, expected)))


def test_the_gradient_against_finite_differences():
    torch.manual_seed(0)
    ws = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 16, dtype=torch.float64)
    regulariser = PathLength(1.0, 1, CPU)

    def penalty(weight):
        images = (ws.flatten(1) @ weight).sin().reshape(2, 1, 4, 4)
        return regulariser.penalty(images, ws, y)

    assert torch.autograd.gradcheck(penalty, torch.randn(6, 16, dtype=torch.float64, requires_grad=True))


def test_the_mean_moves_once_a_step_by_what_was_gathered(linear):
    A, ws, images, y = linear
    regulariser = PathLength(2.0, 4, CPU)
    regulariser.penalty(images, ws, y)
    assert regulariser.mean == 0
    regulariser.settle()
    assert regulariser.mean.item() == pytest.approx(DECAY * known_lengths(A, y).mean().item(), rel=1e-5)
    before = regulariser.mean.clone()
    regulariser.settle()  # a step without the penalty
    assert torch.equal(regulariser.mean, before)


def test_when_it_is_due():
    assert [step for step in range(9) if PathLength(2.0, 4, CPU).due(step)] == [0, 4, 8]
    assert not PathLength(0.0, 4, CPU).due(0)


def test_the_length_does_not_grow_with_the_image():
    """An image that w brightens as a whole: |J^T y| is |sum y| / R, of mean square 1 at any size."""
    torch.manual_seed(0)
    for r in (8, 32):
        w = torch.randn(4000, 1, 1, requires_grad=True)
        lengths = path_lengths(w[:, :, :, None].expand(-1, -1, r, r), w, torch.randn(4000, r * r))
        assert math.sqrt(lengths.square().mean()) == pytest.approx(1.0, rel=0.05)


def test_the_path_length_is_penalised_every_fourth_step_and_its_mean_is_kept(make):
    trainer, run_dir = make("run", "network.name=stylegan2", *OF_ARCHITECTURE["stylegan2"])
    step, terms = trainer.step, []
    trainer.step = lambda *batch: terms.append(step(*batch)) or terms[-1]
    trainer.run(run_dir)
    assert [i for i, t in enumerate(terms) if "G/path_length" in t] == [0, 4, 8, 12]
    assert 0 < load_state(run_dir / "checkpoint.pt")["path_length"] < 1
