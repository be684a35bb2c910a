"""Generated tokens a second of the engines that run models, over one plain batched ``generate``.

    python benchmarks/engines.py --out benchmarks/results/engines.json          the bundled model; a GPU is used if there is one
    python benchmarks/engines.py --model Qwen/Qwen3-4B-Instruct-2507 --adapter confucian=adapters/confucian ...

The work is the opening statements of eight cultures on the questions that ship, each request with its own bound on the reply.

    one       our transformers engine (``agents.models``), all requests with one adapter
    mixed     the same, the requests' adapters mixed in every batch
    plain     transformers' own ``generate`` with the same model, adapter and batch size, batch by batch in the order of the
              requests, every row with the length that it had in ``one``: what a loop without our engine's care would reach
    even      the same with every row as long as the mean: the bound, which nobody reaches with replies of any length
    vllm      the same requests through vLLM (``one`` and ``mixed``), where it is installed and there is a GPU (or with --vllm)

Rounds are measured in turn, so that whatever else the machine does falls on all alike, and ratios are of medians; those of
processor time are hardly changed by other processes. On a GPU, its memory: one base with the adapters of all cultures after
loading and at its peak, against as many copies of the model as there are cultures.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from agents.models.config import (
    BundledConfig,
    TransformersConfig,
    VLLMConfig,
    load_model,
    parse_model_argument,
)
from agents.models.protocol import Generation, GenerationRequest
from benchmarks.provenance import print_or_keep, provenance

LEAST_RATIO = 0.9
"""Of our engine to plain ``generate`` with replies of the same lengths."""


@dataclass(slots=True)
class Measured:
    """What was measured of one way, a number a round."""

    tokens: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def run(self, work: Callable[[], int]) -> None:
        """Measure one round; ``work`` returns how many tokens it generated."""
        _synchronize()
        began, cpu = time.perf_counter(), time.process_time()
        self.tokens.append(work())
        _synchronize()
        self.seconds.append(time.perf_counter() - began)
        self.cpu_seconds.append(time.process_time() - cpu)

    @property
    def tokens_per_s(self) -> float:
        """Median over rounds."""
        return statistics.median(t / s for t, s in zip(self.tokens, self.seconds, strict=True))

    @property
    def tokens_per_cpu_s(self) -> float:
        """The same of this process's processor time; says nothing of work on a GPU or in other processes."""
        return statistics.median(t / s for t, s in zip(self.tokens, self.cpu_seconds, strict=True))

    def figures(self) -> dict[str, Any]:
        """As written."""
        return {
            "tokens_per_s": self.tokens_per_s,
            "tokens_per_cpu_s": self.tokens_per_cpu_s,
            "tokens": self.tokens,
            "seconds": self.seconds,
        }


