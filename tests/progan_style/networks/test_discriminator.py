"""What every discriminator ends in: the logit written out, and what of it knows labels."""

import math

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from progan_style.networks.conditions import Condition
from progan_style.networks.discriminator import FAST, Discriminator, ListeningHead, TaughtHead


def make(**keys):
    torch.manual_seed(0)
    D = Discriminator(max_resolution=8, channel_base=64, channel_max=6, **{"num_classes": 3} | keys)
    D.reduce = lambda images: images[:, :, ::2, ::2].expand(-1, 6, -1, -1).clone()
    return D.eval()


def test_the_logit_is_that_of_the_features_and_their_product_with_the_label():
    """Miyato & Koyama 2018, equation 4, divided by sqrt(F)."""
    D, features = make(), torch.randn(4, 6)
    assert D.logit.weight.shape == (1, 6) and D.logit.bias.shape == (1,)
    D.label_weight.fill_(0.5)
    labels = torch.tensor([0, 1, 2, 1])
    plain = features @ D.logit.weight[0] * D.logit.scale + D.logit.bias[0]
    of_label = (D.embed.weight[labels] * features).sum(dim=1) / math.sqrt(6)
    made = D.logits(features, Condition.of_labels(labels, 3))
    assert torch.allclose(made, plain + 0.5 * of_label, atol=1e-6)


def test_each_condition_adds_its_product_with_the_features():
    D, features = make(num_classes=1, positions=True, conditions={"age": 0, "sex": 2}), torch.randn(3, 6)
    values = torch.tensor([[0.5, 1.0], [float("nan"), 0.0], [-1.0, float("nan")]])
    plain = features @ D.logit.weight[0] * D.logit.scale + D.logit.bias[0]
    parts = [
        D.position(torch.tensor([0.1, 0.2, 0.3]), 3),
        *(e(v) for e, v in zip(D.conditions.values(), values.T, strict=True)),
    ]
    made = D.logits(features, Condition.of_labels(torch.zeros(3).long(), 1, torch.tensor([0.1, 0.2, 0.3]), values))
    assert torch.allclose(made, plain + sum((part * features).sum(dim=1) / math.sqrt(6) for part in parts), atol=1e-5)


@pytest.mark.parametrize("keys", ({"in_logit": False}, {"num_classes": 1}))
def test_where_the_label_is_not_in_the_logit_it_changes_nothing(keys):
    D, features = make(**keys), torch.randn(2, 6)
    classes = keys.get("num_classes", 3)
    first, last = (D.logits(features, Condition.of_labels(torch.full((2,), k), classes)) for k in (0, classes - 1))
    assert D.embed is None and torch.equal(first, last)


def test_classes_are_read_off_the_same_features():
    D, images = make(), torch.randn(2, 1, 8, 8)
    D.class_head.weight.normal_()
    features = D.features(images)
    assert features.shape == (2, 6) and features.dtype == torch.float32
    assert torch.equal(D.classify(images), D.class_logits(features)) and D.classify(images).shape == (2, 3)


def test_images_of_another_size_are_refused():
    with pytest.raises(AssertionError, match=r"images \(1, 1, 16, 16\) for a discriminator at 8"):
        make().features(torch.zeros(1, 1, 16, 16))


def some(k=3, n=64):
    """Features of n images of k classes, in unequal shares, and their condition."""
    labels = torch.randint(0, k + 1, (n,)).clamp(max=k - 1)
    x = 9.0 + torch.randn(n, 5) @ torch.randn(5, 5) + 2.0 * torch.randn(k, 5)[labels]
    return x, Condition.of_labels(labels, k)


def settled(head, x, condition, steps):
    for _ in range(steps):
        for part, of_part in zip(x.chunk(2), condition.chunk(2), strict=True):
            head.track(part, of_part)
        head.settle()
    return head


