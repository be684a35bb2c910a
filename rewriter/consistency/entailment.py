"""Consistency by any transformers model for natural language inference: p(entailment) both ways, sentence by sentence.

VISA (arXiv 2603.04822, section 3) rewards the mean of entail(source -> rewriting) and entail(rewriting -> source). Models for
inference are made for hypotheses of one sentence, so here

    forward  = mean over sentences h of the rewriting of  p(entailment | premise = source, hypothesis = h)
    backward = the same with both texts changing places

The premise is the whole other text. Where it does not fit the model's window beside the hypothesis it is given in passages of
whole sentences (longer ones in parts), and the hypothesis counts as entailed as much as by the best of them. Taking the mean
over sentences and the best of passages is our choice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from negotiation.errors import ModelError
from rewriter.consistency.facts import find_faults
from rewriter.consistency.matching import check_pairs
from rewriter.sentences import split_sentences
from rewriter.vocabulary import Consistency

Plan = list[list[tuple[str, str]]]
"""For each sentence, the premises and hypotheses that are asked for it."""

BATCH = 32
CACHE_PAIRS = 50_000
"""Premise and hypothesis pairs whose p(entailment) is kept."""


class EntailmentJudge:
    """Judges consistency by p(entailment) of a sequence classification model.

    Args:
        model: a folder or hub name, with ``entailment`` among its labels.
        device: ``"auto"``, or a torch device.
        num_threads: CPU threads of torch for the whole process; None leaves them.
        batch_size: premises and hypotheses in each pass.
        facts: whether lost and invented facts lower the score too, as in the bundled judge; they are told in any case.

    Raises:
        ModelError: if the model cannot be loaded or has no label for entailment.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str = "auto",
        num_threads: int | None = None,
        batch_size: int = BATCH,
        facts: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ModelError(f"batch_size is {batch_size}; it must be at least 1")
        import torch

        from agents.models.loading import choose_device, locate, use_threads

        path = locate("consistency model", model, "config.json")
        use_threads(num_threads)
        self.name = f"nli:{model}"
        self._torch = torch
        self._device = choose_device(device)
        self._batch_size = batch_size
        self._facts = facts
        self._tokenizer, network = _load(model, path)
        self._label = entailment_label(network.config.id2label, model)
        self._window = _window(self._tokenizer, network.config)
        self._model = network.to(self._device).eval()
        self._cache: OrderedDict[tuple[str, str], float] = OrderedDict()

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        """One judgement a (source, rewriting), in order.

        Raises:
            TextError: a blank text, by its place.
        """
        check_pairs(pairs)
        asked: dict[tuple[str, str], None] = {}
        plans = []
        for source, text in pairs:
            forward, backward = self._plan(source, text), self._plan(text, source)
            plans.append((forward, backward))
            for questions in (*forward, *backward):
                asked.update(dict.fromkeys(questions))
        known = self._entailments(list(asked))
        return [
            self._judgement(pair, *([_mean(questions, known) for questions in plan]))
            for pair, plan in zip(pairs, plans, strict=True)
        ]

    def _judgement(self, pair: tuple[str, str], forward: float, backward: float) -> Consistency:
        faults = find_faults(split_sentences(pair[0]), split_sentences(pair[1]))
        if self._facts:
            forward, backward = forward * faults.forward, backward * faults.backward
        return Consistency(forward=forward, backward=backward, faults=faults.words)

    def _plan(self, premise: str, hypothesis: str) -> Plan:
        """For each sentence of the hypothesis, what to ask: with the whole premise, or each of its passages."""
        plan = []
        whole = self._length(premise)
        for sentence in self._fitting(hypothesis, self._window // 2):
            room = self._window - self._length(sentence)
            passages = [premise] if whole <= room else self._passages(premise, room)
            plan.append([(passage, sentence) for passage in passages])
        return plan

    def _passages(self, premise: str, room: int) -> list[str]:
        """The premise in as few passages of whole sentences as follow each other."""
        passages: list[str] = []
        for sentence in self._fitting(premise, room):
            if passages and self._length(f"{passages[-1]} {sentence}") <= room:
                passages[-1] = f"{passages[-1]} {sentence}"
            else:
                passages.append(sentence)
        return passages

    def _fitting(self, text: str, room: int) -> list[str]:
        """The sentences of a text; one of more tokens than there is room for is halved at a space until it fits."""
        return [part for sentence in split_sentences(text) for part in self._halved(sentence, room)]

    def _halved(self, text: str, room: int) -> list[str]:
        if len(text) < 2 or self._length(text) <= room:
            return [text]
        middle = len(text) // 2
        space = text.rfind(" ", 1, middle + 1)
        cut = space if space > 0 else middle
        halves = (text[:cut].strip(), text[cut:].strip())
        return [part for half in halves if half for part in self._halved(half, room)]

    def _length(self, text: str) -> int:
        ids = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return len(ids)

    def _entailments(self, questions: list[tuple[str, str]]) -> dict[tuple[str, str], float]:
        """p(entailment) of each (premise, hypothesis); those asked before are remembered."""
        known = {question: self._cache[question] for question in questions if question in self._cache}
        new = [question for question in questions if question not in known]
        # Texts of like length stand together, so that little is padded.
        new.sort(key=lambda question: len(question[0]) + len(question[1]))
        torch = self._torch
        for start in range(0, len(new), self._batch_size):
            batch = new[start : start + self._batch_size]
            inputs = self._tokenizer(
                [premise for premise, _ in batch],
                [hypothesis for _, hypothesis in batch],
                padding=True,
                return_tensors="pt",
            ).to(self._device)
            with torch.inference_mode():
                shares = self._model(**inputs).logits.float().softmax(dim=-1)[:, self._label]
            known.update(zip(batch, shares.clamp(max=1.0).cpu().tolist(), strict=True))
        for question in questions:
            self._cache[question] = known[question]
            self._cache.move_to_end(question)
        while len(self._cache) > CACHE_PAIRS:
            self._cache.popitem(last=False)
        return known


def entailment_label(labels: Mapping[int, str], model: str) -> int:
    """The class that means entailment.

    Args:
        labels: names by class.
        model: names it in errors.

    Raises:
        ModelError: if no name says entailment, or several do.

    >>> entailment_label({0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}, "mine")
    2
    """
    found = [
        index
        for index, name in labels.items()
        if str(name).lower().replace("-", "_") in ("entailment", "entail", "entailed", "is_entailment")
    ]
    if len(found) != 1:
        raise ModelError(
            f"model {model!r} has the labels {', '.join(map(str, labels.values()))}; a consistency judge needs one named"
            " entailment: give a model for natural language inference, or put the names in id2label of its config.json"
        )
    return int(found[0])


def _load(model: str, path: str) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from agents.models.loading import quiet_loading

    try:
        with quiet_loading():
            tokenizer: Any = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
            network, info = AutoModelForSequenceClassification.from_pretrained(
                path, trust_remote_code=False, output_loading_info=True
            )
    except Exception as error:
        # transformers raises OSError, ValueError, KeyError, RuntimeError and safetensors' own here.
        first = (str(error).strip().splitlines() or [""])[0]
        raise ModelError(
            f"consistency model {model!r} cannot be loaded ({type(error).__name__}: {first}); give a folder, or a hub name"
            " that can be reached from here, of a sequence classification model"
        ) from error
    missing = sorted(info.get("missing_keys", ()))
    if missing:
        raise ModelError(
            f"consistency model {model!r} lacks {len(missing)} weights, {missing[0]} among them; give a model that was"
            " trained for natural language inference, not a base model"
        )
    return tokenizer, network


def _window(tokenizer: Any, config: Any) -> int:
    """Tokens of premise and hypothesis that the model takes, its own marks left out."""
    limits = [int(tokenizer.model_max_length), int(getattr(config, "max_position_embeddings", 10**9))]
    pad = int(getattr(config, "pad_token_id", None) or 0)
    if getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert"):
        limits[1] -= pad + 1  # their positions begin after that of the padding
    return min(limits) - int(tokenizer.num_special_tokens_to_add(pair=True))


def _mean(plan: Plan, known: Mapping[tuple[str, str], float]) -> float:
    return float(np.mean([max(known[question] for question in questions) for questions in plan]))
