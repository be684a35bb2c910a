"""The same losses as TRL's trainers compute on the same tiny batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewriter.learning.config import DPOConfig, SimPOConfig
from rewriter.learning.grpo import grpo_loss, token_weights
from rewriter.learning.pair_trainer import PairTrainer
from rewriter.learning.rows import passes
from rewriter.learning.vocabulary import PreferenceRow
from tests.unit.rewriter.learning.examples import random_completions, request

trl = pytest.importorskip("trl", reason="TRL is in the extra dev")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:(trl|peft|transformers|accelerate|torch)"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

MakePolicy = Callable[..., Any]
PAD, TOLERANCE = 0, 1e-4


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    state = torch.random.get_rng_state()
    yield
    torch.random.set_rng_state(state)


def arguments(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "disable_dropout": True,
    }


def padded(rows: list[tuple[int, ...]], *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    tokens = torch.full((len(rows), longest), PAD)
    mask = torch.zeros_like(tokens)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), None) if left else slice(0, len(row))
        tokens[number, place] = torch.tensor(row)
        mask[number, place] = 1
    return tokens, mask


@pytest.mark.parametrize(("beta", "unbiased"), [(0.0, True), (0.1, True), (0.1, False)])
@pytest.mark.parametrize("kind", ["grpo", "bnpo", "dapo", "dr_grpo"])
@pytest.mark.usefixtures("quiet")
def test_grpo(make_policy: MakePolicy, tmp_path: Path, kind: str, beta: float, unbiased: bool) -> None:
    from datasets import Dataset

    policy = make_policy(stirred=0.05)
    completions = random_completions(3, 4)
    peer = trl.GRPOTrainer(
        model=policy.model,
        reward_funcs=lambda completions, **more: [0.0] * len(completions),
        args=trl.GRPOConfig(
            **{k: v for k, v in arguments(tmp_path).items() if k != "disable_dropout"},
            per_device_train_batch_size=12,
            num_generations=4,
            max_completion_length=9,
            loss_type=kind,
            beta=beta,
            use_bias_correction_kl=unbiased,
            epsilon=0.2,
            epsilon_high=0.3,
        ),
        train_dataset=Dataset.from_list([{"prompt": "Trust grows."}] * 12),
        processing_class=_tokenizer(policy),
    )
    rng = np.random.default_rng(4)
    advantages = torch.tensor(rng.normal(size=12), dtype=torch.float32)
    weights_of = "dapo" if kind == "bnpo" else kind  # the same, where all is one batch
    lengths = [len(one.tokens) for one in completions]
    total, ours = sum(lengths), 0.0
    found: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    for part in passes(
        [one.prompt for one in completions], [one.tokens for one in completions], 64, share=True
    ):
        # Old weights a little off, so that ratios are clipped on both sides.
        noise = torch.tensor(rng.normal(scale=0.3, size=len(part.targets)), dtype=torch.float32)
        old, reference = policy.scored(part) + noise, policy.reference(part)
        found |= {
            place: both
            for place, both in zip(
                part.places,
                zip(
                    torch.split(old, list(part.lengths)),
                    torch.split(reference, list(part.lengths)),
                    strict=True,
                ),
                strict=True,
            )
        }
        terms = grpo_loss(
            policy.logprobs(part)[0],
            old,
            old,
            reference if beta else None,
            advantages[list(part.places)].repeat_interleave(torch.tensor(part.lengths)),
            torch.from_numpy(token_weights(part.lengths, weights_of, 9, total, 12)).float(),  # type: ignore[arg-type]
            epsilon_low=0.2,
            epsilon_high=0.3,
            beta=beta,
            importance_bound=2.0,
            unbiased=unbiased,
        )
        assert terms.clipped.any()
        ours += terms.loss.item()
    prompts, prompt_mask = padded([one.prompt for one in completions], left=True)
    answers, answer_mask = padded([one.tokens for one in completions], left=False)
    inputs = {
        "prompt_ids": prompts,
        "prompt_mask": prompt_mask,
        "completion_ids": answers,
        "completion_mask": answer_mask,
        "advantages": advantages,
        "old_per_token_logps": _matrix([found[place][0] for place in range(12)]),
        "ref_per_token_logps": _matrix([found[place][1] for place in range(12)]),
        "num_items_in_batch": torch.tensor(float(total)),
    }
    peer.current_gradient_accumulation_steps = 1
    peer.model.train()  # there is no dropout
    theirs = peer._compute_loss(peer.model, inputs)
    assert ours == pytest.approx(theirs.item(), abs=TOLERANCE)


def _matrix(rows: list[torch.Tensor]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _tokenizer(policy: Any) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(policy.base.path, padding_side="left")


PAIRS = [
    PreferenceRow(request("Trust grows slowly."), "The region holds that trust grows.", "Trust."),
    PreferenceRow(request("Let each side report."), "Each side reports yearly.", "Free speech and families."),
]


def encoded(policy: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(tokens, mask, mask of answers) of the chosen and then the rejected."""
    prompts = [policy.tokens.prompt(pair.request) for pair in PAIRS] * 2
    answers = [policy.tokens.answer(text) for text in [p.chosen for p in PAIRS] + [p.rejected for p in PAIRS]]
    tokens, mask = padded([(*a, *b) for a, b in zip(prompts, answers, strict=True)], left=False)
    own = torch.zeros_like(mask)
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        own[number, len(prompt) : len(prompt) + len(answer)] = 1
    return tokens, mask, own


