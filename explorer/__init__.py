"""A page on this machine that shows what a run's generator knows: one brain from one class to the other, and whose it
is like. Uses the public names of progan_style and analysis only.

    state.py        what the page shows, and the link that holds it
    conditions.py   what a generator is asked for beside the class
    generators.py   the networks of a run's stages, followed on the disk
    pictures.py     state -> pictures; view.py: state -> all that a tab shows
    real.py         the run's slices: closest training slices, the map
    downloads.py    pictures -> PNG, NPZ, NIfTI
    explored.py     a run that is open; worker.py: one thread, one thing after another
    panels.py       Bokeh figures and words of each tab; controls.py: sliders and buttons
    page.py         a browser's session: state, controls and panels joined
    server.py       the address, the key, the headers
    command.py      explore.py
"""