def requests(cultures: Sequence[str], count: int, longest: int, seed: int) -> list[GenerationRequest]:
    """(count,) requests for opening statements, each culture's in turn with that culture's adapter."""
    from agents.cultures import get_culture
    from agents.prompts import PromptSet
    from agents.topics import load_topics

    prompts, topics = PromptSet.load(), load_topics()
    random = np.random.default_rng(seed)
    asked = []
    for place in range(count):
        culture, topic = cultures[place % len(cultures)], topics[place % len(topics)]
        messages = prompts.position(get_culture(culture), topic.text, 100)
        bound = int(random.integers(longest // 4, longest + 1))
        asked.append(GenerationRequest(messages, bound, 0.8, 0.95, int(random.integers(2**31)), culture))
    return asked


def with_adapter(asked: Sequence[GenerationRequest], adapter: str | None) -> list[GenerationRequest]:
    """The same requests with one adapter."""
    from dataclasses import replace

    return [replace(request, adapter=adapter) for request in asked]


class Plain:
    """transformers' own ``generate``, one batch after the other.

    Args:
        config: model and adapters, of which one is used.
        adapter: its name; None for the bare model.
    """

    def __init__(self, config: TransformersConfig, adapter: str | None) -> None:
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from agents.models.loading import choose_device, choose_dtype

        self._device = choose_device(config.device)
        dtype = choose_dtype(config.dtype, self._device)
        self._model: Any = AutoModelForCausalLM.from_pretrained(config.path, dtype=dtype).to(self._device)
        if adapter is not None:
            peft = PeftModel.from_pretrained(self._model, config.adapters[adapter])
            self._model = peft.to(device=self._device, dtype=dtype)
        self._model = self._model.eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(config.path, padding_side="left")
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._options = config.chat_template_options
        self._batch = config.max_batch
        self._torch = torch

    def run(self, asked: Sequence[GenerationRequest], lengths: Sequence[int]) -> int:
        """Write a reply of given length to each request; returns the tokens."""
        from agents.models.rendering import dialogue_ids

        rows = [
            dialogue_ids(self._tokenizer, request.messages, self._options, place, "model")
            for place, request in enumerate(asked)
        ]
        for start in range(0, len(rows), self._batch):
            self._batch_of(rows[start : start + self._batch], lengths[start : start + self._batch])
        return sum(lengths)

    def _batch_of(self, rows: Sequence[list[int]], lengths: Sequence[int]) -> None:
        from transformers import LogitsProcessor, LogitsProcessorList

        torch = self._torch
        inputs = self._tokenizer.pad({"input_ids": list(rows)}, return_tensors="pt").to(self._device)
        prompt = inputs["input_ids"].shape[1]
        end = self._tokenizer.eos_token_id
        wanted = torch.tensor(lengths, device=self._device)

        class EndAt(LogitsProcessor):  # type: ignore[misc]  # transformers ships no types
            """Lets a row end at its length and nowhere else."""

            def __call__(self, input_ids: Any, scores: Any) -> Any:
                scores[:, end] = torch.where(input_ids.shape[1] - prompt + 1 >= wanted, 1e9, -1e9)
                return scores

        with torch.inference_mode():
            self._model.generate(
                **inputs,
                do_sample=True,
                temperature=0.8,
                top_p=0.95,
                max_new_tokens=max(lengths),
                eos_token_id=end,
                pad_token_id=self._tokenizer.pad_token_id,
                logits_processor=LogitsProcessorList([EndAt()]),
            )


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements."""
    import torch

    torch.set_num_threads(options.threads)
    config = configuration(options)
    cultures = list(config.adapters) or options.cultures
    adapter = next(iter(config.adapters), None)
    asked = requests(cultures, options.requests, options.longest, options.seed)
    one = with_adapter(asked, adapter)
    mixed = asked if config.adapters else one
    memory = Memory()
    found, lengths = _in_this_process(config, one, mixed, options.rounds, memory)
    figures: dict[str, Any] = {name: measured.figures() for name, measured in found.items()}
    figures |= {
        "device": _device_name(),
        "requests": len(asked),
        "batch": config.max_batch,
        "adapters": len(config.adapters),
        "mean_reply_tokens": statistics.mean(lengths),
        "over_plain": found["one"].tokens_per_s / found["plain"].tokens_per_s,
        "over_plain_cpu": found["one"].tokens_per_cpu_s / found["plain"].tokens_per_cpu_s,
        "over_even": found["one"].tokens_per_s / found["even"].tokens_per_s,
        "over_even_cpu": found["one"].tokens_per_cpu_s / found["even"].tokens_per_cpu_s,
        "mixed_over_one": found["mixed"].tokens_per_s / found["one"].tokens_per_s,
        "mixed_over_one_cpu": found["mixed"].tokens_per_cpu_s / found["one"].tokens_per_cpu_s,
        "gpu_memory_gb": memory.figures(len(cultures)),
    }
    if options.vllm or (importlib.util.find_spec("vllm") is not None and torch.cuda.is_available()):
        figures["vllm"] = _vllm(config, one, mixed, options)
        ratio = found["one"].tokens_per_s / figures["vllm"]["one"]["tokens_per_s"]
        figures["over_vllm"] = ratio
    return figures


def _in_this_process(
    config: TransformersConfig,
    one: Sequence[GenerationRequest],
    mixed: Sequence[GenerationRequest],
    rounds: int,
    memory: Memory,
) -> tuple[dict[str, Measured], list[int]]:
    """Our engine and plain ``generate`` in turn; also the lengths of the replies."""
    ours = load_model(config)
    memory.note_loaded()
    lengths = [reply.generated_tokens for reply in ours.generate(one)]  # the first rounds warm up
    ours.generate(mixed)
    memory.note_peak()
    plain = Plain(config, one[0].adapter)
    plain.run(one[: config.max_batch], lengths[: config.max_batch])
    even = [round(statistics.mean(lengths))] * len(lengths)
    ways: dict[str, Callable[[], int]] = {
        "one": lambda: _tokens(ours.generate(one)),
        "plain": lambda: plain.run(one, lengths),
        "mixed": lambda: _tokens(ours.generate(mixed)),
        "even": lambda: plain.run(one, even),
    }
    found = {name: Measured() for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            found[name].run(work)
    return found, lengths


def _vllm(
    config: TransformersConfig,
    one: Sequence[GenerationRequest],
    mixed: Sequence[GenerationRequest],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Of the same requests; vLLM's replies are other ones, of other lengths."""
    _free()
    settings: dict[str, Any] = {"path": config.path, "adapters": config.adapters}
    model: Any = load_model(VLLMConfig(**settings, **json.loads(options.vllm_settings)))
    ways = {"one": (Measured(), one), "mixed": (Measured(), mixed)}
    try:
        model.generate(mixed)
        for _ in range(options.rounds):
            for measured, asked in ways.values():
                measured.run(lambda asked=asked: _tokens(model.generate(asked)))  # type: ignore[misc]
    finally:
        model.close()
    return {name: measured.figures() for name, (measured, _) in ways.items()} | {"version": _version("vllm")}


class Memory:
    """GPU memory of this process, bytes; nothing without a GPU."""

    def __init__(self) -> None:
        self._loaded: int | None = None
        self._peak: int | None = None

    def note_loaded(self) -> None:
        """After the model and its adapters were loaded."""
        torch = _cuda()
        if torch is not None:
            self._loaded = int(torch.cuda.memory_allocated())

    def note_peak(self) -> None:
        """After the work."""
        torch = _cuda()
        if torch is not None:
            self._peak = int(torch.cuda.max_memory_allocated())

    def figures(self, cultures: int) -> dict[str, float] | None:
        """10^9 bytes: one base with all adapters, its peak, and as many copies (without caches) as cultures."""
        if self._loaded is None or self._peak is None:
            return None
        return {
            "cultures": cultures,
            "shared_loaded": self._loaded / 1e9,
            "shared_peak": self._peak / 1e9,
            "apart_loaded": cultures * self._loaded / 1e9,
        }


def configuration(options: argparse.Namespace) -> TransformersConfig:
    """The model and its adapters."""
    from agents.bundled import bundled_transformers_config

    parsed = parse_model_argument(options.model, max_batch=options.batch)
    if isinstance(parsed, BundledConfig):
        parsed = bundled_transformers_config(parsed)
    if not isinstance(parsed, TransformersConfig):
        raise SystemExit("the bound is measured in this process; give bundled, a folder or a hub name")
    given = dict(pair.split("=", 1) for pair in options.adapter)
    return parsed.model_copy(update={"adapters": given}) if given else parsed


def _tokens(replies: Sequence[Generation]) -> int:
    return sum(reply.generated_tokens for reply in replies)


def _cuda() -> Any:
    import torch

    return torch if torch.cuda.is_available() else None


def _synchronize() -> None:
    torch = _cuda()
    if torch is not None:
        torch.cuda.synchronize()


def _free() -> None:
    import gc

    gc.collect()
    torch = _cuda()
    if torch is not None:
        torch.cuda.empty_cache()


def _device_name() -> str:
    torch = _cuda()
    return "cpu" if torch is None else str(torch.cuda.get_device_name())


def _version(name: str) -> str | None:
    for package in (name, f"{name}-cpu"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    found = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    found.add_argument("--model", default="bundled", help="bundled, a folder or a hub name")
    found.add_argument(
        "--adapter", action="append", default=[], metavar="CULTURE=PATH", help="repeat for more"
    )
    found.add_argument(
        "--cultures",
        nargs="+",
        default=["english-speaking", "confucian"],
        help="who is asked if there are no adapters",
    )
    found.add_argument("--requests", type=int, default=128)
    found.add_argument(
        "--batch", type=int, default=32, help="sequences in one forward pass of ours and of plain"
    )
    found.add_argument(
        "--longest", type=int, default=128, help="largest bound on a reply; bounds are a quarter of it up"
    )
    found.add_argument("--rounds", type=int, default=3)
    found.add_argument("--threads", type=int, default=1, help="of torch on the CPU")
    found.add_argument("--vllm", action="store_true", help="measure vLLM without a GPU, too")
    found.add_argument("--vllm-settings", default="{}", metavar="JSON", help="more settings of a vLLM model")
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--out", type=Path, help="JSON file to write; standard output if not given")
    found.add_argument("--check", action="store_true", help="exit status 1 if the ratio is too small")
    return found


def main() -> int:
    """Run the benchmark."""
    options = parser().parse_args()
    figures = measure(options)
    record = {
        "benchmark": "engines",
        **provenance(options.seed, ("torch", "transformers", "peft", "numpy"), ("agents",)),
        "model": options.model,
        "threads": options.threads,
        **figures,
        "marks": {"over_plain": LEAST_RATIO},
    }
    print_or_keep(record, options.out)
    print(
        f"over plain generate: {figures['over_plain']:.2f} (of processor time {figures['over_plain_cpu']:.2f})"
    )
    return 1 if options.check and figures["over_plain"] < LEAST_RATIO else 0


if __name__ == "__main__":
    raise SystemExit(main())
