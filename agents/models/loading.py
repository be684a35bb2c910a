"""Loading tokenizers, models and adapters with transformers and PEFT, and checking what was loaded.

Importing this module is light; its functions import torch, transformers or peft.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from negotiation.errors import ModelError

if TYPE_CHECKING:
    import torch

    from agents.models.config import TransformersConfig, VLLMConfig

_HASHED_WHOLE = 256 * 2**20
_SAMPLE = 2**20


def use_threads(num_threads: int | None) -> None:
    """Set torch's CPU threads for the whole process; None leaves them."""
    if num_threads is not None:
        import torch

        torch.set_num_threads(num_threads)


def choose_device(device: str) -> torch.device:
    """The device of this name, ``"auto"`` being a GPU if there is one, else the CPU.

    Raises:
        ModelError: if the device is not there.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = torch.device(device)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"device {device!r} is not there: torch sees {torch.cuda.device_count()} CUDA devices;"
            " use device auto or cpu"
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError("device 'mps' is not there; use device auto or cpu")
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The number format of weights: ``"auto"`` is bfloat16 on a GPU and float32 on the CPU."""
    import torch

    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype == "autocast":
        return torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]


@contextmanager
def quiet_loading() -> Iterator[None]:
    """No progress bars and notes of transformers while it loads; what matters is checked here."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # The libraries use each other's old names and say so to users, who can do nothing about it.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def is_folder_name(path: str) -> bool:
    """Whether a name can only be meant as a folder; hub names have one slash at most."""
    return path.startswith((".", "/", "~")) or path.count("/") > 1 or Path(path).expanduser().is_dir()


def locate(what: str, path: str, file: str) -> str:
    """A local folder that holds ``file`` in full, or a hub name as it is.

    Raises:
        ModelError: if a folder is meant that is not there or lacks the file.
    """
    if not is_folder_name(path):
        return path
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ModelError(f"{what}: no folder {path}; give a folder in transformers' format or a hub name")
    if not (folder / file).is_file():
        raise ModelError(f"{what}: no file {folder / file}; give a folder saved with save_pretrained")
    return str(folder.resolve())


def weights_fingerprint(folder: Path) -> str:
    """SHA-256 of a folder's weights: names, sizes and contents; of files above 256 MiB in all three samples each.

    Raises:
        ModelError: if the folder holds no weights.
    """
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not files:
        raise ModelError(f"no weights (*.safetensors or *.bin) in {folder}; give a folder with a whole model")
    sizes = [file.stat().st_size for file in files]
    whole = sum(sizes) <= _HASHED_WHOLE
    digest = hashlib.sha256()
    for file, size in zip(files, sizes, strict=True):
        digest.update(f"{file.name}:{size}:".encode())
        with file.open("rb") as stream:
            if whole:
                digest.update(stream.read())
                continue
            for start in (0, size // 2, max(0, size - _SAMPLE)):
                stream.seek(start)
                digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()


def load_tokenizer(config: TransformersConfig | VLLMConfig, path: str) -> Any:
    """The tokenizer, padding on the left.

    Raises:
        ModelError: if it cannot be loaded or has no chat template.
    """
    from transformers import AutoTokenizer

    try:
        with quiet_loading():
            tokenizer: Any = AutoTokenizer.from_pretrained(
                path, revision=config.revision, padding_side="left", trust_remote_code=False
            )
    except Exception as error:
        raise _cannot_load("tokenizer of model", config.path, error) from error
    if not tokenizer.chat_template:
        raise ModelError(
            f"model {config.path!r} has no chat template; use an instruction-tuned model,"
            " or put a chat_template.jinja next to its tokenizer"
        )
    return tokenizer


def load_base(config: TransformersConfig, path: str, dtype: torch.dtype, device: torch.device) -> Any:
    """The model in evaluation mode, on its device or spread by ``device_map``, all its weights from the checkpoint.

    Raises:
        ModelError: if it cannot be loaded or weights are missing.
    """
    from transformers import AutoModelForCausalLM

    spread = {} if config.device_map is None else {"device_map": config.device_map}
    try:
        with quiet_loading():
            model, info = AutoModelForCausalLM.from_pretrained(
                path,
                revision=config.revision,
                dtype=dtype,
                trust_remote_code=False,
                output_loading_info=True,
                **spread,
            )
    except Exception as error:
        # transformers raises OSError, ValueError, KeyError, RuntimeError and safetensors' own here.
        raise _cannot_load("model", config.path, error) from error
    missing = sorted(info.get("missing_keys", ()))
    if missing:
        raise ModelError(
            f"model {config.path!r} lacks {len(missing)} weights, {missing[0]} among them;"
            " give a whole checkpoint of a causal language model"
        )
    if config.device_map is None:
        model = model.to(device)
    else:
        _check_spread(config, getattr(model, "hf_device_map", {}))  # none if all is in one place
    return model.eval().requires_grad_(False)


def _check_spread(config: TransformersConfig, placed: Mapping[str, Any]) -> None:
    """Refuse a spread model that does not fit: its last layers would be read from the disk at every token."""
    left = [part for part, device in placed.items() if str(device) == "disk"]
    if left:
        raise ModelError(
            f"model {config.path!r} does not fit into the memory of the GPUs and the CPU: {len(left)} parts are left over,"
            f" {left[0]} among them; give it more GPUs, or a smaller number format"
        )


def check_adapter(
    name: str, path: str, model_path: str, fingerprint: str | None, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse an adapter that was made for another base model, by what it says of its base and by the shapes of its matrices.

    Args:
        name: of the adapter, for messages.
        path: its folder or hub name.
        model_path: folder or hub name of the model.
        fingerprint: of the model's weights, if it is a folder.
        shapes: shape of each weight matrix of the model by module name.

    Raises:
        ModelError: if it does not belong, or cannot be read.
    """
    from peft import load_peft_weights

    check_base(name, path, model_path, fingerprint)
    try:
        weights = load_peft_weights(path, device="cpu")
    except Exception as error:
        raise _cannot_load(f"adapter {name!r}", path, error) from error
    for key, weight in weights.items():
        problem = _misfit(key, tuple(weight.shape), shapes)
        if problem:
            raise ModelError(
                f"adapter {name!r} ({path}) does not fit model {model_path!r}: {problem};"
                " use the base it was trained on"
            )


