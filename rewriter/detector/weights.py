"""What the bundled detector is made of, and its files: ``model.safetensors``, ``vocabulary.json`` and ``detector.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.faults import faults_of
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import ModelError
from rewriter.detector.calibration import CUTS, Floats, MonotoneMap
from rewriter.detector.features import PAIR_BITS, PairTable

BUNDLED_DETECTOR = Path(__file__).parent.parent / "data" / "detector" / "bundled"
FORMAT = 2

DIMENSIONS = len(SCHWARTZ_VALUES)


class ScoringConfig(BaseModel):
    """How the weights of a sentence's grams become scores of the text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = Field(default=FORMAT, ge=FORMAT, le=FORMAT, description="of the files")
    clip: float = Field(default=2.0, gt=0, description="bound that a sentence's score nears, in logits")
    one_side: float = Field(
        default=0.1, ge=0, le=1, description="weight of a gram that only one neighbour is known beside"
    )
    natural: float = Field(
        default=0.6, gt=0, le=1, description="share of known pairs of words below which confidence falls"
    )
    floor: float = Field(
        default=20.0, gt=0, description="least length a sentence is divided by: short ones are not blown up"
    )
    power: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="a sentence counts as the weight of its known grams to this power",
    )


@dataclass(frozen=True)
class DetectorWeights:
    """A trained detector.

    Attributes:
        config: how it scores.
        vocabulary: gram to its row.
        pairs: the pairs of words that are known.
        weight: (V grams, 10) logits for each value.
        idf: (V,) >= 1, rarer is higher.
        thresholds: (10, 4) logits; with a score z, sigmoid(z + threshold k) is the probability that a judge's label is
            above the k-th of ``CUTS``.
        answers: ten maps from a score to the answer.
        agreement: from the model's own expectation to the share of signs that a judge shares.
        centre: (10,) mean answer on training texts; what is answered where nothing can be read.
    """

    config: ScoringConfig
    vocabulary: dict[str, int]
    pairs: PairTable
    weight: Floats
    idf: Floats
    thresholds: Floats
    answers: tuple[MonotoneMap, ...]
    agreement: MonotoneMap
    centre: Floats

    def __post_init__(self) -> None:
        count = len(self.vocabulary)
        expected = {
            "weight": (count, DIMENSIONS),
            "idf": (count,),
            "thresholds": (DIMENSIONS, len(CUTS)),
            "centre": (DIMENSIONS,),
        }
        for name, shape in expected.items():
            tensor = getattr(self, name)
            if tensor.shape != shape:
                raise ModelError(f"detector: {name} has shape {tensor.shape}; expected {shape}")
            if not np.isfinite(tensor).all():
                raise ModelError(f"detector: {name} holds numbers that are not finite; train it again")
        if len(self.answers) != DIMENSIONS:
            raise ModelError(f"detector: {len(self.answers)} maps of answers; expected {DIMENSIONS}")

    def answer(self, logits: Floats) -> Floats:
        """(..., 10) answers in [-1, 1] to scores of the same shape."""
        columns = [answer(logits[..., place]) for place, answer in enumerate(self.answers)]
        return np.clip(np.stack(columns, axis=-1), -1.0, 1.0)

    def save(self, folder: Path) -> None:
        """Write the three files; weights and idf are kept in half precision, to which the training rounds them."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, NDArray[Any]] = {
            "pairs": np.packbits(self.pairs.taken),
            "weight": self.weight.astype(np.float16),
            "idf": self.idf.astype(np.float16),
            "thresholds": self.thresholds.astype(np.float32),
            "centre": self.centre.astype(np.float32),
            "agreement": np.stack([self.agreement.at, self.agreement.to]).astype(np.float32),
        }
        for place, answer in enumerate(self.answers):
            tensors[f"answers.{place}"] = np.stack([answer.at, answer.to]).astype(np.float32)
        save_file(tensors, folder / "model.safetensors")
        (folder / "model.safetensors").chmod(0o644)
        ordered = sorted(self.vocabulary, key=self.vocabulary.__getitem__)
        _write(folder / "vocabulary.json", ordered)
        _write(folder / "detector.json", self.config.model_dump())

    @classmethod
    def load(cls, folder: Path) -> DetectorWeights:
        """Read the three files.

        Raises:
            ModelError: if one is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        config = _settings(folder)
        words = _read(folder, "vocabulary.json")
        if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
            raise ModelError(f"{folder / 'vocabulary.json'} is no list of words; train the detector again")
        path = _present(folder, "model.safetensors")
        try:
            raw = load_file(path)
            pairs = PairTable(np.unpackbits(raw.pop("pairs"), count=PAIR_BITS).astype(np.bool_))
            tensors = {name: np.asarray(tensor, dtype=np.float64) for name, tensor in raw.items()}
            return cls(
                config,
                {word: row for row, word in enumerate(words)},
                pairs,
                tensors["weight"],
                tensors["idf"],
                tensors["thresholds"],
                tuple(MonotoneMap(*tensors[f"answers.{place}"]) for place in range(DIMENSIONS)),
                MonotoneMap(*tensors["agreement"]),
                tensors["centre"],
            )
        except (SafetensorError, KeyError, ValueError, TypeError) as error:
            if isinstance(error, ModelError):
                raise ModelError(f"{folder}: {error}") from error
            raise ModelError(
                f"{path} is damaged or of another version ({type(error).__name__}: {error}); train the detector again"
            ) from error


def _settings(folder: Path) -> ScoringConfig:
    try:
        return ScoringConfig.model_validate(_read(folder, "detector.json"))
    except ValidationError as error:
        raise ModelError(f"{folder / 'detector.json'}: {faults_of(error, 'file')}") from error


def _present(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise ModelError(
            f"detector: no file {path}; install the package again, or train it with 'concordat train detector'"
        )
    return path


def _read(folder: Path, name: str) -> Any:
    path = _present(folder, name)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}; install the package again") from error


def _write(path: Path, tree: Sequence[Any] | dict[str, Any]) -> None:
    separators = (",", ":") if isinstance(tree, list) else None
    text = json.dumps(tree, ensure_ascii=False, separators=separators, indent=None if separators else 1)
    path.write_text(text + "\n", encoding="utf-8")
