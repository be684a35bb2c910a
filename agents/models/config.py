"""Which language model to load, as configuration. Importing this loads neither torch nor transformers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from negotiation.errors import ModelError

if TYPE_CHECKING:
    from agents.models.protocol import LanguageModel

Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")]
DType = Literal["auto", "float32", "bfloat16", "float16", "autocast"]


def _no_thinking() -> dict[str, JsonValue]:
    return {"enable_thinking": False}


class _LocalModelConfig(BaseModel):
    """Settings of every model that runs in this process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Device = Field(
        "auto", description='"auto" takes a GPU if there is one, else the CPU; or cpu, cuda, cuda:1, mps'
    )
    dtype: DType = Field(
        "auto",
        description='number format of the weights; "auto" is bfloat16 on a GPU and float32 on the CPU; '
        '"autocast" keeps float32 weights and multiplies in bfloat16',
    )
    max_batch: int = Field(32, ge=1, description="most sequences in one forward pass")
    num_threads: int | None = Field(
        None,
        ge=1,
        description="CPU threads of torch, for the whole process; leave out to keep torch's own choice",
    )


class BundledConfig(_LocalModelConfig):
    """The small model that ships with Concordat, with one adapter per culture."""

    kind: Literal["bundled"] = "bundled"
    adapters: tuple[str, ...] | None = Field(
        None, description="culture ids whose adapters are loaded; leave out for all that are shipped"
    )


class TransformersConfig(_LocalModelConfig):
    """Any causal language model that transformers loads, with PEFT adapters."""

    kind: Literal["transformers"] = "transformers"
    path: str = Field(min_length=1, description="a local folder or a hub name such as Qwen/Qwen3-4B")
    revision: str | None = Field(None, description="branch, tag or commit of a hub model")
    adapters: dict[str, str] = Field(
        default_factory=dict, description="adapter name (say, a culture id) to its PEFT folder or hub name"
    )
    device_map: Literal["auto", "balanced", "balanced_low_0", "sequential"] | None = Field(
        None,
        description="how the layers are spread over the GPUs that this process sees, for a model that one cannot hold;"
        " needs accelerate, and device auto; none: the whole model on one device",
    )
    gpus: int = Field(1, ge=1, le=64, description="GPUs of one copy; above 1 it needs device_map")
    chat_template_options: dict[str, JsonValue] = Field(
        default_factory=_no_thinking,
        description="variables handed to the chat template; templates that do not know one ignore it",
    )

    @model_validator(mode="after")
    def _check_map(self) -> Self:
        if self.device_map is None and self.gpus > 1:
            raise ValueError(f"gpus is {self.gpus}, but the model is on one device; set device_map: auto")
        if self.device_map is not None and self.device != "auto":
            raise ValueError(
                f"device_map {self.device_map} spreads the model, and device {self.device} holds it in one place;"
                " leave one of them out"
            )
        return self


class VLLMConfig(BaseModel):
    """Any causal language model that vLLM runs, with LoRA adapters, on one GPU or several (the extra ``vllm``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["vllm"] = "vllm"
    path: str = Field(min_length=1, description="a local folder or a hub name such as Qwen/Qwen3-32B")
    revision: str | None = Field(None, description="branch, tag or commit of a hub model")
    adapters: dict[str, str] = Field(
        default_factory=dict, description="adapter name (say, a culture id) to its LoRA folder"
    )
    chat_template_options: dict[str, JsonValue] = Field(
        default_factory=_no_thinking,
        description="variables handed to the chat template; templates that do not know one ignore it",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description='number format of the weights; "auto" is what vLLM takes for this checkpoint'
    )
    quantization: str | None = Field(
        None,
        min_length=1,
        description="how weights are quantized, as vLLM names it; none: as the checkpoint says",
    )
    max_model_len: int | None = Field(
        None,
        ge=2,
        description="context window, tokens; none: the model's own, which may take more memory than there is",
    )
    tensor_parallel_size: int = Field(1, ge=1, description="GPUs that share every layer")
    pipeline_parallel_size: int = Field(
        1, ge=1, description="groups of GPUs that each hold some of the layers"
    )
    gpu_memory_utilization: float = Field(
        0.9,
        gt=0,
        le=1,
        description="part of each GPU's memory that vLLM takes, for weights and key-value cache",
    )
    max_num_seqs: int | None = Field(
        None, ge=1, description="most sequences that are computed at once; none: vLLM's own choice"
    )
    max_lora_rank: int | None = Field(
        None, ge=1, description="highest rank of an adapter; none: the highest of those that are loaded"
    )
    enforce_eager: bool = Field(
        False, description="no compiled graphs: starts sooner, runs slower, takes less memory"
    )
    num_threads: int | None = Field(
        None, ge=1, description="CPU threads of torch in the process that asks vLLM, which runs in its own"
    )
    engine_options: dict[str, JsonValue] = Field(
        default_factory=dict, description="more arguments for vLLM's engine, by their names there"
    )

    @field_validator("engine_options")
    @classmethod
    def _check_options(cls, options: dict[str, JsonValue]) -> dict[str, JsonValue]:
        ours = sorted(options.keys() & (VLLM_ARGUMENTS | cls.model_fields.keys()))
        if ours:
            raise ValueError(
                f"{', '.join(ours)} cannot be set here; use the setting of that purpose, if there is one"
            )
        return options


VLLM_ARGUMENTS = frozenset(
    {"model", "tokenizer", "trust_remote_code", "enable_lora", "max_loras", "max_cpu_loras", "seed", "runner"}
)
"""Arguments of vLLM's engine that this project sets itself."""


