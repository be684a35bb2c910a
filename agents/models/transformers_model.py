"""Any causal language model that transformers loads, with PEFT adapters, on GPU or CPU.

Generation is transformers' own ``generate`` with a KV cache and prompts padded on the left; sampling is
``agents.models.sampling``. Scoring is one forward pass over dialogue and text (teacher-forced): the text is
conditioned on the dialogue and on its own earlier tokens, and never on a copy of itself.
"""

from __future__ import annotations

import inspect
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList
from transformers.generation import GenerateDecoderOnlyOutput

from agents.models.config import TransformersConfig
from agents.models.loading import (
    check_adapter,
    choose_device,
    choose_dtype,
    load_base,
    load_tokenizer,
    locate,
    quiet_loading,
    use_threads,
    weights_fingerprint,
)
from agents.models.protocol import Finish, Generation, GenerationRequest, Message, Score, ScoringRequest
from agents.models.rendering import dialogue_ids, text_ids
from agents.models.sampling import Ending, RequestSampler
from agents.models.scoring import (
    Prompt,
    by_dialogue,
    chunks_of_groups,
    padded,
    score_apart,
    score_together,
)
from negotiation.errors import ModelError

_BASE = "__base__"
"""PEFT's name for no adapter in a mixed batch."""
# What ``generate`` and its output call the key-value cache; renamed in transformers 5.24.
_CACHE = "cache" if "cache" in GenerateDecoderOnlyOutput.__dataclass_fields__ else "past_key_values"
_MAX_LOGITS = 2**28
"""Most logits of one scoring pass: 1 GiB in float32."""
_LEAST_SHRUNK = 4
"""Batches of so many rows or fewer are not cut down: their steps cost about as much as one row's."""


