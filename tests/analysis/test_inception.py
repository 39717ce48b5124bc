"""InceptionV3 is loaded from the known file only."""

import hashlib
import sys

import pytest
import torch

from analysis import inception
from analysis.inception import load_inception


def test_inception_is_loaded_from_the_known_file_only(tmp_path, monkeypatch, discs):
    pytest.importorskip("torch_fidelity", reason="the optional extra 'inception'")
    file = tmp_path / "weights.pth"
    file.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="expected 6726825d0af5"):
        load_inception(file)
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_inception(tmp_path / "nowhere")
    monkeypatch.setattr(inception, "INCEPTION_SHA256", hashlib.sha256(b"no weights").hexdigest())
    monkeypatch.setattr(torch, "load", lambda *_, **__: {})
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda self, state: None)
    images, _ = discs(2)
    assert load_inception(file).features(images).shape == (2, 2048)


def test_without_torch_fidelity_the_command_that_installs_it_is_told(tmp_path, monkeypatch):
    """Users have a checkout: there is no package of this name to install from an index."""
    file = tmp_path / "weights.pth"
    file.write_bytes(b"no weights")
    monkeypatch.setattr(inception, "INCEPTION_SHA256", hashlib.sha256(b"no weights").hexdigest())
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[inception\]'"):
        load_inception(file)
