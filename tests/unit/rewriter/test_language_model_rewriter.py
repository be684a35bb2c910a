"""Passages, and rewriting by a language model: batches, retries, order, no cutting."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.protocol import Finish, Generation, GenerationRequest, Score, ScoringRequest
from negotiation.errors import ConfigurationError, MalformedReplyError, TextError
from rewriter.language_model_rewriter import (
    BUNDLED,
    SETTINGS_FILE,
    LanguageModelRewriter,
    RewritingConfig,
    rewriting_config,
)
from rewriter.passages import cut_passages
from rewriter.vocabulary import RewriteRequest

ZERO = (0.0,) * 10

Reply = Callable[[str, int], str | tuple[str, Finish]]


class Echo:
    """Writes the source in capitals, or whatever ``reply`` says to (source, number of the call)."""

    name = "echo"

    def __init__(self, reply: Reply = lambda source, call: source.upper()) -> None:
        self.calls: list[list[GenerationRequest]] = []
        self._reply = reply

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.calls.append(list(requests))
        made = []
        for request in requests:
            answer = self._reply(source_of(request), len(self.calls) - 1)
            text, finish = answer if isinstance(answer, tuple) else (answer, "stop")
            made.append(Generation(text, 5, 7, finish, 0.0))
        return made

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        raise NotImplementedError


def source_of(request: GenerationRequest) -> str:
    found = re.search(r"Text: (.*?)\nValues asked for:", request.messages[-1].content, re.DOTALL)
    assert found is not None
    return found.group(1)


def ask(text: str, target: tuple[float, ...] = ZERO) -> RewriteRequest:
    return RewriteRequest(text, ZERO, target)


def test_paragraphs_and_order_are_kept():
    text = "One is. Two is. Three is. Four is.\n\n- Five is.\n- Six is.\n\n\nSeven is."
    model = Echo()
    assert LanguageModelRewriter(model, config=BUNDLED).rewrite([ask(text)]) == [text.upper()]
    (call,) = model.calls
    sources = [source_of(request) for request in call]
    assert sources == ["One is. Two is. Three is.", "Four is.", "- Five is.", "- Six is.", "Seven is."]


def test_all_requests_go_in_one_batch():
    model = Echo()
    written = LanguageModelRewriter(model, "rewriter", config=BUNDLED).rewrite(
        [ask("One is."), ask("Two is.\nThree is.")]
    )
    assert written == ["ONE IS.", "TWO IS.\nTHREE IS."]
    assert [len(call) for call in model.calls] == [3]
    assert {request.adapter for request in model.calls[0]} == {"rewriter"}


def test_without_a_bound_on_sentences_a_text_that_fits_stays_whole():
    model = Echo()
    text = "One is. Two is.\n\nThree is."
    assert LanguageModelRewriter(model).rewrite([ask(text)]) == [text.upper()]
    assert len(model.calls[0]) == 1


def test_a_long_text_is_cut_at_paragraphs_first():
    text = "One two three four. Five six.\n\nSeven eight.\n\nNine ten eleven twelve thirteen fourteen."
    parts = cut_passages(text, 30, None, 100).parts
    assert parts == (
        "One two three four. Five six.",
        "Seven eight.",
        "Nine ten eleven twelve thirteen fourteen.",
    )
    assert cut_passages(text, 45, None, 100).parts[0] == "One two three four. Five six.\n\nSeven eight."


def test_a_sentence_that_is_too_long_is_refused_and_not_cut():
    with pytest.raises(TextError, match=r"begins 'Aaaa.* has 51 characters, more than the 40"):
        LanguageModelRewriter(Echo(), config=RewritingConfig(characters=20, most_characters=40)).rewrite(
            [ask("One is. A" + "a" * 49 + ".")]
        )


@given(
    st.lists(
        st.sampled_from(["One is here. ", "Two are. ", "\n", "\n\n", "- item. ", "x" * 30 + ". "]), min_size=1
    ).filter(lambda parts: "".join(parts).strip()),
    st.integers(20, 60),
    st.sampled_from([None, 1, 2, 3]),
)
def test_no_word_is_lost(pieces, characters, sentences):
    text = "".join(pieces)
    passages = cut_passages(text, characters, sentences, 1000)
    joined = passages.join(passages.parts)
    assert joined.split() == text.split()
    lines = [" ".join(line.split()) for line in text.strip().splitlines() if line.strip()]
    assert [" ".join(line.split()) for line in joined.splitlines() if line.strip()] == lines
    assert all(part.strip() == part and part for part in passages.parts)


def test_only_useless_replies_are_asked_again_with_other_seeds():
    def reply(source: str, call: int) -> str | tuple[str, Finish]:
        if call == 0 and "One" in source:
            return "  "
        if call <= 1 and "Two" in source:
            return "Two is and goes", "length"
        return source.upper()

    model = Echo(reply)
    rewriter = LanguageModelRewriter(model, config=RewritingConfig(temperature=0.0, retries=2))
    assert rewriter.rewrite([ask("One."), ask("Two."), ask("Three.")]) == ["ONE.", "TWO.", "THREE."]
    assert [[source_of(request) for request in call] for call in model.calls] == [
        ["One.", "Two.", "Three."],
        ["One.", "Two."],
        ["Two."],
    ]
    assert [call[-1].temperature for call in model.calls] == [0.0, 0.7, 0.7]
    assert len({call[-1].seed for call in model.calls}) == 3


def test_the_bound_on_tries_holds():
    model = Echo(lambda source, call: ("cut", "length"))
    with pytest.raises(
        MalformedReplyError, match=r"1 of 1 passages .* in 3 tries.*'One\.'.*cut after 7 tokens"
    ):
        LanguageModelRewriter(model, config=RewritingConfig(retries=2)).rewrite([ask("One.")])
    assert len(model.calls) == 3


def test_a_seed_depends_on_the_passage_and_not_on_its_company():
    seeds = []
    for company in ([ask("One.")], [ask("Zero."), ask("One.")]):
        model = Echo()
        LanguageModelRewriter(model).rewrite(company)
        seeds.append(model.calls[0][-1].seed)
    model = Echo()
    LanguageModelRewriter(model).rewrite([ask("One.", (0.5, *ZERO[1:]))])
    assert seeds[0] == seeds[1] != model.calls[0][0].seed


def test_a_line_stays_a_line():
    model = Echo(lambda source, call: "Two\n lines. ")
    assert LanguageModelRewriter(model).rewrite([ask("One line.")]) == ["Two lines."]


def test_the_bound_on_the_reply_grows_with_the_passage():
    model = Echo()
    LanguageModelRewriter(model, config=RewritingConfig(tokens_a_character=0.5, more_tokens=10)).rewrite(
        [ask("x" * 21)]
    )
    assert model.calls[0][0].max_new_tokens == 21  # ceil(10.5) + 10


def test_settings_beside_an_adapter_count(tmp_path):
    assert rewriting_config(tmp_path, BUNDLED) == BUNDLED
    assert rewriting_config(None, BUNDLED) == BUNDLED
    (tmp_path / SETTINGS_FILE).write_text(json.dumps({"sentences": 2, "temperature": 0}))
    assert rewriting_config(tmp_path, BUNDLED) == RewritingConfig(sentences=2, temperature=0)
    (tmp_path / SETTINGS_FILE).write_text(json.dumps({"sentence": 2}))
    with pytest.raises(ConfigurationError, match="sentence: Extra"):
        rewriting_config(tmp_path, BUNDLED)
    (tmp_path / SETTINGS_FILE).write_text("{")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        rewriting_config(tmp_path, BUNDLED)
