"""The policy that learns: a frozen language model with a LoRA adapter."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.models.loading import (
    check_adapter,
    choose_dtype,
    load_base,
    load_tokenizer,
    locate,
    quiet_loading,
    weights_fingerprint,
)
from agents.tuning.adapter import Base, fresh_adapter
from agents.tuning.config import Precision
from agents.tuning.trainer import use_bfloat16
from negotiation.errors import ModelError
from rewriter.learning.rows import Pass
from rewriter.learning.tokens import RequestTokens
from rewriter.learning.vocabulary import Prompts, Weights


class AnswerLogprobs(nn.Module):
    """A causal language model that gives the log-probabilities of answers, so that several workers can train it.

    Args:
        model: gives logits.
        bfloat16: compute matrix products in it.

    Attributes:
        halves: whether matrix products are in bfloat16.
        takes: names of the arguments that the model takes.
    """

    def __init__(self, model: nn.Module, bfloat16: bool) -> None:
        super().__init__()
        self.model = model
        self.halves = bfloat16
        outer: Any = model
        base = outer.get_base_model() if hasattr(outer, "get_base_model") else outer
        self.takes = frozenset(inspect.signature(base.forward).parameters)

    def forward(self, given: Pass) -> tuple[Tensor, Tensor]:
        """(N,) log-probability of each answer token in nats, at temperature 1; (N,) entropy there, without gradient."""
        device = next(self.parameters()).device
        tokens, mask, positions, sources, targets = (
            torch.from_numpy(array).to(device)
            for array in (given.tokens, given.mask, given.positions, given.sources, given.targets)
        )
        if given.seen is not None:
            mask = torch.from_numpy(given.seen[:, None]).to(device)
        arguments: dict[str, Any] = {}
        if "position_ids" in self.takes:
            arguments["position_ids"] = positions
        if "logits_to_keep" in self.takes:
            arguments["logits_to_keep"] = given.kept
        with self.casting(device):
            logits = self.model(input_ids=tokens, attention_mask=mask, use_cache=False, **arguments).logits
        chosen = logits[:, -given.kept :].reshape(-1, logits.shape[-1])[sources]
        # Double stays double, for checks by finite differences.
        chosen = chosen.float() if chosen.dtype in (torch.bfloat16, torch.float16) else chosen
        normaliser = chosen.logsumexp(dim=1)
        logprobs = chosen.gather(1, targets[:, None])[:, 0] - normaliser
        with torch.no_grad():
            # sum of p (log Z - logit), in one buffer
            shares = (chosen - normaliser[:, None]).exp_()
            entropy = normaliser - shares.mul_(chosen).sum(dim=1)
        return logprobs, entropy

    def casting(self, device: torch.device) -> AbstractContextManager[Any]:
        """Matrix products in bfloat16, where wanted."""
        return torch.autocast(device.type, dtype=torch.bfloat16) if self.halves else nullcontext()


class Policy:
    """A frozen base model with one LoRA adapter that learns.

    The model stays in evaluation mode: no dropout anywhere.

    Args:
        base: the model.
        device: where.
        rank: of a fresh adapter.
        seed: of a fresh adapter's first weights.
        precision: of matrix products.
        start: PEFT folder of an adapter to begin with; None for a fresh one, which changes nothing yet. What the policy
            begins as is the reference: without ``start`` that is the base model, the adapter switched off.
        prompts: what requests become dialogues by; the rewriter's shipped set if None.

    Attributes:
        base: the model.
        tokens: requests and answers as tokens.
        model: the PEFT model.
        logprobs: gives the log-probabilities of answers.
        parameters: the adapter's, by name, in a fixed order.
        device: where.
        window: of the model in tokens; None if it has none.
        ends: tokens that end an answer.
        shares: whether answers to one prompt can share a row: the model's attention takes any mask, and nothing else
            carries from token to token.

    Raises:
        ModelError: if the model or the adapter cannot be loaded, or do not belong together.
    """

    def __init__(
        self,
        base: Base,
        device: torch.device,
        *,
        rank: int = 16,
        seed: int = 0,
        precision: Precision = "auto",
        start: Path | None = None,
        prompts: Prompts[Any] | None = None,
    ) -> None:
        self.base, self.device = base, device
        tokenizer = load_tokenizer(base.config, base.path)
        model = load_base(base.config, base.path, choose_dtype("auto", device), device)
        self.window: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.tokens = RequestTokens(tokenizer, self.window, dict(base.config.chat_template_options), prompts)
        self.shares = _takes_any_mask(model)
        self.ends = _ends(model, self.tokens.end)
        adapted = fresh_adapter(model, rank, seed) if start is None else _given_adapter(base, model, start)
        self.model: Any = adapted.to(device).eval()
        self.logprobs = AnswerLogprobs(self.model, use_bfloat16(precision, device))
        self.parameters = {
            name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad
        }
        self._start = start and {name: p.detach().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def scored(self, given: Pass) -> Tensor:
        """(N,) log-probability of each answer token, without gradient."""
        logprobs: Tensor = self.logprobs(given)[0]
        return logprobs

    @torch.no_grad()
    def reference(self, given: Pass) -> Tensor:
        """(N,) log-probability of each answer token under the reference, without gradient."""
        with self.as_reference():
            return self.scored(given)

    @contextmanager
    def as_reference(self) -> Iterator[None]:
        """The model is the reference meanwhile; afterwards it is what it was, to the bit."""
        if not self._start:
            with self.model.disable_adapter():
                yield
            return
        learned = {name: parameter.data for name, parameter in self.parameters.items()}
        try:
            for name, parameter in self.parameters.items():
                parameter.data = self._start[name]
            yield
        finally:
            for name, parameter in self.parameters.items():
                parameter.data = learned[name]

    @contextmanager
    def merged(self) -> Iterator[None]:
        """The adapter is added into the base's matrices meanwhile, which saves a product in each layer where tokens are few;
        afterwards all is what it was, to the bit. Nothing may learn in it. An adapter that is not plain LoRA stays apart.
        """
        layers = [
            part for part in self.model.modules() if hasattr(part, "base_layer") and hasattr(part, "lora_A")
        ]
        if any(getattr(part, "use_dora", {}).get(name) for part in layers for name in part.active_adapters):
            yield
            return
        kept = [part.base_layer.weight.data for part in layers]
        try:
            with torch.no_grad():
                for part, weight in zip(layers, kept, strict=True):
                    change = sum(part.get_delta_weight(name) for name in part.active_adapters)
                    total = weight.float() + change
                    part.base_layer.weight.data = total.to(
                        torch.bfloat16 if self.logprobs.halves else weight.dtype
                    )
            with self.model.disable_adapter():
                yield
        finally:
            for part, weight in zip(layers, kept, strict=True):
                part.base_layer.weight.data = weight

    def weights(self) -> Weights:
        """A copy of the adapter's tensors, by parameter name, float32."""
        return {
            name: parameter.detach().float().cpu().numpy().copy()
            for name, parameter in self.parameters.items()
        }

    def load(self, weights: Weights) -> None:
        """Take the adapter's tensors.

        Raises:
            ModelError: if they are of another adapter, by names or shapes.
        """
        shapes = {name: tuple(parameter.shape) for name, parameter in self.parameters.items()}
        if shapes != {name: tuple(weight.shape) for name, weight in weights.items()}:
            raise ModelError(
                "the weights are of another adapter; give those of one with the same base and rank"
            )
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(weights[name])))

    def save(self, folder: Path) -> None:
        """Write a PEFT folder: ``adapter_config.json``, ``adapter_model.safetensors`` and, for a base in a folder,
        ``base_fingerprint.txt``, by which loading tells an adapter that was made for another base.
        """
        with quiet_loading():
            self.model.save_pretrained(str(folder))
        file = folder / "adapter_config.json"
        settings = json.loads(file.read_text(encoding="utf-8"))
        settings |= {"base_model_name_or_path": self.base.name, "inference_mode": True}
        file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's card is a form that nobody filled in
        if Path(self.base.path).is_dir():
            fingerprint = weights_fingerprint(Path(self.base.path))
            (folder / "base_fingerprint.txt").write_text(fingerprint + "\n", encoding="utf-8")


