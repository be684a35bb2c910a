"""The part of OpenAI's API that is served: models, chat, completions and embeddings.

Fields that clients send and that mean nothing here (``user``, ``metadata`` ...) are taken and ignored; those that would change
the answer and are not served take the one value that changes nothing. Other fields are refused, so that nobody believes in
what is not done.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from cluster.serving.schema import MOST_TEXT, MOST_TEXTS, ModelNote, PolicyAnswer

MOST_MESSAGES = 256
"""Messages of one dialogue."""

EXAMPLE_MODEL = "consensus/english-speaking+confucian"
EXAMPLE_QUESTION = "Should voting be a duty?"

ModelId = Annotated[str, Field(min_length=1, max_length=250, examples=[EXAMPLE_MODEL])]
Ignored = Annotated[JsonValue, Field(description="taken, and of no effect")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


# --- Models


class ModelCard(_Reply):
    """A model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="when the server came to know of it, seconds since 1970")
    owned_by: Literal["concordat"] = "concordat"
    concordat: ModelNote


class ModelList(_Reply):
    """All models that can be asked."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


# --- What chat and completions have in common


class StreamOptions(_Request):
    """What a stream brings beside the text."""

    include_usage: bool = False
    include_obfuscation: Ignored = None


class _Sampled(_Request):
    model: ModelId
    max_tokens: int | None = Field(None, ge=1, le=1_000_000, description="most new tokens of the base model")
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False, description="0 is greedy")
    top_p: float | None = Field(None, gt=0, le=1, allow_inf_nan=False)
    seed: int | None = Field(
        None,
        ge=-(2**63),
        lt=2**63,
        description="same seed, same answer, and the same guideline drawn; none: another each time",
    )
    stop: (
        Annotated[str, Field(min_length=1, max_length=200)]
        | Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=4)]
        | None
    ) = Field(None, description="the base model's answer ends before the first of these")
    stream: bool | None = Field(False, description="send the answer in pieces, as server-sent events")
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = 1
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    user: Ignored = None

    @model_validator(mode="after")
    def _options(self) -> Any:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options goes with stream: true")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        return () if self.stop is None else (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)


class Usage(_Reply):
    """Tokens of the base model."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)


Finish = Literal["stop", "length"]


# --- Chat


class TextPart(_Request):
    """A part of a message."""

    type: Literal["text"]
    text: Annotated[str, Field(max_length=MOST_TEXT)]


class ChatMessage(_Request):
    """One message of a dialogue."""

    role: Literal["system", "developer", "user", "assistant"]
    content: (
        Annotated[str, Field(max_length=MOST_TEXT)]
        | Annotated[list[TextPart], Field(min_length=1, max_length=64)]
    ) = Field(examples=[EXAMPLE_QUESTION])
    name: Ignored = None
    refusal: None = None

    @property
    def text(self) -> str:
        """Its words."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class ResponseFormat(_Request):
    """Only plain text is written."""

    type: Literal["text"]


class ChatRequest(_Sampled):
    """Ask a model."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "model": EXAMPLE_MODEL,
                    "messages": [{"role": "user", "content": EXAMPLE_QUESTION}],
                    "seed": 7,
                }
            ]
        },
    )

    messages: list[ChatMessage] = Field(min_length=1, max_length=MOST_MESSAGES)
    max_completion_tokens: int | None = Field(
        None, ge=1, le=1_000_000, description="the present name of max_tokens"
    )
    response_format: ResponseFormat | None = None
    logprobs: Literal[False] | None = None
    tools: Annotated[list[JsonValue], Field(max_length=0)] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: Ignored = None
    metadata: Ignored = None
    store: Ignored = None
    service_tier: Ignored = None
    reasoning_effort: Ignored = None
    verbosity: Ignored = None
    prompt_cache_key: Ignored = None
    safety_identifier: Ignored = None

    @field_validator("messages")
    @classmethod
    def _answerable(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        if messages[-1].role == "assistant":
            raise ValueError("the last message is the assistant's; the model is to write that one")
        if not any(message.role == "user" and message.text.strip() for message in messages):
            raise ValueError("no message of the role 'user' has any words; ask something")
        return messages

    @model_validator(mode="after")
    def _one_bound(self) -> ChatRequest:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("give max_completion_tokens or max_tokens, not both")
        return self

    @property
    def most_tokens(self) -> int | None:
        """The bound under either name."""
        return self.max_completion_tokens if self.max_tokens is None else self.max_tokens


class AnswerMessage(_Reply):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(_Reply):
    """The one answer."""

    index: Literal[0] = 0
    message: AnswerMessage
    finish_reason: Finish
    logprobs: None = None


class ChatReply(_Reply):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    concordat: PolicyAnswer | None = Field(
        None, description="how a policy came to its answer; null for cultures and the base model"
    )


class ChatDelta(_Reply):
    """What a piece adds."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(_Reply):
    """The one answer, as it grows."""

    index: Literal[0] = 0
    delta: ChatDelta
    finish_reason: Finish | None = None


class ChatChunk(_Reply):
    """A piece of an answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | None = None
    concordat: PolicyAnswer | None = Field(None, description="on the last piece")


# --- Completions


Prompt = Annotated[str, Field(min_length=1, max_length=MOST_TEXT, pattern=r"\S")]


class CompletionRequest(_Sampled):
    """Ask a model with one text."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"model": "base", "prompt": EXAMPLE_QUESTION, "max_tokens": 64}]},
    )

    prompt: Prompt | Annotated[list[Prompt], Field(min_length=1, max_length=1)] = Field(
        description="a text; it is put to the model as what a user says"
    )
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    logprobs: None = None
    suffix: None = None

    @property
    def text(self) -> str:
        """The prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


class CompletionChoice(_Reply):
    """The one answer."""

    index: Literal[0] = 0
    text: str
    finish_reason: Finish | None
    logprobs: None = None


class CompletionReply(_Reply):
    """An answer, or a piece of one."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None
    concordat: PolicyAnswer | None = None


# --- Embeddings


class EmbeddingRequest(_Request):
    """Turn texts into vectors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"model": "embedder", "input": [EXAMPLE_QUESTION]}]},
    )

    model: ModelId
    input: Prompt | Annotated[list[Prompt], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] | None = Field(
        "float", description="base64: of little-endian float32"
    )
    dimensions: None = None
    user: Ignored = None

    @property
    def texts(self) -> list[str]:
        """What is to be embedded."""
        return [self.input] if isinstance(self.input, str) else self.input


class EmbeddingRow(_Reply):
    """One text's vector, of length 1."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(_Reply):
    """Tokens of the embedder."""

    prompt_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)


class EmbeddingReply(_Reply):
    """A vector a text, in order."""

    object: Literal["list"] = "list"
    data: list[EmbeddingRow]
    model: str
    usage: EmbeddingUsage
