"""The numbers for TensorBoard, read back by TensorBoard; what cannot be written ends nothing."""

import errno

import numpy as np
import pytest

from progan_style.training.board import Board


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_reads_what_was_written(tmp_path):
    board = Board(tmp_path / "tensorboard", 0)
    board.write({"loss_d": 0.5, "resolution": 8, "why": "a text"}, 100)
    board.write({"loss_d": 0.25}, 200)
    losses = [(100, 0.5), (200, 0.25)]
    assert read(tmp_path / "tensorboard")["losses/loss_d"] == losses  # also while it is being written
    board.write({"kid.CN": 0.125}, 200, "metrics")
    board.close()
    assert read(tmp_path / "tensorboard") == {
        "losses/loss_d": losses,
        "training/resolution": [(100, 8.0)],
        "metrics/kid.CN": [(200, 0.125)],
    }


def test_tensorboard_reads_pictures_and_texts(tmp_path):
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / "samples.png")
    board = Board(tmp_path / "tensorboard", 0)
    board.picture(tmp_path / "samples.png", 8)
    board.text("configuration", "seed: 0\nthreads: 1", 8)
    board.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    (image,) = events.Images("samples")
    assert (image.step, image.width, image.height) == (8, 4, 3)
    assert image.encoded_image_string == (tmp_path / "samples.png").read_bytes()
    (text,) = events.Tensors("configuration")
    assert text.tensor_proto.string_val == [b"    seed: 0\n    threads: 1"]
    assert events.summary_metadata["configuration"].plugin_data.plugin_name == "text"


def test_what_came_after_the_checkpoint_is_dropped(tmp_path):
    for nimg, values in ((0, {100: 1.0, 200: 2.0, 300: 3.0}), (200, {300: 4.0})):
        board = Board(tmp_path, nimg)
        for step, value in values.items():
            board.write({"loss_d": value}, step)
        board.close()
    assert read(tmp_path)["losses/loss_d"] == [(100, 1.0), (200, 2.0), (300, 4.0)]


class Full:
    """A file on a full disk."""

    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_once(tmp_path, capsys):
    board = Board(tmp_path, 0)
    board.file = Full()
    board.write({"loss_d": 1.0}, 8)
    board.write({"loss_d": 1.0}, 16)
    board.close()
    told = capsys.readouterr().out
    assert told.count("nothing more is written for TensorBoard") == 1 and "No space left" in told


@pytest.mark.parametrize("nimg", (0, 8))
def test_a_place_that_cannot_be_is_told(nimg, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    board = Board(tmp_path / "file" / "tensorboard", nimg)
    board.write({"loss_d": 1.0}, 8)
    assert "Not a directory" in capsys.readouterr().out
