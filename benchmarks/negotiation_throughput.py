"""Speed and memory of a run of negotiations, against what the same model could do.

    python benchmarks/negotiation_throughput.py --out FILE.json

Four measurements, one after the other on the same machine:

    run        ``concordat negotiate`` as a user starts it: two cultures, 32 topics, Ray, defaults. Generated
               tokens a second from the first model call to the last record, solving, embedding and writing in
               it. Memory is the peak sum of PSS over the command's process tree, Ray's own processes in it.
    raw        one call of transformers' ``generate`` with the same model, one adapter, in one process, with one
               thread and with a thread a core, of which the faster counts: a batch of the size that the run's
               forward passes had, prompts of the run's mean length, and reply lengths drawn from the run's own
               guidelines, row by row. ``tokens_ratio`` is run over raw. ``even`` is the same with every reply
               as long as the mean, where no row ends early; nobody reaches that with replies of any length.
    unbatched  the same run, one model call at a time and one negotiation after the other, as the published
               code does; on fewer topics, since it is slow. ``speedup`` is negotiations an hour over that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from agents.models.config import BundledConfig, TransformersConfig, parse_model_argument
from benchmarks.provenance import print_or_keep, provenance

CULTURES = ("english-speaking", "confucian")

EXTRA_TOPICS = (
    {"id": "extra-lottery", "text": "Should members of parliament be drawn by lot?", "category": "Politics"},
    {"id": "extra-tips", "text": "Should tips in restaurants be forbidden?", "category": "Social Norms"},
)
"""Two more than the thirty that ship, so that the run has 32."""

QUIET_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}

LEAST_TOKENS_RATIO, LEAST_SPEEDUP, MOST_MEMORY_GB = 0.75, 4.0, 4.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run as measured.

    Attributes:
        topics: negotiations done.
        failed: negotiations that failed.
        tokens: generated.
        seconds: from the first model call to the last record.
        wall_s: of the whole command, loading and the report in it.
        peak_pss_gb: largest sum of PSS over the command's process tree, 10^9 bytes.
        requests: model calls.
        mean_prompt_tokens: of these.
        mean_reply_tokens: of these.
        mean_batch: requests in a batch as sent to a model.
    """

    topics: int
    failed: int
    tokens: int
    seconds: float
    wall_s: float
    peak_pss_gb: float
    requests: int
    mean_prompt_tokens: float
    mean_reply_tokens: float
    mean_batch: float

    @property
    def tokens_per_s(self) -> float:
        """Generated tokens a second."""
        return self.tokens / self.seconds

    @property
    def negotiations_per_hour(self) -> float:
        """Negotiations an hour of the time from the first model call on."""
        return 3600 * self.topics / self.seconds


class MemoryWatch(threading.Thread):
    """Samples the memory of a process tree until told to stop.

    Attributes:
        peak: largest sum of PSS seen, bytes.
    """

    def __init__(self, root: int, interval_s: float = 0.5) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._root = root
        self._interval_s = interval_s
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Sample."""
        while not self._stop_asked.wait(self._interval_s):
            self.peak = max(self.peak, sum(map(_pss, _tree(self._root))))

    def stop(self) -> int:
        """Stop; the peak in bytes."""
        self._stop_asked.set()
        self.join()
        return self.peak


def _tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended since
            children.setdefault(parent, []).append(int(entry.name))
    tree, rest = [], [root]
    while rest:
        tree.append(process := rest.pop())
        rest += children.get(process, [])
    return tree


def _pss(process: int) -> int:
    """Proportional set size in bytes; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def negotiate(settings: dict[str, Any], flags: Sequence[str], folder: Path) -> Run:
    """Run the command line and read what it left."""
    folder.mkdir()
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "cluster.cli", "negotiate", "--json", *flags]
    command += ["--config", str(folder / "settings.yaml"), "--out", str(folder / "run")]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watch = MemoryWatch(process.pid)
    watch.start()
    out, _ = process.communicate()
    wall_s, peak = time.monotonic() - began, watch.stop()
    result = json.loads(out)
    if process.returncode not in (0, 1) or "negotiations" not in result:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {out}")
    lines = (folder / "run" / "events.jsonl").read_text().splitlines()
    batches = [event for event in map(json.loads, lines) if event["event"] == "batch" and event["tokens"]]
    requests = sum(batch["requests"] for batch in batches)
    tokens = sum(batch["tokens"] for batch in batches)
    return Run(
        topics=result["negotiations"],
        failed=result["failed"],
        tokens=tokens,
        seconds=result["seconds"],
        wall_s=wall_s,
        peak_pss_gb=peak / 1e9,
        requests=requests,
        mean_prompt_tokens=sum(batch["prompt_tokens"] for batch in batches) / requests,
        mean_reply_tokens=tokens / requests,
        mean_batch=requests / len(batches),
    )


def reply_lengths(run: Path, model: BundledConfig | TransformersConfig) -> list[int]:
    """Tokens of every candidate guideline that the records of a run hold, its end token counted."""
    from transformers import AutoTokenizer

    from agents.prompts import PromptSet
    from negotiation.storage import read_records

    tokenizer = AutoTokenizer.from_pretrained(_plain(model).path)
    prompts = PromptSet.load()
    drafts = [
        candidate.draft
        for path in sorted((run / "negotiations").glob("*.parquet"))
        for played in read_records(path)[0].rounds
        for move in played.moves
        for candidate in move.candidates
    ]
    texts = [prompts.reply(draft.content, draft.reason, draft.description) for draft in drafts]
    return [len(tokenizer(text)["input_ids"]) + 1 for text in texts]


