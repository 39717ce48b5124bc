"""What a card gives, on a CPU: every row is printed, a planted fault is found, what is missing is said."""

import time

import pytest
import torch
from tape import Tape, TapeRecorder

from benchmarks import gpu
from progan_style.networks import convolution, fir
from progan_style.training import graphs


@pytest.fixture
def bench(monkeypatch):
    """As --cpu makes it."""
    monkeypatch.setattr(fir, "on_card", lambda x: True)
    monkeypatch.setattr(fir, "why_no_kernel", lambda: "this is a CPU")
    monkeypatch.setattr(convolution, "DEVICES", {"cpu"})
    return gpu.Bench(torch.device("cpu"), gpu.SMALL)


def test_every_row_is_printed_and_nothing_is_wrong(capsys):
    assert gpu.main(["--cpu"]) == 0
    page = capsys.readouterr().out
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == list(gpu.ROWS)
    assert page.count(": right") == 17 and "WRONG" not in page and page.count(" step: no wait") == 2
    assert page.count("grouped convolutions among them: none") == 3
    for left_out in ("left out: no speed at 32, 64, 128, 256 px", "left out: only a card's memory"):
        assert left_out in page
    assert not fir.on_card(torch.zeros(1)) and {"cuda"} == convolution.DEVICES


def test_a_wrong_gradient_is_found(bench, monkeypatch, capsys):
    right = convolution.Form.weight_gradient
    monkeypatch.setattr(convolution.Form, "weight_gradient", lambda *given: 1.01 * right(*given))
    monkeypatch.setattr(gpu, "LOSSES", ("logistic",))
    gpu.print_page(bench, ("gradients",), time.monotonic() + 600)
    assert "gradients of stylegan1, logistic, fp32" in bench.wrong
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("stylegan1, logistic, fp32"))
    assert line.endswith("WRONG") and "G plain 2" in line  # e-07: a plain step is not made in these forms


def test_a_wait_is_found(bench, monkeypatch):
    assert all(line.endswith("no wait") for line in gpu.waits(bench))
    update = gpu.loop.update_G
    monkeypatch.setattr(gpu.loop, "update_G", lambda *given: {k: v * v.item() for k, v in update(*given).items()})
    lines = list(gpu.waits(bench))
    assert all("WRONG: the host waits for" in line for line in lines) and len(bench.wrong) == 2


def test_memory_that_runs_out_ends_a_row_and_a_fault_no_other(bench, monkeypatch, capsys):
    def row(error):
        def made(bench):
            yield "begun"
            raise error

        return made

    rows = {
        "a": row(torch.OutOfMemoryError("CUDA out of memory")),
        "b": row(RuntimeError("no kernel image\nmore")),
        "c": row(ImportError("No module named 'analysis'")),
    }
    monkeypatch.setattr(gpu, "ROWS", rows)
    gpu.print_page(bench, tuple(rows), time.monotonic() + 600)
    told = capsys.readouterr().out
    assert "left out: out of memory" in told and "WRONG: no kernel image\n" in told and "left out: No module" in told
    assert bench.wrong == ["b"]
    gpu.print_page(bench, ("a",), time.monotonic() - 1)
    assert "left out: the time is over" in capsys.readouterr().out


def test_a_size_without_memory_is_left_out_of_the_table(bench, monkeypatch):
    row = gpu.speed_row

    def of(bench, size, *overrides):
        if size == 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return row(bench, size, *overrides)

    monkeypatch.setattr(gpu, "speed_row", of)
    lines = list(gpu.speed(bench))
    assert "left out: out of memory; lower schedule.batch_size.16" in lines[2] and lines[3].startswith("| 8, 8 |")


@pytest.mark.parametrize(
    ("cuda", "error", "told"),
    [
        (None, None, r"no card: this torch \(.*\) is built for CPUs; it would take .*; --cpu runs every row small"),
        ("13.0", "Found no NVIDIA GPU on your system", "no card: Found no NVIDIA GPU on your system; it would take"),
        (
            "13.0",
            "The NVIDIA driver on your system is too old\nx",
            r"too old \(torch .* needs one for CUDA 13.0 or later",
        ),
    ],
)
def test_without_a_card_it_says_what_is_missing(cuda, error, told, monkeypatch, capsys):
    def init():
        raise RuntimeError(error)

    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "init", init)
    assert gpu.main([]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    with pytest.raises(ValueError, match=told):
        gpu.find_card()


@pytest.fixture
def taped(bench, monkeypatch):
    """As if this were a card: the tape records."""
    monkeypatch.setattr(graphs, "why_not", lambda device: "")
    monkeypatch.setattr(graphs, "CudaRecorder", lambda device: TapeRecorder())
    return bench


def test_recorded_steps_are_compared_with_usual_ones(taped):
    lines = list(gpu.recorded(taped))
    assert [line.split(" |")[0] for line in lines[2:4]] == ["| 8, 8", "| 16, 8"]
    assert "recorded and usual 0.0e+00 apart, two usual ones 0.0e+00: right" in lines[4]
    assert lines[5].endswith("0.0e+00 apart: right") and lines[6] == "recorded to the end: right" and not taped.wrong


def test_a_recording_that_is_another_run_is_found(taped, monkeypatch):
    replay = Tape.replay
    monkeypatch.setattr(Tape, "replay", lambda tape: (replay(tape), replay(tape)))
    assert [line.endswith("WRONG") for line in gpu.same_run(taped)] == [True, True, False]


def test_a_recording_that_fails_is_found(taped, monkeypatch):
    def record(self, call):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(TapeRecorder, "record", record)
    assert [line.endswith("WRONG") for line in gpu.same_run(taped)] == [False, False, True]