class OpenAIConfig(BaseModel):
    """A model behind an OpenAI-compatible HTTP server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["openai"] = "openai"
    model: str = Field(min_length=1, description="model name as the server knows it")
    base_url: str = Field(
        description="server address up to and with the version, e.g. http://127.0.0.1:8000/v1"
    )
    api_key_env: str = Field(
        "CONCORDAT_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable that holds the key; none is sent if it is not set",
    )
    adapters: dict[str, str] = Field(
        default_factory=dict,
        description="adapter name (say, a culture id) to the model name it is served under",
    )
    extra_body: dict[str, JsonValue] = Field(
        default_factory=dict, description="more fields for every request body"
    )
    concurrency: int = Field(16, ge=1, description="most requests in flight at once")
    timeout_s: float = Field(120.0, gt=0, description="seconds until an unanswered request counts as failed")
    max_retries: int = Field(4, ge=0, description="tries after the first, on transient faults only")
    backoff_s: float = Field(0.5, gt=0, description="wait before the first retry; doubles each time")
    max_wait_s: float = Field(
        30.0, gt=0, description="longest wait before a retry, also when the server asks for more"
    )

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not an address; give one such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password:
            raise ValueError(
                "the address holds a user name or password; put the key in an environment variable"
            )
        return url.rstrip("/")


AnyModelConfig = BundledConfig | TransformersConfig | VLLMConfig | OpenAIConfig
"""Any of the kinds of model, as a type of values."""

ModelConfig = Annotated[AnyModelConfig, Field(discriminator="kind")]
"""Any of the kinds of model; which one is told by ``kind``."""


def gpus_of(config: AnyModelConfig) -> int:
    """How many whole GPUs one copy of a model asks for; 1 for one that may share its GPU, 0 for one behind a server.

    >>> gpus_of(VLLMConfig(path="Qwen/Qwen3-32B", tensor_parallel_size=4))
    4
    """
    if isinstance(config, OpenAIConfig):
        return 0
    if isinstance(config, VLLMConfig):
        return config.tensor_parallel_size * config.pipeline_parallel_size
    return config.gpus if isinstance(config, TransformersConfig) else 1


def parse_model_argument(argument: str, **settings: Any) -> AnyModelConfig:
    """The configuration that a ``--model`` argument names.

    Args:
        argument: ``bundled``, a folder or hub name, ``vllm:`` before one, or ``openai:MODEL@http://host/v1``.
        settings: further fields of that configuration.

    Raises:
        ModelError: if the argument or a setting is wrong.

    >>> parse_model_argument("bundled").kind
    'bundled'
    >>> parse_model_argument("openai:qwen@http://127.0.0.1:8000/v1").base_url
    'http://127.0.0.1:8000/v1'
    >>> parse_model_argument("vllm:Qwen/Qwen3-32B", tensor_parallel_size=4).path
    'Qwen/Qwen3-32B'
    >>> parse_model_argument("Qwen/Qwen3-4B", device="cpu").path
    'Qwen/Qwen3-4B'
    """
    text = argument.strip()
    if not text:
        raise ModelError(
            "the model is empty; give bundled, a folder, a hub name, vllm:NAME or openai:MODEL@http://host/v1"
        )
    try:
        if text == "bundled":
            return BundledConfig(**settings)
        if text.startswith("openai:"):
            # The model's name may hold an @, so the address is what follows the last "@http".
            match = re.fullmatch(r"openai:(?P<model>.+)@(?P<url>https?://.+)", text)
            if match is None:
                raise ModelError(f"model {argument!r} is not of the form openai:MODEL@http://host:port/v1")
            return OpenAIConfig(model=match["model"], base_url=match["url"], **settings)
        if text.startswith("vllm:"):
            return VLLMConfig(path=text.removeprefix("vllm:").strip(), **settings)
        return TransformersConfig(path=text, **settings)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'model'}: {e['msg']}" for e in error.errors())
        raise ModelError(f"model {argument!r}: {details}") from error


def load_model(config: AnyModelConfig) -> LanguageModel:
    """Load a model with its adapters.

    Raises:
        ModelError: if the model or an adapter cannot be loaded as configured. A server is not contacted yet.
    """
    # Imported here because they bring torch, transformers or httpx.
    if isinstance(config, OpenAIConfig):
        from agents.models.openai_model import OpenAIModel

        return OpenAIModel(config)
    if isinstance(config, VLLMConfig):
        from agents.models.vllm_model import VLLMModel

        return VLLMModel(config)
    from agents.models.transformers_model import TransformersModel

    if isinstance(config, BundledConfig):
        from agents.bundled import bundled_transformers_config

        return TransformersModel(bundled_transformers_config(config), name="bundled")
    return TransformersModel(config)
