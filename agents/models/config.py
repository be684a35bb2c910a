"""Which language model to load, as configuration. Importing this loads neither torch nor transformers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

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
    chat_template_options: dict[str, JsonValue] = Field(
        default_factory=_no_thinking,
        description="variables handed to the chat template; templates that do not know one ignore it",
    )


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


ModelConfig = Annotated[BundledConfig | TransformersConfig | OpenAIConfig, Field(discriminator="kind")]
"""Any of the kinds of model; which one is told by ``kind``."""


def parse_model_argument(argument: str, **settings: Any) -> BundledConfig | TransformersConfig | OpenAIConfig:
    """The configuration that a ``--model`` argument names.

    Args:
        argument: ``bundled``, a folder or hub name, or ``openai:MODEL@http://host/v1``.
        settings: further fields of that configuration.

    Raises:
        ModelError: if the argument or a setting is wrong.

    >>> parse_model_argument("bundled").kind
    'bundled'
    >>> parse_model_argument("openai:qwen@http://127.0.0.1:8000/v1").base_url
    'http://127.0.0.1:8000/v1'
    >>> parse_model_argument("Qwen/Qwen3-4B", device="cpu").path
    'Qwen/Qwen3-4B'
    """
    text = argument.strip()
    if not text:
        raise ModelError(
            "the model is empty; give bundled, a folder, a hub name or openai:MODEL@http://host/v1"
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
        return TransformersConfig(path=text, **settings)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'model'}: {e['msg']}" for e in error.errors())
        raise ModelError(f"model {argument!r}: {details}") from error


def load_model(config: BundledConfig | TransformersConfig | OpenAIConfig) -> LanguageModel:
    """Load a model with its adapters.

    Raises:
        ModelError: if the model or an adapter cannot be loaded as configured. A server is not contacted yet.
    """
    # Imported here because they bring torch, transformers or httpx.
    if isinstance(config, OpenAIConfig):
        from agents.models.openai_model import OpenAIModel

        return OpenAIModel(config)
    from agents.models.transformers_model import TransformersModel

    if isinstance(config, BundledConfig):
        from agents.bundled import bundled_transformers_config

        return TransformersModel(bundled_transformers_config(config), name="bundled")
    return TransformersModel(config)
