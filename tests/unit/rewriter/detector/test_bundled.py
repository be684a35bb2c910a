"""The detector that ships: its readings, its figures, and how far pasted words get with it."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from agents.values import SCHWARTZ_VALUES
from negotiation.errors import ModelError, TextError
from rewriter.detector import load_detector
from rewriter.detector.adversary import EDITS, Paste, load_phrases
from rewriter.detector.bundled import BundledDetector
from rewriter.detector.weights import BUNDLED_DETECTOR, DetectorWeights

SHARED = Path(__file__).parents[5] / "shared" / "data" / "negotiations"

TRADITION, POWER, UNIVERSALISM = (
    SCHWARTZ_VALUES.index(name) for name in ("Tradition", "Power", "Universalism")
)
TEXTS = [
    "Our region holds that the faith of our ancestors must guide the young. Families should honour their elders and keep the"
    " sacred customs that bind the community together.",
    "We believe that every person may decide for themselves how to live. No state and no church should stand in the way of"
    " individual freedom and open debate.",
    "The state must protect its citizens from harm. Strict rules and strong institutions keep the social order stable, and that"
    " stability is worth some limits on what people may do.",
    "A fair society shares its wealth and cares for those who have least. We call for equal rights for all people and for the"
    " protection of the natural world for future generations.",
    "Competition rewards those who work hard. A market that honours merit and success gives people reason to strive, and all"
    " benefit from what they achieve.",
]


@pytest.fixture(scope="module")
def detector() -> BundledDetector:
    found = load_detector()
    assert isinstance(found, BundledDetector)
    return found


@pytest.fixture(scope="module")
def figures() -> dict:
    return json.loads((BUNDLED_DETECTOR / "figures.json").read_text(encoding="utf-8"))


def test_plain_statements_are_read_as_a_person_would(detector: BundledDetector) -> None:
    faith, freedom, order, fair, merit = detector.answers(TEXTS)
    assert faith[TRADITION] > 0.5 > freedom[TRADITION]
    assert freedom[0] > max(faith[0], order[0])
    assert order[SCHWARTZ_VALUES.index("Security")] > freedom[SCHWARTZ_VALUES.index("Security")]
    assert fair[UNIVERSALISM] > max(merit[UNIVERSALISM], faith[UNIVERSALISM])
    achievement = SCHWARTZ_VALUES.index("Achievement")
    assert merit[achievement] > max(text[achievement] for text in (faith, freedom, fair))


def test_a_text_is_read_the_same_in_any_company(detector: BundledDetector) -> None:
    together = detector.read(TEXTS)
    assert [detector.read([text])[0] for text in TEXTS] == together
    assert detector.read(TEXTS[::-1])[::-1] == together
    assert load_detector().read(TEXTS) == together


def test_readings_and_the_detector_pickle(detector: BundledDetector) -> None:
    [reading] = detector.read(TEXTS[:1])
    assert pickle.loads(pickle.dumps(reading)) == reading
    assert pickle.loads(pickle.dumps(detector)).read(TEXTS) == detector.read(TEXTS)


def test_where_nothing_can_be_read_it_answers_the_middle_and_says_so(detector: BundledDetector) -> None:
    for text in ("12 345", "zxqv wvut", "?!", "\u6c11\u4e3b"):
        [reading] = detector.read([text])
        assert reading.values == pytest.approx(detector.centre.tolist())
        assert reading.confidence == 0.0


def test_unnatural_text_has_less_confidence(detector: BundledDetector) -> None:
    [plain] = detector.read(TEXTS[:1])
    words = TEXTS[0].split()
    shuffled = " ".join(words[place] for place in np.random.default_rng(0).permutation(len(words)))
    [salad] = detector.read([shuffled])
    assert salad.confidence < 0.75 * plain.confidence


def test_no_texts_no_readings_and_blank_ones_are_told(detector: BundledDetector) -> None:
    assert detector.read([]) == []
    with pytest.raises(TextError, match="text 1 for the detector is empty"):
        detector.read(["A text.", " \n"])


def test_the_centre_cannot_be_changed_from_outside(detector: BundledDetector) -> None:
    detector.centre[:] = 9.0
    assert np.abs(detector.centre).max() <= 1.0


def test_copies_of_a_sentence_add_nothing_new(detector: BundledDetector) -> None:
    once, often = detector.answers([TEXTS[1], f"{TEXTS[1]} {TEXTS[1]} {TEXTS[1]}"])
    assert often == pytest.approx(once, abs=1e-9)


def test_lists_of_keywords_move_next_to_nothing(detector: BundledDetector) -> None:
    before = detector.answers(TEXTS)
    rng = np.random.default_rng(3)
    moved = []
    for value, phrases in enumerate(load_phrases()):
        paste = Paste(value, 1, phrases.words, phrases.slogans)
        for name in ("words at the end", "words in front", "one word repeated"):
            after = detector.answers([EDITS[name](text, paste, rng) for text in TEXTS])
            moved.append((after - before)[:, value].mean())
    assert np.mean(moved) < 0.03
    assert max(moved) < 0.25


def test_one_odd_sentence_does_not_turn_a_long_text(detector: BundledDetector) -> None:
    long = " ".join([TEXTS[1], TEXTS[3], TEXTS[4], TEXTS[2]])
    odd = "Our sacred ancestors demand obedience to the faith."
    before, after, alone = detector.answers([long, f"{long} {odd}", odd])
    assert abs(after - before)[TRADITION] < 0.35 * abs(alone - before)[TRADITION]


def test_sixty_four_texts_are_read_in_well_under_half_a_second(detector: BundledDetector) -> None:
    batch = (TEXTS * 13)[:64]
    detector.read(batch)
    began = time.process_time()
    detector.read(batch)
    assert time.process_time() - began < 0.5


def test_the_files_are_small() -> None:
    assert sum(path.stat().st_size for path in BUNDLED_DETECTOR.iterdir()) < 10e6


def test_heaviest_grams_weigh_most(detector: BundledDetector) -> None:
    grams = detector.heaviest(TRADITION, 1, 5)
    assert len(set(grams)) == 5
    assert set(grams).isdisjoint(detector.heaviest(TRADITION, -1, 5))


@pytest.mark.parametrize("name", ["nothing", "", "model:"])
def test_unknown_detectors_are_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"detector|model|detector\.json"):
        load_detector(name)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no file .*detector\.json"):
        DetectorWeights.load(tmp_path)
    for name in ("model.safetensors", "vocabulary.json", "detector.json"):
        (tmp_path / name).write_bytes((BUNDLED_DETECTOR / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="damaged or of another version"):
        DetectorWeights.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((BUNDLED_DETECTOR / "model.safetensors").read_bytes())
    (tmp_path / "vocabulary.json").write_text('["a"]', encoding="utf-8")
    with pytest.raises(ModelError, match="weight has shape"):
        DetectorWeights.load(tmp_path)
    (tmp_path / "detector.json").write_text('{"format": 1}', encoding="utf-8")
    with pytest.raises(ModelError, match="format"):
        DetectorWeights.load(tmp_path)


def test_shipped_figures_are_above_the_marks(figures: dict) -> None:
    held = figures["held_out"]
    assert held["detector"]["cosine_centred"] > 0.41
    assert held["detector"]["macro_f1"] > 0.45
    assert held["detector"]["macro_f1"] > held["majority"]["macro_f1"] + 0.15
    # Of what two judges share, most is reached.
    assert held["detector_on_the_same_texts"]["macro_f1"] > 0.9 * held["judge_against_judge"]["macro_f1"]
    assert 0.85 < held["spread"]["ratio"] < 1.15
    assert all(0.7 < ratio < 1.35 for ratio in held["spread"]["ratio_by_value"].values())
    assert held["confidence"]["calibration_error"] < 0.05
    assert held["cpu_seconds_for_64_texts"] < 0.5


def test_reliability_rises(figures: dict) -> None:
    outcomes = np.array(figures["held_out"]["reliability"]["all"]["outcome"])
    assert (np.diff(outcomes) > -0.05).all()
    assert outcomes[-1] - outcomes[0] > 0.5


def test_shipped_figures_of_attacks_are_below_the_marks(figures: dict) -> None:
    moved = figures["held_out"]["adversary"]["share_of_genuine_movement"]
    by_lists = [share for name, share in moved.items() if "heaviest" not in name and name != "searched"]
    assert set(EDITS) <= set(moved)
    assert np.mean(by_lists) < 0.15
    assert max(by_lists) < 0.4
    assert max(share for name, share in moved.items() if name != "searched") < 0.6
    assert moved["searched"] < 0.95


def test_the_card_tells_the_figures(figures: dict) -> None:
    card = (BUNDLED_DETECTOR / "README.md").read_text(encoding="utf-8")
    assert f"{figures['held_out']['detector']['cosine_centred']:.3f}" in card
    assert f"{figures['held_out']['adversary']['share_of_genuine_movement']['searched']:.2f}" in card
    assert "## Limits" in card


@pytest.mark.shared
def test_held_out_figures_are_those_of_the_shipped_weights(detector: BundledDetector, figures: dict) -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared negotiations are not here")
    from rewriter.detector.labels import load_labels, topic_folds
    from rewriter.detector.measure import agreement, spread
    from rewriter.detector.train import HELD_OUT

    data = load_labels(SHARED)
    settings = figures["settings"]
    folds = topic_folds(data.topics, settings["folds"], np.random.default_rng(settings["seed"]))
    held = np.flatnonzero(folds == HELD_OUT)
    assert len(held) == figures["held_out"]["detector"]["texts"]
    sample = data.part(np.random.default_rng(0).choice(held, 1200, replace=False))
    answers = detector.answers(sample.texts)
    found = agreement(answers, sample.judged, data.judged[folds != HELD_OUT].mean(axis=0))
    kept = figures["held_out"]["detector"]
    assert found["cosine_centred"] == pytest.approx(kept["cosine_centred"], abs=0.04)
    assert found["macro_f1"] == pytest.approx(kept["macro_f1"], abs=0.04)
    assert spread(answers, sample.judged)["ratio"] == pytest.approx(
        figures["held_out"]["spread"]["ratio"], abs=0.08
    )