class TransformersModel:
    """A language model in this process. Calls from several threads wait for each other.

    Args:
        config: model, adapters, device and batch size.
        name: for records; the hub name or folder name if None. A folder's has a fingerprint of its weights.

    Attributes:
        name: for records.
        adapters: names of the loaded adapters, in the order of loading.

    Raises:
        ModelError: if the model or an adapter cannot be loaded, does not fit, or has no chat template.
    """

    def __init__(self, config: TransformersConfig, name: str | None = None) -> None:
        use_threads(config.num_threads)
        self._config = config
        self._path = locate("model", config.path, "config.json")
        self._device = choose_device(config.device)
        self._tokenizer = load_tokenizer(config, self._path)
        self._base = load_base(config, self._path, choose_dtype(config.dtype, self._device), self._device)
        self._model: Any = self._base
        if config.device_map is not None:  # tokens go where the first layer is
            self._device = self._base.get_input_embeddings().weight.device
        self._fingerprint = weights_fingerprint(Path(self._path)) if Path(self._path).is_dir() else None
        name = name or (config.path if self._fingerprint is None else Path(self._path).name)
        self.name = f"{name}@{self._fingerprint[:12]}" if self._fingerprint else name
        self._window = getattr(self._base.config.get_text_config(), "max_position_embeddings", None)
        parameters = inspect.signature(self._base.forward).parameters
        self._takes = frozenset(parameters) & {"logits_to_keep", "position_ids", _CACHE}
        self._ends = _end_ids(self._base, self._tokenizer)
        self._pad = _pad_id(self._tokenizer, self._ends)
        # Recurrent state and caches of a model's own cannot be cut down to some rows.
        standard = getattr(self._base, "_supports_default_dynamic_cache", bool)()
        self._shrinks = bool(standard) and not getattr(self._base, "_is_stateful", False)
        self._shares = self._shrinks and {"position_ids", _CACHE} <= self._takes
        # The checkpoint's own sampling defaults would be mixed into every call.
        self._base.generation_config = GenerationConfig(eos_token_id=self._ends, pad_token_id=self._pad)
        self._shapes = {
            module: tuple(part.weight.shape)
            for module, part in self._base.named_modules()
            if getattr(part, "weight", None) is not None and part.weight.ndim == 2
        }
        self._inner_names: dict[str, str] = {}
        self._loaded = 0  # adapters so far, for names that are never used again
        self._mixable = True
        # Which adapter is active is state of the modules.
        self._lock = threading.Lock()
        for adapter, path in config.adapters.items():
            self.add_adapter(adapter, path)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters, in the order of loading."""
        return tuple(self._inner_names)

    def add_adapter(self, name: str, path: str) -> None:
        """Load one more PEFT adapter.

        Raises:
            ModelError: if the name is taken, or the adapter is missing or made for another base model.
        """
        if name in self._inner_names:
            raise ModelError(f"adapter {name!r} is loaded already; give each adapter a name of its own")
        found = locate(f"adapter {name!r}", path, "adapter_config.json")
        check_adapter(name, found, self._config.path, self._fingerprint, self._shapes)
        # PEFT puts names into module paths, where not every character is allowed.
        inner = f"adapter{self._loaded}"
        self._loaded += 1
        try:
            with quiet_loading(), warnings.catch_warnings():
                warnings.filterwarnings("error", message="Found missing adapter keys")
                self._load_adapter(found, inner)
        except Exception as error:
            raise ModelError(
                f"adapter {name!r} ({path}) cannot be loaded onto model {self._config.path!r}"
                f" ({type(error).__name__}: {str(error)[:200]}); use the base it was trained on"
            ) from error
        self._inner_names[name] = inner
        kind = self._model.peft_config[inner]
        self._mixable = (
            self._mixable and str(kind.peft_type.value) == "LORA" and not getattr(kind, "use_dora", False)
        )

    def remove_adapter(self, name: str) -> None:
        """Let a loaded adapter go; the model then is as if it had never been loaded."""
        with self._lock:
            inner = self._inner_names.pop(name)
            if self._inner_names:
                self._model.delete_adapter(inner)
            else:  # PEFT keeps at least one
                self._model = self._base = self._model.unload()

    def _load_adapter(self, path: str, inner: str) -> None:
        from peft import PeftModel

        settings: dict[str, Any] = {"is_trainable": False, "autocast_adapter_dtype": False}
        if self._inner_names:
            self._model.load_adapter(path, adapter_name=inner, torch_device=str(self._device), **settings)
        else:
            self._model = PeftModel.from_pretrained(self._base, path, adapter_name=inner, **settings)
        # Adapters are saved in any format; computing in the base's own saves casts at every layer.
        # The layers of a spread model stay where they are; PEFT has put the adapter's beside them.
        device = self._device if self._config.device_map is None else None
        self._model.to(device=device, dtype=self._base.dtype).eval().requires_grad_(False)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Write one reply a request.

        Requests are sorted by the length of their prompts (ties by place) and cut into chunks of at most
        ``max_batch``; within a chunk each has its own temperature, nucleus, seed, bound and adapter.

        Raises:
            ModelError: if a dialogue leaves no room for a reply in the context window, an adapter is not loaded,
                or the device runs out of memory.
        """
        prompts = [
            Prompt(place, self._render(request.messages, place), request.adapter)
            for place, request in enumerate(requests)
        ]
        self._check(prompts, room=1)
        results: dict[int, Generation] = {}
        for chunk in self._chunks(prompts, self._config.max_batch):
            asked = [requests[prompt.place] for prompt in chunk]
            began = time.perf_counter()
            replies = self._generate_chunk(chunk, asked)
            share = (time.perf_counter() - began) / len(chunk)
            for prompt, (text, tokens, finish) in zip(chunk, replies, strict=True):
                results[prompt.place] = Generation(text, len(prompt.ids), tokens, finish, share)
        return [results[place] for place in range(len(requests))]

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """Log-probability of each text as the next assistant turn, teacher-forced, without its end-of-turn token.

        The text is tokenised on its own behind the rendered dialogue, as generation continues it. Texts behind the same
        dialogue share its computation, where the model's cache can be copied (``agents.models.scoring``).

        Raises:
            ModelError: as in ``generate``.
        """
        prompts = []
        for place, request in enumerate(requests):
            text = text_ids(self._tokenizer, request.text, place)
            ids = self._render(request.messages, place)
            prompts.append(Prompt(place, ids, request.adapter, tuple(text)))
        self._check(prompts, room=0)
        longest = max((len(prompt.text_ids) for prompt in prompts), default=0) + 1
        vocabulary = int(self._base.get_output_embeddings().weight.shape[0])
        size = max(1, min(self._config.max_batch, _MAX_LOGITS // (longest * vocabulary)))
        alone, groups = by_dialogue(prompts) if self._shares and self._mixable else (prompts, [])
        results: dict[int, Score] = {}
        for chunk in self._chunks(alone, size):
            rows = score_apart(chunk, self._forward, self._pad, self._device)
            results |= _scores(chunk, rows)
        for part in chunks_of_groups(groups, size):
            rows = score_together(part, self._forward, self._pad, self._device, _CACHE)
            results |= _scores([prompt for group in part for prompt in group], rows)
        return [results[place] for place in range(len(requests))]

    def _render(self, messages: tuple[Message, ...], place: int) -> list[int]:
        options = self._config.chat_template_options
        return dialogue_ids(self._tokenizer, messages, options, place, self._config.path)

    def _check(self, prompts: Sequence[Prompt], room: int) -> None:
        for prompt in prompts:
            if prompt.adapter is not None and prompt.adapter not in self._inner_names:
                known = ", ".join(self.adapters) or "none"
                raise ModelError(
                    f"request {prompt.place}: adapter {prompt.adapter!r} is not loaded; there are: {known}"
                )
            if self._window is not None and prompt.length + room > self._window:
                raise ModelError(
                    f"request {prompt.place}: {prompt.length} tokens of dialogue and text do not fit into the"
                    f" context window of {self._window} tokens of model {self._config.path!r};"
                    " shorten the texts, or use a model with a longer window"
                )

    def _chunks(self, prompts: Sequence[Prompt], size: int) -> Iterator[list[Prompt]]:
        """Runs of similar length; adapters are mixed unless one is of a kind that PEFT cannot mix."""
        ordered = sorted(prompts, key=lambda prompt: (prompt.length, prompt.place))
        groups: dict[str | None, list[Prompt]] = {}
        for prompt in ordered:
            groups.setdefault(None if self._mixable else prompt.adapter, []).append(prompt)
        for group in groups.values():
            for start in range(0, len(group), size):
                yield group[start : start + size]

    @contextmanager
    def _computing(self, chunk: Sequence[Prompt]) -> Iterator[dict[str, Any]]:
        """Inference with the chunk's adapters switched on; gives further arguments for the call."""
        with self._lock, self._adapting(chunk) as arguments:
            cast: AbstractContextManager[Any] = nullcontext()
            if self._config.dtype == "autocast":
                cast = torch.autocast(self._device.type, dtype=torch.bfloat16)
            try:
                with torch.inference_mode(), cast:
                    yield arguments
            except torch.cuda.OutOfMemoryError as error:
                raise ModelError(
                    f"the GPU has no memory for {len(chunk)} sequences of {chunk[-1].length} tokens;"
                    f" lower max_batch (now {self._config.max_batch})"
                ) from error

    @contextmanager
    def _adapting(self, chunk: Sequence[Prompt]) -> Iterator[dict[str, Any]]:
        """Switches adapters on or off, or gives the argument that does so row by row."""
        names = {prompt.adapter for prompt in chunk}
        arguments: dict[str, Any] = {}
        adapting: AbstractContextManager[Any] = nullcontext()
        if self._inner_names and names == {None}:
            adapting = self._model.disable_adapter()
        elif self._inner_names and len(names) == 1:
            (name,) = names
            inner = self._inner_names[str(name)]
            if self._model.active_adapter != inner:
                self._model.set_adapter(inner, inference_mode=True)
        elif self._inner_names:
            arguments["adapter_names"] = [
                _BASE if prompt.adapter is None else self._inner_names[prompt.adapter] for prompt in chunk
            ]
        with adapting:
            yield arguments

    def _generate_chunk(
        self, chunk: Sequence[Prompt], requests: Sequence[GenerationRequest]
    ) -> list[tuple[str, int, Finish]]:
        """(text, tokens, finish) of each."""
        budgets = [
            request.max_new_tokens
            if self._window is None
            else min(request.max_new_tokens, self._window - prompt.length)
            for prompt, request in zip(chunk, requests, strict=True)
        ]
        steps = max(budgets)
        sequences, mask = self._pad_left(chunk)
        length = sequences.shape[1]
        replies: list[list[int]] = [[] for _ in chunk]
        left = list(range(len(chunk)))  # rows of the chunk that go on
        cache: Any = None
        while left:
            last = [length + budgets[row] for row in left]
            ending = Ending(last, self._ends, self._fewest(len(left)), self._device)
            sampler = RequestSampler([requests[row] for row in left], length, steps, self._device)
            with self._computing([chunk[row] for row in left]) as arguments:
                output = self._model.generate(
                    input_ids=sequences,
                    attention_mask=mask,
                    **{_CACHE: cache},
                    generation_config=GenerationConfig(
                        max_new_tokens=length + steps - sequences.shape[1],
                        do_sample=False,
                        num_beams=1,
                        use_cache=True,
                        eos_token_id=self._ends,
                        pad_token_id=self._pad,
                        return_dict_in_generate=True,
                    ),
                    logits_processor=LogitsProcessorList([sampler]),
                    stopping_criteria=StoppingCriteriaList([ending]),
                    **arguments,
                )
            rows: list[list[int]] = output.sequences[:, length:].tolist()
            for row, tokens in zip(left, rows, strict=True):
                replies[row] = tokens[: budgets[row]]
            going = [place for place, done in enumerate(ending.done) if not done]
            if going:
                # The rest goes on alone, with its part of the key-value cache.
                chosen = torch.tensor(going, device=self._device)
                new = output.sequences.shape[1] - mask.shape[1]
                cache = output[_CACHE]
                cache.batch_select_indices(chosen)
                sequences = output.sequences[chosen]
                mask = torch.nn.functional.pad(mask[chosen], (0, new), value=1)
            left = [left[place] for place in going]
        return [self._reply(reply) for reply in replies]

    def _fewest(self, rows: int) -> int:
        """How many rows may be left when a call ends early: half, if the model's cache can be cut."""
        return rows // 2 if self._shrinks and rows > _LEAST_SHRUNK else 0

    def _reply(self, tokens: list[int]) -> tuple[str, int, Finish]:
        end = next((k for k, token in enumerate(tokens) if token in self._ends), None)
        if end is not None:
            tokens = tokens[: end + 1]
        text = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text, len(tokens), "length" if end is None else "stop"

    def _forward(
        self, rows: Sequence[Prompt], ids: torch.Tensor, mask: torch.Tensor, kept: int, **more: Any
    ) -> Any:
        """One pass, as ``agents.models.scoring`` asks for it."""
        if "position_ids" in self._takes:
            more["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        if "logits_to_keep" in self._takes:
            more["logits_to_keep"] = kept
        with self._computing(rows) as adapting:
            return self._model(input_ids=ids, attention_mask=mask, **more, **adapting)

    def _pad_left(self, chunk: Sequence[Prompt]) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, L) token ids and mask."""
        ids, mask = padded([prompt.ids for prompt in chunk], self._pad)
        return ids.to(self._device), mask.to(self._device)


def _scores(chunk: Sequence[Prompt], rows: Sequence[Sequence[float]]) -> dict[int, Score]:
    """Scores by place in the call.

    Raises:
        ModelError: if one is no log-probability.
    """
    scores = {prompt.place: Score.of(row) for prompt, row in zip(chunk, rows, strict=True)}
    if not all(score.logprob <= 0 for score in scores.values()):  # also catches NaN
        raise ModelError("the model's logits are not finite; use dtype float32 or another model")
    return scores


def _end_ids(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end a turn: those of the checkpoint's generation settings and the tokenizer's.

    Raises:
        ModelError: if there is none.
    """
    found: list[int] = []
    for ids in (getattr(model.generation_config, "eos_token_id", None), tokenizer.eos_token_id):
        for token in ids if isinstance(ids, list) else [ids]:
            if token is not None and token not in found:
                found.append(int(token))
    if not found:
        raise ModelError(
            "the model names no end-of-turn token; set eos_token_id in its generation_config.json"
        )
    return found


def _pad_id(tokenizer: Any, ends: Sequence[int]) -> int:
    """Any token will do for padding: it is masked."""
    return ends[0] if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
