from benchmarks import explorer


def test_each_change_is_timed(tiny_run, capsys):
    assert explorer.main(["--run", str(tiny_run.run_dir), "--sizes", "16,64", "--changes", "2"]) == 0
    out = capsys.readouterr().out
    assert all(f"   16  {name:20}" in out for name in explorer.CHANGES) and "64  not finished in" in out


def test_a_change_is_made_anew_each_time(tiny_run):
    """What is timed is no picture that was kept: each place is another."""
    from explorer.generators import Generators
    from explorer.state import Choices, first_state

    opened, _ = Generators(tiny_run.run_dir).get(16)
    start = first_state(Choices("", (16,), ("CN", "AD")), 16)
    for moved in explorer.CHANGES.values():
        assert len({moved(start, i, 6) for i in range(6)} | {start}) == 7
    assert set(explorer.measure(opened, 16, 2)) == set(explorer.CHANGES)


def test_the_wide_network_is_the_shipped_one():
    G = explorer.wide(8).pictures.G
    assert G.max_resolution == 256 and G.resolution == 8 and G.class_names == ("CN", "AD")
