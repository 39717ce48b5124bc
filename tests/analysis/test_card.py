"""The card says what a generator is for, and what it is not for, with the metadata that Hugging Face reads."""

import yaml

from analysis.card import LIMITS, card, metadata

NUMBERS = {
    "title": "my: run",
    "class_names": ["CN", "AD"],
    "resolution": 64,
    "train.slices": 48,
    "train.persons": 24,
    "persons.are": "persons stated",
    "held_out.split": "test",
    "held_out.slices": 48,
    "generated.CN": 600,
    "generated.AD": 500,
    "data": "slices",
    "psi": 0.5,
    "plane": "coronal",
    "mm_per_pixel": None,
}
OF_A_RUN = NUMBERS | {
    "nimg": 5000,
    "network": "stylegan1",
    "weights": "best",
    "psi": 1.0,
    "plane": None,
    "extractor.name": "reference",
    "kid.CN": 0.25,
}


def block(text):
    """The metadata on top of a card."""
    _, about, rest = text.split("---\n", 2)
    return yaml.safe_load(about), rest


def test_the_model_card_says_what_it_is_not_for(predict, run, quick):
    predict(run, ["grid"])
    text = (run.run_dir / "analysis-016" / "model_card.md").read_text()
    assert all(line in text for line in LIMITS) and "not for diagnosis" in text and "48 slices of 24" in text
    assert block(text)[0]["library_name"] == "progan-style"


def test_a_run_gets_a_model_card_with_its_measured_numbers():
    about, text = block(card(OF_A_RUN))
    assert text.startswith("# Model card: my: run") and "plane not stated" in text and "best EMA weights, 5,000" in text
    assert "(psi 1, after" in text and about["license"] == "other"
    (model,) = about["model-index"]
    (result,) = model["results"]
    assert model["name"] == "my: run" and result["dataset"] == {
        "name": "slices",
        "type": "image-folder",
        "split": "test",
    }
    assert result["metrics"] == [{"type": "kid", "name": "KID CN (reference)", "value": 0.25}]
    assert "model-index" not in metadata({k: v for k, v in OF_A_RUN.items() if k != "kid.CN"})


def test_a_folder_of_slices_gets_a_data_set_card_and_the_reason():
    about, text = block(card(NUMBERS))
    assert "Data set card" in text and "there is no model card" in text and "(psi 0.5, after" in text
    assert "Coronal slices" in text and about["size_categories"] == ["1K<n<10K"]
    assert about["pretty_name"] == "my: run" and "model-index" not in about
