"""Consistency by entailment, with a tiny random model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from negotiation.errors import ModelError, TextError
from rewriter.consistency import load_consistency_judge
from rewriter.consistency.entailment import EntailmentJudge, entailment_label

WORDS = (
    "the council pays forty dollars to each family schools open at nine nobody may enter park night farmers keep their land"
    " . , !"
)
WINDOW = 64
SOURCE = "The council pays forty dollars. Schools open at nine. Farmers keep their land."
TEXT = "Schools open at night. The council keep the park."


def save_model(folder: Path, labels: tuple[str, ...] = ("contradiction", "neutral", "entailment")) -> None:
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    BertTokenizerFast(vocab={word: index for index, word in enumerate(words)}).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=WINDOW,
        initializer_range=0.5,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("nli")
    save_model(made)
    return made


def judge_of(folder: Path, **settings: Any) -> EntailmentJudge:
    return EntailmentJudge(str(folder), device="cpu", **settings)


def entailment(folder: Path, premise: str, hypothesis: str) -> float:
    """p(entailment) of one pair, by transformers alone."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = model(**tokenizer(premise, hypothesis, return_tensors="pt")).logits
    return float(logits.softmax(-1)[0, 2])


def test_both_directions_are_means_over_the_hypothesis_sentences(folder: Path) -> None:
    (judged,) = judge_of(folder).judge([(SOURCE, TEXT)])
    forward = [
        entailment(folder, SOURCE, sentence)
        for sentence in ("Schools open at night.", "The council keep the park.")
    ]
    backward = [
        entailment(folder, TEXT, sentence)
        for sentence in (
            "The council pays forty dollars.",
            "Schools open at nine.",
            "Farmers keep their land.",
        )
    ]
    assert judged.forward == pytest.approx(sum(forward) / 2, abs=1e-6)
    assert judged.backward == pytest.approx(sum(backward) / 3, abs=1e-6)
    assert abs(judged.forward - judged.backward) > 1e-3, "a model that tells the directions apart"


def test_changing_places_changes_directions(folder: Path) -> None:
    judge = judge_of(folder)
    one, other = judge.judge([(SOURCE, TEXT), (TEXT, SOURCE)])
    assert (one.forward, one.backward) == (other.backward, other.forward)


def test_company_and_batches_change_nothing_but_rounding(folder: Path) -> None:
    pairs = [(SOURCE, TEXT), (TEXT, "Nobody."), ("Farmers pay!", SOURCE), (SOURCE, SOURCE)]
    alone = [judge_of(folder, batch_size=1).judge([pair])[0] for pair in pairs]
    for size in (2, 32):
        together = judge_of(folder, batch_size=size).judge(pairs)
        for one, other in zip(alone, together, strict=True):
            assert one.forward == pytest.approx(other.forward, abs=1e-5)
            assert one.backward == pytest.approx(other.backward, abs=1e-5)


def test_a_premise_above_the_window_is_read_in_passages_and_the_best_counts(folder: Path) -> None:
    sentences = ["Schools open at nine in the park.", "Farmers keep land at night."]
    long = " ".join(sentences * 6)
    (judged,) = judge_of(folder).judge([(long, "Nobody pays.")])
    judge = judge_of(folder)
    passages = judge._passages(long, WINDOW - 3 - 3)
    assert len(passages) > 1
    assert " ".join(passages) == long
    assert judged.forward == pytest.approx(
        max(entailment(folder, passage, "Nobody pays.") for passage in passages), abs=1e-5
    )


def test_a_sentence_above_the_window_is_read_in_parts(folder: Path) -> None:
    endless = "the council pays " * 60
    (judged,) = judge_of(folder).judge([(endless, endless + "at night")])
    assert 0.0 <= judged.forward <= 1.0
    assert judge_of(folder).judge([("a" * 500, "b" * 500)])


def test_facts_lower_the_score_on_demand_and_are_told_anyway(folder: Path) -> None:
    pair = ("The council pays 40 dollars.", "The council pays 50 dollars.")
    (plain,) = judge_of(folder).judge([pair])
    (lowered,) = judge_of(folder, facts=True).judge([pair])
    assert plain.faults == lowered.faults == ("number lost: 40", "number invented: 50")
    assert lowered.forward == pytest.approx(0.7 * plain.forward)


def test_the_label_is_found_by_name() -> None:
    assert entailment_label({0: "entailment", 1: "not_entailment"}, "m") == 0
    for labels in ({0: "LABEL_0", 1: "LABEL_1"}, {0: "positive"}, {0: "entailment", 1: "entail"}):
        with pytest.raises(ModelError, match="id2label"):
            entailment_label(labels, "m")


def test_what_cannot_be_used_is_refused(folder: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "unnamed", ("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(ModelError, match="LABEL_0, LABEL_1"):
        load_consistency_judge(f"nli:{tmp_path / 'unnamed'}")
    with pytest.raises(ModelError, match="no folder"):
        load_consistency_judge(f"nli:{tmp_path / 'nowhere'}")
    for name in ("", "nli", "nli:", "bert"):
        with pytest.raises(ModelError, match="bundled"):
            load_consistency_judge(name)
    judge = load_consistency_judge(f"nli:{folder}", device="cpu")
    assert judge.name == f"nli:{folder}"
    with pytest.raises(TextError, match="rewriting 1 is empty"):
        judge.judge([("A.", "B."), ("A.", " ")])


def test_a_base_model_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    from transformers import BertModel

    save_model(tmp_path)
    import shutil

    body = tmp_path / "body"
    shutil.copytree(tmp_path, body)
    BertModel.from_pretrained(tmp_path).save_pretrained(body)
    # Labels say entailment, weights do not know it.
    shutil.copy(tmp_path / "config.json", body / "config.json")
    with pytest.raises(ModelError, match=r"lacks .* classifier"):
        judge_of(body)
