"""Style mixing, truncation and the film: numbers for every crossover, class and psi."""

from analysis.sections import styles


def test_its_numbers_and_pictures(context_of, made, tiny_run, few_latents):
    numbers, pictures = made(styles, context_of(tiny_run))
    assert [p.name for p in pictures] == ["style_mixing", "truncation", "interpolation"]
    assert not [p for p in pictures if p.private]
    assert {f"mixing.{c}.rows" for c in (0, 2, 4, 6)} <= set(numbers) and numbers["film.frames"] == 4
    assert {f"truncation.AD.{psi:.1f}.diversity" for psi in styles.PSIS} <= set(numbers)
    assert "truncation.AD.real.diversity" in numbers


def test_without_held_out_slices_there_is_no_real_diversity(context_of, made, tiny_run, nobody, few_latents):
    numbers, pictures = made(styles, context_of(tiny_run, nobody))
    assert "truncation.AD.real.diversity" not in numbers and "no held-out slices" in pictures[1].control