@pytest.mark.usefixtures("quiet")
def test_dpo(make_policy: MakePolicy, tmp_path: Path) -> None:
    from datasets import Dataset

    policy = make_policy(stirred=0.3)
    peer = trl.DPOTrainer(
        model=policy.model,
        args=trl.DPOConfig(**arguments(tmp_path), beta=0.3),
        train_dataset=Dataset.from_list([{"prompt": "Trust", "chosen": " grows", "rejected": " falls"}]),
        processing_class=_tokenizer(policy),
    )
    tokens, mask, own = encoded(policy)
    inputs = {"input_ids": tokens, "attention_mask": mask, "completion_mask": own}
    # Its reference is a copy of the adapter that it was given; ours, of a fresh policy, is the base.
    peer.model.delete_adapter("ref") if "ref" in peer.model.peft_config else None
    peer.model.set_adapter("default")
    theirs = peer._compute_loss(peer.model, inputs, return_outputs=False)
    figures = PairTrainer(policy, PAIRS, DPOConfig(beta=0.3, batch=2, rank=4)).step()
    assert figures.loss == pytest.approx(theirs.item(), abs=TOLERANCE)
    assert figures.margin != pytest.approx(0.0, abs=1e-3)


@pytest.mark.usefixtures("quiet")
def test_simpo(make_policy: MakePolicy) -> None:
    from trl.experimental.cpo import CPOTrainer

    policy = make_policy(stirred=0.3)
    tokens, mask, own = encoded(policy)
    with torch.no_grad():
        logits = policy.model(input_ids=tokens, attention_mask=mask).logits
    mean = CPOTrainer.get_batch_logps(logits, torch.where(own == 1, tokens, -100), average_log_prob=True)

    class Peer:
        alpha, beta, simpo_gamma, label_smoothing, loss_type = 0.0, 2.0, 0.7, 0.0, "simpo"

        class accelerator:
            device = torch.device("cpu")

    losses, *_ = CPOTrainer.cpo_loss(Peer(), mean[:2], mean[2:])
    figures = PairTrainer(policy, PAIRS, SimPOConfig(beta=2.0, gamma=0.7, batch=2, rank=4)).step()
    assert figures.loss == pytest.approx(losses.mean().item(), abs=TOLERANCE)
