"""Rewriting by a language model with an adapter: passages in, passages out, in batches, with bounded retries."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.faults import faults_of
from agents.models.protocol import Generation, GenerationRequest, LanguageModel
from negotiation.errors import ConfigurationError, MalformedReplyError
from rewriter.passages import Passages, cut_passages
from rewriter.prompts import RewritePrompts
from rewriter.replies import ask_for_form
from rewriter.vocabulary import RewriteRequest

SETTINGS_FILE = "rewriting.json"
"""In an adapter's folder: the settings it was trained for, as a ``RewritingConfig``."""


class RewritingConfig(BaseModel):
    """How a language model is asked for rewritings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sentences: int | None = Field(
        None,
        ge=1,
        description="most sentences of a passage, which then never spans paragraphs; none: as many as fit",
    )
    characters: int = Field(6_000, ge=20, description="characters that a passage should not exceed")
    most_characters: int = Field(20_000, ge=20, description="a longer sentence is refused; none is ever cut")
    tokens_a_character: float = Field(
        1.0, gt=0, le=8, description="bound on the reply, in tokens a character of the passage"
    )
    more_tokens: int = Field(64, ge=1, description="that are added to this bound")
    temperature: float = Field(0.7, ge=0, allow_inf_nan=False, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus; 1 switches it off")
    retry_temperature: float = Field(
        0.7, gt=0, allow_inf_nan=False, description="least temperature of tries after the first"
    )
    retries: int = Field(3, ge=0, description="tries after the first for a reply that is blank or cut")
    seed: int = Field(0, ge=0, lt=2**63, description="same seed, same rewritings")

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.most_characters < self.characters:
            raise ValueError(
                f"most_characters is {self.most_characters}; give at least characters, {self.characters}"
            )
        return self


BUNDLED = RewritingConfig(
    sentences=3, characters=500, most_characters=3_000, tokens_a_character=0.5, more_tokens=32
)
"""For the bundled model, whose adapter is trained on passages of at most three sentences and 500 characters."""


def rewriting_config(adapter: Path | None, otherwise: RewritingConfig) -> RewritingConfig:
    """The settings beside an adapter, or else these.

    Raises:
        ConfigurationError: if the file is there and cannot be read.
    """
    file = None if adapter is None else adapter / SETTINGS_FILE
    if file is None or not file.is_file():
        return otherwise
    try:
        return RewritingConfig.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {faults_of(error, 'file')}") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}; give JSON in UTF-8") from error


class LanguageModelRewriter:
    """A ``rewriter.vocabulary.Rewriter`` by any language model.

    Long texts are cut into passages; those of all requests go to the model together. A passage's seed is made of the
    configuration's, its text and its target: it does not matter what else is rewritten in the same call (but for the rounding
    of matrix products).

    Args:
        model: writes.
        adapter: name of a loaded adapter, or None for the bare model.
        prompts: the dialogue; the one that ships if None.
        config: lengths, sampling, retries; the default one if None.

    Attributes:
        name: for records.
    """

    def __init__(
        self,
        model: LanguageModel,
        adapter: str | None = None,
        prompts: RewritePrompts | None = None,
        config: RewritingConfig | None = None,
    ) -> None:
        self.name = f"{model.name}{f'+{adapter}' if adapter else ''}"
        self._model, self._adapter = model, adapter
        self._prompts = prompts or RewritePrompts.load()
        self._config = config or RewritingConfig()

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """One text a request, in order, never blank.

        Raises:
            MalformedReplyError: if a passage got no whole reply in all tries.
            TextError: if a sentence is longer than ``most_characters``.
            ModelError: if a passage does not fit the model's window.
        """
        cut = [self._cut(request) for request in requests]
        asked = [
            replace(request, source=part)
            for request, passages in zip(requests, cut, strict=True)
            for part in passages.parts
        ]
        written = iter(self._write(asked))
        return [passages.join([next(written) for _ in passages.parts]) for passages in cut]

    def _cut(self, request: RewriteRequest) -> Passages:
        config = self._config
        return cut_passages(request.source, config.characters, config.sentences, config.most_characters)

    def _write(self, asked: Sequence[RewriteRequest]) -> list[str]:
        replies = ask_for_form(
            self._model,
            len(asked),
            lambda place, attempt: self._request(asked[place], attempt),
            lambda place, reply: _written(reply, asked[place].source),
            self._config.retries,
        )
        missing = replies.missing(len(asked))
        if missing:
            first = missing[0]
            raise MalformedReplyError(
                f"{self.name}: {len(missing)} of {len(asked)} passages got no whole reply in"
                f" {self._config.retries + 1} tries; the first begins {asked[first].source[:60]!r}"
                f" (its last reply {replies.wrong[first]}); use another model, adapter, temperature or seed"
            )
        return [replies.read[place] for place in range(len(asked))]

    def _request(self, asked: RewriteRequest, attempt: int) -> GenerationRequest:
        config = self._config
        temperature = config.temperature if not attempt else max(config.temperature, config.retry_temperature)
        return GenerationRequest(
            messages=self._prompts.messages(asked),
            max_new_tokens=math.ceil(config.tokens_a_character * len(asked.source)) + config.more_tokens,
            temperature=temperature,
            top_p=config.top_p,
            seed=_seed(config.seed, asked, attempt),
            adapter=self._adapter,
        )


def _written(reply: Generation, source: str) -> str:
    """The reply, stripped; on one line if its source was.

    Raises:
        MalformedReplyError: saying why the reply is of no use.
    """
    if not reply.text.strip():
        raise MalformedReplyError("is blank")
    if reply.finish == "length":
        raise MalformedReplyError(f"was cut after {reply.generated_tokens} tokens")
    if "\ufffd" in reply.text:
        raise MalformedReplyError("holds bytes that are no text")
    return reply.text.strip() if "\n" in source else " ".join(reply.text.split())


def _seed(seed: int, asked: RewriteRequest, attempt: int) -> int:
    target = [round(value, 6) for value in asked.target]
    parts = [seed, asked.source, target, attempt]
    key = json.dumps([*parts, asked.sample] if asked.sample else parts).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:6], "big")
