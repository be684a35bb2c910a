"""The adapter's first weights, and its folder as PEFT reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from agents.cultures import get_culture
from agents.models.config import BundledConfig, TransformersConfig
from agents.models.loading import (
    choose_dtype,
    load_base,
    load_tokenizer,
    locate,
    quiet_loading,
    weights_fingerprint,
)
from agents.tuning.config import TuningConfig
from agents.tuning.crew import Crew
from agents.tuning.dialogues import Encoder, TrainingPair, split_items
from agents.tuning.trainer import AdapterTrainer

BUNDLED_NAME = "concordat-bundled"
"""What an adapter for the bundled model names as its base."""


@dataclass(frozen=True, slots=True)
class Base:
    """The model that an adapter is for.

    Attributes:
        config: of the model, without adapters.
        path: folder or hub name.
        name: what the adapter names as its base.
    """

    config: TransformersConfig
    path: str
    name: str

    @classmethod
    def of(cls, model: BundledConfig | TransformersConfig) -> Base:
        """Find the model.

        Raises:
            ModelError: if a folder is meant that is not there.
        """
        if isinstance(model, BundledConfig):
            from agents.bundled import bundled_transformers_config

            config = bundled_transformers_config(model.model_copy(update={"adapters": ()}))
            return cls(config, config.path, BUNDLED_NAME)
        path = locate("model", model.path, "config.json")
        return cls(model.model_copy(update={"adapters": {}}), path, model.path)


class AdapterTraining:
    """An adapter for one culture in training: base, adapter, rows and trainer, as every worker has them.

    Args:
        base: the model.
        culture: id of the culture.
        pairs: all training text of the culture.
        config: how to train.
        device: where.
        crew: the workers; one if None.

    Attributes:
        trainer: trains it.
        rows: number of training and of held-out rows.

    Raises:
        ModelError: if the model cannot be loaded, or a dialogue does not fit it.
        ConfigurationError: if there is too little text.
    """

    def __init__(
        self,
        base: Base,
        culture: str,
        pairs: list[TrainingPair],
        config: TuningConfig,
        device: torch.device,
        crew: Crew | None = None,
    ) -> None:
        self._base = base
        tokenizer = load_tokenizer(base.config, base.path)
        model = load_base(base.config, base.path, choose_dtype("auto", device), device)
        window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        encoder = Encoder(
            tokenizer,
            get_culture(culture),
            answer_words=config.answer_words,
            window=window,
            template_options=dict(base.config.chat_template_options),
        )
        training, validation = (
            encoder.encode(part) for part in split_items(pairs, config.validation_share, config.seed)
        )
        self.rows = (len(training), len(validation))
        self._model = fresh_adapter(model, config.rank, config.seed).to(device)
        pad = 0 if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
        self.trainer = AdapterTrainer(self._model, training, validation, pad, config, crew)

    def save_adapter(self, folder: Path) -> None:
        """Write a PEFT folder: ``adapter_config.json``, ``adapter_model.safetensors`` and, for a base in a folder,
        ``base_fingerprint.txt``, by which loading tells an adapter that was made for another base.
        """
        with quiet_loading():
            self._model.save_pretrained(str(folder))
        file = folder / "adapter_config.json"
        settings = json.loads(file.read_text(encoding="utf-8"))
        settings |= {"base_model_name_or_path": self._base.name, "inference_mode": True}
        file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's card is a form that nobody filled in
        if Path(self._base.path).is_dir():
            fingerprint = weights_fingerprint(Path(self._base.path))
            (folder / "base_fingerprint.txt").write_text(fingerprint + "\n", encoding="utf-8")


def fresh_adapter(model: Any, rank: int, seed: int) -> Any:
    """A LoRA adapter on all linear layers, whose first weights are a function of the seed; it changes nothing yet."""
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    with torch.random.fork_rng(devices=[]), quiet_loading():
        torch.manual_seed(seed)
        return get_peft_model(model, lora)