def _given_adapter(base: Base, model: Any, start: Path) -> Any:
    """The model with an adapter that was saved, to learn on.

    Raises:
        ModelError: if it cannot be loaded, or was made for another base.
    """
    from peft import PeftModel

    path = locate("adapter to begin with", str(start), "adapter_config.json")
    fingerprint = weights_fingerprint(Path(base.path)) if Path(base.path).is_dir() else None
    shapes: Mapping[str, tuple[int, ...]] = {
        name: tuple(part.weight.shape)
        for name, part in model.named_modules()
        if getattr(part, "weight", None) is not None and part.weight.ndim == 2
    }
    check_adapter("start", path, base.name, fingerprint, shapes)
    with quiet_loading():
        adapted = PeftModel.from_pretrained(model, path, is_trainable=True)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # AdamW's small steps are lost in half the digits
    return adapted


def _ends(model: Any, end: int) -> tuple[int, ...]:
    """Tokens that end an answer: the template's, and those of the checkpoint's generation settings."""
    more = getattr(model.generation_config, "eos_token_id", None)
    return (
        end,
        *(token for token in (more if isinstance(more, list) else [more]) if token not in (None, end)),
    )


def _takes_any_mask(model: Any) -> bool:
    """Whether a token attends to exactly what a mask of (T, T) says, and is where it is told to be."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or {"full_attention"})
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    return (
        getattr(config, "_attn_implementation", None) in ("sdpa", "eager")
        and kinds == {"full_attention"}
        and not window
        and not getattr(model, "_is_stateful", False)
        and "position_ids" in inspect.signature(model.forward).parameters
    )