def test_a_taught_head_stands_on_features_of_mean_0_and_variance_1():
    """Gathered over parts, settled once a step; where nothing is gathered nothing moves."""
    x, condition = some()
    head = settled(TaughtHead(5, 3, momentum=0.1), x, condition, 200)
    assert torch.allclose(head.mean, x.mean(dim=0), atol=1e-4)
    assert torch.allclose(head.variance, x.var(dim=0, unbiased=False), rtol=1e-3)
    standard = (x - x.mean(dim=0)) / x.std(dim=0, unbiased=False)
    assert torch.allclose(head(x), standard @ head.weight.T / 5**0.5 + head.bias, atol=1e-3)


def test_a_listening_head_is_the_linear_discriminant_of_what_it_heard():
    """scikit-learn's, whose ridge (a multiple of 1 on standardised features) is left out by features of variance 1."""
    x, condition = some(n=400)
    x = x / x.std(dim=0)
    head = ListeningHead(5, 3, momentum=0.1)
    head.RIDGE = 0.0
    settled(head, x, condition, 300)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x.double().numpy(), condition.labels.numpy())
    ours = head(x).log_softmax(dim=1).double().numpy()
    assert np.abs(ours - theirs.predict_log_proba(x.double().numpy())).max() < 2e-2


@pytest.mark.parametrize("kind", (TaughtHead, ListeningHead))
def test_where_nothing_is_gathered_nothing_moves(kind):
    head = settled(kind(5, 3), *some(), 3)
    before = {name: t.clone() for name, t in head.state_dict().items()}
    head.settle()
    assert all(torch.equal(t, before[name]) for name, t in head.state_dict().items())
    assert not head.sums.any()


def test_one_step_moves_the_running_numbers_by_their_momentum():
    x, condition = torch.tensor([[2.0], [6.0]]), Condition.of_labels(torch.tensor([0, 0]), 2)
    taught, listening = TaughtHead(1, 2, momentum=0.25), ListeningHead(1, 2, momentum=0.05)
    settled(taught, x, condition, 1)
    assert taught.mean.item() == 1.0 and taught.variance.item() == 0.75 * 1 + 0.25 * 4
    settled(listening, x, condition, 1)
    assert listening.mean.item() == 0.05 * FAST * 4.0 and not listening.offsets.any()  # all that was seen moved
    assert listening.covariance.item() == pytest.approx(0.95 * 1 + 0.05 * 4)
    assert listening.shares.tolist() == pytest.approx([0.95 * 0.5 + 0.05, 0.95 * 0.5])
    x, condition = torch.tensor([[1.0], [7.0]]), Condition.of_labels(torch.tensor([0, 1]), 2)
    settled(listening, x, condition, 1)  # about a mean of 2 the classes are at -1 and 5
    assert listening.mean.item() == 2.0 + 0.05 * FAST * 2.0
    assert listening.offsets.flatten().tolist() == pytest.approx([0.05 * -3, 0.05 * 3])


def test_a_listening_head_keeps_its_threshold_while_the_features_move():
    """All features move by a tenth of their spread in each step: the head goes along."""
    x, condition = some(n=400)
    head = settled(ListeningHead(5, 3), x, condition, 300)
    before = (head(x).argmax(dim=1) == condition.labels).float().mean()
    for _ in range(100):
        x = x + 0.1 * x.std(dim=0)
        settled(head, x, condition, 1)
    after = (head(x).argmax(dim=1) == condition.labels).float().mean()
    assert after > before - 0.05


def test_a_listening_head_of_features_that_never_vary_stays_finite():
    """What D does not use is the same for all images; its variance runs down to nothing."""
    x, condition = some()
    x[:, 2] = 4.0
    head = ListeningHead(5, 3, momentum=0.1)
    head.covariance.zero_()
    settled(head, x, condition, 3)
    assert torch.isfinite(head.weight).all() and torch.isfinite(head.bias).all() and torch.isfinite(head(x)).all()
    others, without = [0, 1, 3, 4], ListeningHead(4, 3, momentum=0.1)  # it is to the others as if it were not there
    without.covariance.zero_()
    settled(without, x[:, others], condition, 3)
    assert torch.allclose(head.weight[:, others], without.weight, rtol=1e-3)