def check_base(name: str, path: str, model_path: str, fingerprint: str | None) -> None:
    """Refuse an adapter that names another base model.

    The base that the adapter names is compared where that says something: two hub names, or two local folders (by
    their weights). A file ``base_fingerprint.txt`` in the adapter's folder is compared too, if both have one.

    Args:
        name: of the adapter, for messages.
        path: its folder or hub name.
        model_path: folder or hub name of the model.
        fingerprint: of the model's weights, if it is a folder.

    Raises:
        ModelError: if it does not belong, or cannot be read.
    """
    from peft import PeftConfig

    try:
        base = PeftConfig.from_pretrained(path).base_model_name_or_path
    except Exception as error:
        raise _cannot_load(f"adapter {name!r}", path, error) from error
    if fingerprint is not None:
        expected = _fingerprint_of_base(Path(path), base)
        if expected not in (None, fingerprint):
            raise ModelError(
                f"adapter {name!r} ({path}) was made for another base than model {model_path!r}: weights"
                f" {str(expected)[:12]} against {fingerprint[:12]}; use the base it was trained on"
            )
    elif base and not is_folder_name(base) and base.lower() != model_path.lower():
        raise ModelError(
            f"adapter {name!r} ({path}) was made for base model {base!r}, not for {model_path!r};"
            " use the base it was trained on"
        )


def _misfit(key: str, shape: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Why a LoRA matrix does not fit, or nothing. Other kinds of weights are left to PEFT's own loading."""
    for part, axis, outer in ((".lora_A", 1, 1), (".lora_B", 0, 0)):
        module, found, _ = key.removeprefix("base_model.model.").partition(part)
        if not found or len(shape) != 2:
            continue
        if module not in shapes:
            return f"it changes {module}, which the model does not have"
        if shape[axis] != shapes[module][outer]:
            sides = ("outputs", "inputs")
            return f"{module} has {shape[axis]} {sides[axis]} there and {shapes[module][outer]} here"
    return ""


def _fingerprint_of_base(adapter: Path, base: str | None) -> str | None:
    """Fingerprint of the weights that a local adapter was made for; None if that cannot be told."""
    file = adapter / "base_fingerprint.txt"
    if file.is_file():
        return file.read_text().strip()
    for folder in (adapter / base, Path(base).expanduser()) if base else ():
        if (folder / "config.json").is_file():
            return weights_fingerprint(folder)
    return None


def _cannot_load(what: str, path: str, error: Exception) -> ModelError:
    first = str(error).strip().splitlines()
    where = (
        "look at the files in that folder"
        if is_folder_name(path)
        else "it is no local folder; give one, or a hub name that can be reached from here"
    )
    return ModelError(
        f"{what} {path!r} cannot be loaded ({type(error).__name__}: {first[0] if first else ''}); {where}"
    )
