"""The model card says what the generator is for, and what it is not for."""

from analysis.card import card_html


def test_the_model_card_says_what_it_is_not_for(predict, run, quick):
    predict(run, ["grid"])
    card = (run.run_dir / "analysis-016" / "model_card.md").read_text()
    assert "not for diagnosis" in card and "48 slices of 24" in card
    assert card_html(card).count("<li>") == card.count("\n- ")
