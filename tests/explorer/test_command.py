"""explore.py, and its bad days before a page is there."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from shell_tools import refused

from explorer.command import main


def in_a_line(call_shell, *arguments):
    return call_shell("explore.py", *arguments)


@pytest.mark.parametrize(
    ("harm", "options", "told"),
    (
        (None, ["--size", "64"], "size 64 is not trained yet; finished: 8, 16"),
        (None, ["--weights", "best"], "kept none at size 16, no size has one"),
        (None, ["--port", "70000"], "--port: expected 0 to 65535, got 70000"),
        (None, ["--plugin", "nowhere.py"], "--plugin nowhere.py: no such file"),
        ("config.yaml", [], "no run here (no config.yaml); python train.py --run"),
        ("stage-*", [], "no stage is finished yet; run python train.py --run"),
        ("damage", [], "stage-016/generator.safetensors: not a network of this program"),
    ),
)
def test_a_bad_day_is_one_line(run_dir, call_shell, harm, options, told):
    if harm == "damage":
        (run_dir / "stage-016" / "generator.safetensors").write_bytes(b"\0" * 100)
    elif harm is not None:
        for path in run_dir.glob(harm):
            path.rename(path.with_name(f"gone-{path.name}"))
    refused(in_a_line(call_shell, "--run", run_dir, *options), told)


def test_no_run_yet(tmp_path, call_shell):
    refused(in_a_line(call_shell, "--run", tmp_path / "none"), "no run here")


def test_a_port_in_use(run_dir, call_shell):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused(in_a_line(call_shell, "--run", run_dir, "--port", port), f"127.0.0.1:{port}: in use")


def test_settings_for_other_bokeh_servers_are_not_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("BOKEH_RESOURCES", "cdn")
    monkeypatch.setenv("BOKEH_ALLOW_WS_ORIGIN", "*")
    assert main(["--run", str(tmp_path)]) == 2
    assert not [name for name in os.environ if name.startswith("BOKEH_")]


def listening(pid: int) -> set[str]:
    """The addresses on which a process listens, in the kernel's hexadecimal."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6", "raw"):
        file = Path(f"/proc/{pid}/net/{table}")
        for row in file.read_text().splitlines()[1:] if file.exists() else []:
            columns = row.split()
            if columns[9] in inodes and (columns[3] == "0A" or not table.startswith("tcp")):
                found.add(columns[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="what listens is read from Linux's /proc")
def test_it_listens_on_loopback_alone_and_ends_at_ctrl_c(tiny_run, started):
    explorer = started("--run", tiny_run.run_dir, "--size", "8")
    assert listening(explorer.process.pid) == {f"0100007F:{explorer.port:04X}"}  # 127.0.0.1
    explorer.process.send_signal(signal.SIGINT)
    end = time.monotonic() + 60
    while explorer.process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    explorer.end()
    assert explorer.process.returncode == 130 and "Traceback" not in "\n".join(explorer.lines)
    assert explorer.lines[-1].startswith("explore.py: ended")
