"""Trains the bundled model from published negotiations: tokenizer, base, one adapter per culture, figures, model card.

Every stage keeps its result in the work folder and is passed over when it is there already, so a run that was stopped goes
on where it was.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file

from agents.bundle.config import BundleConfig
from agents.bundle.corpus import Corpus, Example, grounded, load_corpus, prompt_fingerprint
from agents.bundle.optimise import OptimiserConfig, Progress, Trainer
from agents.bundle.tokenize import TokenRow, encode, load_tokenizer, train_tokenizer
from agents.cultures import load_cultures
from agents.models.protocol import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

Listener = Callable[[str, Progress], None]
"""Called with the stage ("base" or a culture's id) and its progress."""

CHECK_ROWS = 400
"""Validation rows looked at while training; the figures at the end use all of them."""


def train_bundle(config: BundleConfig, listener: Listener = lambda stage, progress: None) -> dict[str, Any]:
    """Train whatever the work folder lacks, export to ``config.out``, measure, and write the model card.

    Returns:
        The measured figures (see ``agents.bundle.measure``).

    Raises:
        ConfigurationError: if the data cannot be read.
    """
    from agents.bundle.card import write_card
    from agents.bundle.measure import measure

    if config.threads is not None:
        torch.set_num_threads(config.threads)
    began = time.monotonic()
    config.work.mkdir(parents=True, exist_ok=True)
    corpus = _corpus(config)
    tokenizer = _tokenizer(config, corpus.training)
    training = encode(corpus.training, tokenizer)
    validation = encode(corpus.validation, tokenizer)
    base = _base(config, tokenizer, training, validation, listener)
    _adapters(config, tokenizer, corpus, listener)
    export(config, base, tokenizer)
    figures = measure(config.out, corpus, samples=config.samples, seed=config.seed)
    figures["training_s"] = _seconds(config.work)
    figures["prompts"] = prompt_fingerprint()
    figures["session_s"] = time.monotonic() - began
    write_card(config, corpus, figures)
    return figures


def _corpus(config: BundleConfig) -> Corpus:
    """The examples, built once and kept as Parquet."""
    paths = {split: config.work / f"{split}.parquet" for split in ("training", "validation")}
    if not all(path.is_file() for path in paths.values()):
        from agents.embedding import load_embedder

        logger.info("reading the corpus; telling which guidelines keep to their topic takes minutes on a CPU")
        corpus = load_corpus(
            config.data, load_embedder().embed, validation_share=config.validation_share, seed=config.seed
        )
        for split, path in paths.items():
            pq.write_table(
                pa.Table.from_pylist([asdict(example) for example in getattr(corpus, split)]), path
            )
    return Corpus(
        *(tuple(_example(row) for row in pq.read_table(path).to_pylist()) for path in paths.values())
    )


def _example(row: dict[str, Any]) -> Example:
    return Example(**(row | {"messages": tuple(Message(**message) for message in row["messages"])}))


def _tokenizer(config: BundleConfig, examples: Sequence[Example]) -> PreTrainedTokenizerFast:
    folder = config.work / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        train_tokenizer(examples, config.shape.vocabulary).save_pretrained(str(folder))
    return load_tokenizer(folder)


def _device(config: BundleConfig) -> torch.device:
    wanted = config.device
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted)


def _fresh_model(config: BundleConfig, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A decoder with random weights that are a function of the seed."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    shape = config.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model: PreTrainedModel = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=len(tokenizer),
                hidden_size=shape.width,
                intermediate_size=shape.feed_forward,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                num_key_value_heads=shape.key_value_heads,
                head_dim=64,
                tie_word_embeddings=True,
                max_position_embeddings=2048,
                rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
                attn_implementation="sdpa",
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                bos_token_id=None,
            )
        )
    return model


def _base(
    config: BundleConfig,
    tokenizer: PreTrainedTokenizerFast,
    training: Sequence[TokenRow],
    validation: Sequence[TokenRow],
    listener: Listener,
) -> PreTrainedModel:
    """The base model, trained to the end."""
    model = _fresh_model(config, tokenizer).to(_device(config))
    # Several epochs over few texts want more weight decay than one (Kim et al. 2025, arXiv 2509.14786), and so small a model a
    # long fall of the rate (Bergsma et al. 2025, arXiv 2502.15938).
    plan = OptimiserConfig(
        tokens=config.tokens, batch_tokens=config.batch_tokens, weight_decay=0.3, decay=0.5
    )
    trainer = Trainer(model, plan, config.work / "base", seed=config.seed, compile=config.compile)
    rng = np.random.default_rng(config.seed)
    shown = [validation[index] for index in rng.permutation(len(validation))[:CHECK_ROWS]]
    _run(trainer, training, shown, tokenizer, "base", listener)
    return model


