"""Language models: the protocol, the configuration, and (imported when loaded) the implementations."""

from agents.models.config import (
    BundledConfig,
    ModelConfig,
    OpenAIConfig,
    TransformersConfig,
    VLLMConfig,
    gpus_of,
    load_model,
    parse_model_argument,
)
from agents.models.protocol import (
    Generation,
    GenerationRequest,
    LanguageModel,
    Message,
    Score,
    ScoringRequest,
)

__all__ = [
    "BundledConfig",
    "Generation",
    "GenerationRequest",
    "LanguageModel",
    "Message",
    "ModelConfig",
    "OpenAIConfig",
    "Score",
    "ScoringRequest",
    "TransformersConfig",
    "VLLMConfig",
    "gpus_of",
    "load_model",
    "parse_model_argument",
]