def raw_generate(
    model: BundledConfig | TransformersConfig, prompt: int, replies: Sequence[int]
) -> dict[int, float]:
    """Tokens a second of one plain ``generate`` call by number of threads.

    Args:
        model: with its adapters, of which one is used.
        prompt: tokens that each row has.
        replies: tokens that each row is given before it ends, (B,).
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, LogitsProcessor, LogitsProcessorList

    plain = _plain(model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    language: Any = AutoModelForCausalLM.from_pretrained(plain.path, dtype=dtype).to(device).eval()
    if plain.adapters:
        adapter = plain.adapters.get(CULTURES[0], next(iter(plain.adapters.values())))
        language = PeftModel.from_pretrained(language, adapter).eval()
    end = language.config.eos_token_id
    lengths = torch.tensor(replies, device=device)

    class EndAt(LogitsProcessor):  # type: ignore[misc]  # transformers ships no types
        """Lets a row end at its length and nowhere else."""

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            scores[:, end] = torch.where(input_ids.shape[1] - prompt + 1 >= lengths, 1e9, -1e9)
            return scores

    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, language.config.vocab_size, (len(replies), prompt), generator=generator).to(device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    sampling = {"do_sample": True, "top_p": 0.95, "temperature": 0.8}
    speeds = {}
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        with torch.inference_mode():
            language.generate(**inputs, **sampling, max_new_tokens=2)
            began = time.perf_counter()
            language.generate(
                **inputs,
                **sampling,
                max_new_tokens=max(replies),
                logits_processor=LogitsProcessorList([EndAt()]),
            )
            speeds[threads] = sum(replies) / (time.perf_counter() - began)
    return speeds


def _plain(model: BundledConfig | TransformersConfig) -> TransformersConfig:
    from agents.bundled import bundled_transformers_config

    return bundled_transformers_config(model) if isinstance(model, BundledConfig) else model


def measure(model: str, topics: int, slow_topics: int, seed: int) -> dict[str, Any]:
    """All measurements."""
    from agents.topics import load_topics

    os.environ.update(QUIET_THREADS)  # as the run's actors have them; read when torch is imported
    parsed = parse_model_argument(model)
    if not isinstance(parsed, BundledConfig | TransformersConfig):
        raise SystemExit(
            "the raw measurement needs a model in this process; give bundled, a folder or a hub name"
        )
    shipped = [{"id": t.id, "text": t.text, "category": t.category} for t in load_topics()]
    questions = [*shipped, *EXTRA_TOPICS][:topics]
    tree = parsed.model_dump(mode="json")
    settings = {"cultures": list(CULTURES), "topics": questions, "model": tree, "seed": seed}
    with tempfile.TemporaryDirectory() as scratch:
        run = negotiate(settings, [], Path(scratch) / "run")
        lengths = reply_lengths(Path(scratch) / "run" / "run", parsed)
        one_by_one = settings | {"topics": questions[:slow_topics], "model": tree | {"max_batch": 1}}
        slow = negotiate(one_by_one, ["--serial", "--concurrency", "1"], Path(scratch) / "slow")
    batch, prompt = min(round(run.mean_batch), parsed.max_batch), round(run.mean_prompt_tokens)
    replies = np.random.default_rng(seed).choice(lengths, size=batch).tolist()
    uneven = raw_generate(parsed, prompt, replies)
    even = raw_generate(parsed, prompt, [round(run.mean_reply_tokens)] * batch)
    raw = max(uneven.values())
    return {
        "run": asdict(run)
        | {"tokens_per_s": run.tokens_per_s, "negotiations_per_hour": run.negotiations_per_hour},
        "raw": {
            "batch": batch,
            "prompt_tokens": prompt,
            "reply_tokens": replies,
            "tokens_per_s": raw,
            "by_threads": uneven,
            "even_by_threads": even,
        },
        "unbatched": asdict(slow)
        | {"tokens_per_s": slow.tokens_per_s, "negotiations_per_hour": slow.negotiations_per_hour},
        "tokens_ratio": run.tokens_per_s / raw,
        "tokens_ratio_even": run.tokens_per_s / max(even.values()),
        "speedup": run.negotiations_per_hour / slow.negotiations_per_hour,
        "peak_memory_gb": run.peak_pss_gb,
    }


def misses(figures: dict[str, Any]) -> list[str]:
    """What falls short of its mark."""
    marks = (
        (
            figures["tokens_ratio"] >= LEAST_TOKENS_RATIO,
            f"tokens_ratio {figures['tokens_ratio']:.2f} < {LEAST_TOKENS_RATIO}",
        ),
        (figures["speedup"] >= LEAST_SPEEDUP, f"speedup {figures['speedup']:.1f} < {LEAST_SPEEDUP}"),
        (
            figures["peak_memory_gb"] < MOST_MEMORY_GB,
            f"memory {figures['peak_memory_gb']:.2f} GB >= {MOST_MEMORY_GB}",
        ),
    )
    return [text for met, text in marks if not met]


def main() -> int:
    """Run the benchmark; exit status 1 if --check is given and a mark is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="bundled", help="bundled, a folder or a hub name")
    parser.add_argument("--topics", type=int, default=32, help="of the run, at most 32")
    parser.add_argument("--slow-topics", type=int, default=4, help="of the unbatched run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write; standard output if not given")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a mark is missed")
    options = parser.parse_args()
    figures = measure(options.model, options.topics, options.slow_topics, options.seed)
    record = {
        "benchmark": "negotiation_throughput",
        **provenance(
            options.seed,
            ("ray", "torch", "transformers", "peft", "numpy", "open_spiel"),
            ("negotiation", "agents", "cluster"),
        ),
        "model": options.model,
        **figures,
    }
    print_or_keep(record, options.out)
    for miss in misses(figures):
        print(miss, file=sys.stderr)
    return 1 if options.check and misses(figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
