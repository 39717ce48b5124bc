"""What the log says of a call: the command, the versions, the commit of a checkout."""

import json
import subprocess
import sys

import torch

from progan_style.training.call import describe_call, of, of_checkout


def test_a_call_is_told(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/train.py", "--data", "my slices"])
    told = describe_call(torch.device("cpu"), "fp32")
    assert told["command"] == "train.py --data 'my slices'"
    assert (
        told["versions"]["torch"] == torch.__version__.split("+")[0] or told["versions"]["torch"] == torch.__version__
    )
    assert told["precision"] == "fp32" and told["threads"] == torch.get_num_threads() and told["device"]
    assert json.loads(json.dumps(told)) == told
    assert of("no-such-package") == ""


def test_only_a_checkout_has_a_commit(tmp_path):
    def git(*words):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    assert of_checkout(tmp_path) == ""
    git("init", "-q")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "one")
    commit = of_checkout(tmp_path)
    assert len(commit) == 10 and int(commit, 16) >= 0
    (tmp_path / "file").write_text("b")
    assert of_checkout(tmp_path) == f"{commit}-dirty"
    (tmp_path / "inside").mkdir()
    assert of_checkout(tmp_path / "inside") == ""  # somebody's repository around an environment
