"""What every discriminator ends in: the logit written out, and what of it knows labels."""

import math

import pytest
import torch

from progan_style.networks.conditions import Condition
from progan_style.networks.discriminating import Discriminating


def make(**keys):
    torch.manual_seed(0)
    D = Discriminating(max_resolution=8, channels=6, **{"num_classes": 3, "in_logit": True, "positions": False} | keys)
    D.reduce = lambda images: images[:, :, ::2, ::2].expand(-1, 6, -1, -1).clone()
    return D.eval()


def test_the_logit_is_that_of_the_features_and_their_product_with_the_label():
    """Miyato & Koyama 2018, equation 4, divided by sqrt(F)."""
    D, features = make(), torch.randn(4, 6)
    D.label_weight.fill_(0.5)
    labels = torch.tensor([0, 1, 2, 1])
    plain = features @ D.logit.weight[0] * D.logit.scale + D.logit.bias[0]
    of_label = (D.embed.weight[labels] * features).sum(dim=1) / math.sqrt(6)
    made = D.logits(features, Condition.of_labels(labels, 3))
    assert torch.allclose(made, plain + 0.5 * of_label, atol=1e-6)


@pytest.mark.parametrize("keys", ({"in_logit": False}, {"num_classes": 1}))
def test_where_the_label_is_not_in_the_logit_it_changes_nothing(keys):
    D, features = make(**keys), torch.randn(2, 6)
    classes = keys.get("num_classes", 3)
    first, last = (D.logits(features, Condition.of_labels(torch.full((2,), k), classes)) for k in (0, classes - 1))
    assert D.embed is None and torch.equal(first, last)


def test_classes_are_read_off_the_same_features():
    D, images = make(), torch.randn(2, 1, 8, 8)
    features = D.features(images)
    assert features.shape == (2, 6) and features.dtype == torch.float32
    assert torch.equal(D.classify(images), D.class_logits(features)) and D.classify(images).shape == (2, 3)


def test_images_of_another_size_are_refused():
    with pytest.raises(AssertionError, match=r"images \(1, 1, 16, 16\) for a discriminator at 8"):
        make().features(torch.zeros(1, 1, 16, 16))
