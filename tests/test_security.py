"""No command reaches out of the machine: the interpreter's own audit events tell of every socket."""

import re
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[1]
COMMANDS = """
import sys

def hook(event, arguments):
    if event.split(".")[0] in ("socket", "urllib", "ftplib", "http", "smtplib", "webbrowser"):
        sys.stderr.write(f"REACHED OUT: {event} {arguments}\\n")
        raise SystemExit(99)

run, root, overlay, out = sys.argv[1:]
sys.addaudithook(hook)
import progan_style_cli
from analysis.commands import predict
from progan_style.commands import generate, prepare

calls = (
    (progan_style_cli.main, ["--config", overlay, "--data", root, "--until", "8", "--run", f"{out}/run"]),
    (predict.main, ["--run", run, "--parts", "grid"]),
    (generate.main, ["--run", run, "--count", "4", "--to", f"{out}/made"]),
    (prepare.main, [root, "--to", f"{out}/prepared", "--split", "50/25/25"]),
    (prepare.main, ["--audit", f"{out}/prepared"]),
)
for command, arguments in calls:
    code = command(arguments)
    print(f"{command.__module__}: {code}")
    if code not in (0, 1):  # 1: the audit has found something
        sys.exit(1)
"""
CAUGHT = COMMANDS.split("import progan_style_cli")[0] + "import socket\nsocket.socket()\n"


def run(script, *arguments):
    words = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(words, cwd=REPO, capture_output=True, text=True, check=False)


def test_no_command_opens_a_socket(tiny_run, tmp_path):
    done = run(COMMANDS, tiny_run.run_dir, tiny_run.root, tiny_run.overlay, tmp_path)
    assert done.returncode == 0 and "REACHED OUT" not in done.stderr, (done.stdout[-500:], done.stderr[-1000:])
    assert [line.split(": ")[0] for line in done.stdout.splitlines() if re.fullmatch(r"[a-z_.]+: [01]", line)] == [
        "progan_style_cli",
        "analysis.commands.predict",
        "progan_style.commands.generate",
        "progan_style.commands.prepare",
        "progan_style.commands.prepare",
    ]


def test_the_hook_would_notice():
    assert run(CAUGHT, "run", "root", "overlay", "out").returncode == 99
