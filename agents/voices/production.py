"""Makes the training text of some items: write, read, judge, and ask again for what was dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.asking import KEPT_CHARS
from agents.voices.config import VoicesConfig
from agents.voices.judge import Judge, Verdict
from agents.voices.prompts import VoicePrompts
from agents.voices.rows import Answered, DroppedPair, Pair, Reason, VoiceRow, Wanted, wanted_of
from agents.voices.writers import Unreadable, Writer


@dataclass(frozen=True, slots=True)
class Chunk:
    """What came of some items.

    Attributes:
        rows: kept pairs, in order of item, option and number.
        dropped: replies that were not kept, in order of attempt.
    """

    rows: tuple[VoiceRow, ...]
    dropped: tuple[DroppedPair, ...]


@dataclass(slots=True)
class _State:
    """A chunk in the making; kept rows and seen texts by place in the order of the pairs wanted."""

    wanted: list[Wanted]
    rows: dict[int, VoiceRow] = field(default_factory=dict)
    dropped: list[DroppedPair] = field(default_factory=list)
    seen: set[tuple[str, Pair]] = field(default_factory=set)


class VoiceMaker:
    """Makes training text for one culture.

    All pairs of a chunk are asked for in one model call and judged in another; so are the retries. It has no random state:
    what it makes of a chunk depends on the items, the settings, the model and the prompts.

    Args:
        culture: id of the culture that speaks.
        writer: writes pairs.
        judge: tells which option they express.
        config: pairs an item, retries and seed.
        prompts: for the provenance of rows.
    """

    def __init__(
        self, culture: str, writer: Writer, judge: Judge, config: VoicesConfig, prompts: VoicePrompts
    ) -> None:
        self._culture = culture
        self._writer = writer
        self._judge = judge
        self._config = config
        self._prompts = f"{prompts.name} {prompts.version}"

    def make(self, answered: Sequence[Answered]) -> Chunk:
        """The training text of some items; a pair that is dropped through all retries is missing.

        Raises:
            ModelError: if a model cannot take a prompt.
            ModelServerError: if a model is out of reach.
        """
        state = _State(wanted_of(answered, self._config.pairs))
        pending = list(range(len(state.wanted)))
        for attempt in range(self._config.retries + 1):
            if not pending:
                break
            pending = self._try(state, pending, attempt)
        rows = tuple(state.rows[place] for place in sorted(state.rows))
        return Chunk(rows, tuple(state.dropped))

    def _try(self, state: _State, pending: Sequence[int], attempt: int) -> list[int]:
        """Ask once for all that is pending; what is still pending after that."""
        written = self._writer.write([state.wanted[place] for place in pending], attempt)
        again: list[int] = []
        read: list[tuple[int, Pair]] = []
        for place, reply in zip(pending, written, strict=True):
            if isinstance(reply, Unreadable):
                again.append(place)
                self._drop(state, place, attempt, "malformed", reply.problem, reply.text)
                continue
            key = (state.wanted[place].item.id, reply)
            if key in state.seen and not self._writer.repeats:
                again.append(place)
                problem = "the same pair was written for this item before"
                self._drop(state, place, attempt, "duplicate", problem, reply.answer)
                continue
            state.seen.add(key)
            read.append((place, reply))
        verdicts = self._judge.judge([(state.wanted[place].item, pair) for place, pair in read])
        for (place, pair), verdict in zip(read, verdicts, strict=True):
            if verdict.keeps(
                state.wanted[place].option, self._config.least_probability, self._config.tolerance
            ):
                state.rows[place] = self._row(state.wanted[place], pair, attempt, verdict)
            else:
                again.append(place)
                problem = _misread(state.wanted[place], verdict)
                self._drop(state, place, attempt, "judged", problem, pair.answer)
        return sorted(again)

    def _row(self, wanted: Wanted, pair: Pair, attempt: int, verdict: Verdict) -> VoiceRow:
        return VoiceRow(
            culture=self._culture,
            item=wanted.item.id,
            category=wanted.item.category,
            option=wanted.option,
            option_label=wanted.item.options[wanted.option],
            number=wanted.number,
            share=wanted.share,
            source=wanted.source,
            question=pair.question,
            answer=pair.answer,
            model=self._writer.name,
            attempt=attempt,
            judge=self._judge.name,
            probability=verdict.probability(wanted.option),
            seed=self._config.seed,
            prompts=self._prompts,
        )

    def _drop(self, state: _State, place: int, attempt: int, reason: Reason, problem: str, text: str) -> None:
        wanted = state.wanted[place]
        state.dropped.append(
            DroppedPair(
                culture=self._culture,
                item=wanted.item.id,
                option=wanted.option,
                number=wanted.number,
                attempt=attempt,
                model=self._writer.name,
                reason=reason,
                problem=problem,
                text=text[:KEPT_CHARS],
                last=attempt == self._config.retries,
            )
        )


def _misread(wanted: Wanted, verdict: Verdict) -> str:
    """Why a judged pair is not kept, in words."""
    probabilities = verdict.probabilities or ()
    chosen = max(range(len(probabilities)), key=probabilities.__getitem__)
    options = wanted.item.options
    return (
        f"the judge reads {options[chosen]!r} ({probabilities[chosen]:.2f}), not"
        f" {options[wanted.option]!r} ({probabilities[wanted.option]:.2f})"
    )