def _adapters(
    config: BundleConfig, tokenizer: PreTrainedTokenizerFast, corpus: Corpus, listener: Listener
) -> None:
    """One LoRA adapter (Hu et al. 2021, arXiv 2106.09685) per culture, on what that culture said."""
    from peft import LoraConfig, get_peft_model

    for culture in load_cultures():
        folder = config.work / "adapters" / culture.id
        if (folder / "adapter_config.json").is_file():
            continue
        mine = [example for example in corpus.training if example.culture == culture.id]
        # Both ways, so that a run may also leave the figures out.
        training = encode([*mine, *grounded(mine)], tokenizer)
        held_out = [example for example in corpus.validation if example.culture == culture.id]
        validation = encode(grounded(held_out), tokenizer)
        base = _fresh_model(config, tokenizer)
        _load_base(base, config.work / "base")
        lora = LoraConfig(
            r=config.adapter_rank,
            lora_alpha=2 * config.adapter_rank,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = get_peft_model(base, lora).to(_device(config))
        plan = OptimiserConfig(
            tokens=config.adapter_tokens,
            batch_tokens=config.batch_tokens // 2,
            learning_rate=2e-3,
            weight_decay=0.0,
            decay=0.5,
        )
        trainer = Trainer(model, plan, folder / "checkpoint", seed=config.seed)
        _run(trainer, training, validation[:CHECK_ROWS], tokenizer, culture.id, listener)
        model.save_pretrained(str(folder))


def _run(
    trainer: Trainer,
    training: Sequence[TokenRow],
    validation: Sequence[TokenRow],
    tokenizer: PreTrainedTokenizerFast,
    stage: str,
    listener: Listener,
) -> None:
    """Train to the end, appending every line of progress to the checkpoint's log."""
    log = trainer.checkpoint / "log.jsonl"
    trainer.checkpoint.mkdir(parents=True, exist_ok=True)
    before = time.monotonic()
    for progress in trainer.train(training, validation, tokenizer.pad_token_id, evaluate_every=200):
        now = time.monotonic()
        with log.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(progress) | {"seconds": now - before}) + "\n")
        before = now
        listener(stage, progress)


def _load_base(model: PreTrainedModel, checkpoint: Path) -> None:
    found = json.loads((checkpoint / "checkpoint.json").read_text(encoding="utf-8"))
    state = load_file(checkpoint / found["state"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(state[f"model.{name}"])


def export(config: BundleConfig, base: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the model, its tokenizer and the adapters to ``config.out`` in bfloat16, in transformers' and peft's formats."""
    from transformers import GenerationConfig

    from agents.models.loading import weights_fingerprint

    base.to(torch.bfloat16).generation_config = GenerationConfig(
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        do_sample=True,
        temperature=0.8,
    )
    base.save_pretrained(str(config.out))
    tokenizer.save_pretrained(str(config.out))
    fingerprint = weights_fingerprint(config.out)
    for culture in load_cultures():
        source, target = config.work / "adapters" / culture.id, config.out / "adapters" / culture.id
        target.mkdir(parents=True, exist_ok=True)
        settings = json.loads((source / "adapter_config.json").read_text(encoding="utf-8"))
        settings |= {"base_model_name_or_path": "concordat-bundled", "inference_mode": True}
        (target / "adapter_config.json").write_text(
            json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )
        weights = load_file(source / "adapter_model.safetensors")
        save_file(
            {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in weights.items()},
            target / "adapter_model.safetensors",
            metadata={"format": "pt"},
        )
        # Loading compares it with the base's weights, so that an adapter of an earlier training is refused.
        (target / "base_fingerprint.txt").write_text(fingerprint + "\n", encoding="utf-8")


def _seconds(work: Path) -> dict[str, float]:
    """Training time by stage, seconds, summed over all sessions from the logs."""
    logs = {"base": work / "base" / "log.jsonl"}
    logs |= {c.id: work / "adapters" / c.id / "checkpoint" / "log.jsonl" for c in load_cultures()}
    return {
        stage: sum(json.loads(line)["seconds"] for line in log.read_text(encoding="utf-8").splitlines())
        for stage, log in logs.items()
        if log.is_file()
    }
