"""What tests of commands share."""

import csv


def refused(done, message):
    """One line on stderr, exit 2, no traceback."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr, done.stderr
    assert message in done.stderr, done.stderr


def manifest_rows(folder):
    return list(csv.DictReader((folder / "manifest.csv").read_text().splitlines()))
