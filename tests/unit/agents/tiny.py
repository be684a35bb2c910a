"""Makes tiny random models and adapters in the formats of transformers and PEFT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SENTENCES = [
    "The region holds that free speech and the dignity of families both deserve protection.",
    "Heading: Shared duties\nReason: Trust grows slowly.\nDescription: Let each side report yearly.",
    "Question: Should schools teach religion? State your position in at most 80 words.",
]
WINDOW = 192


@dataclass(frozen=True)
class TinyModel:
    """Folders of a model and of its adapters ``east`` and ``west``."""

    path: Path
    adapters: dict[str, str]


def save_tokenizer(folder: Path, template: str | None = CHAT_TEMPLATE) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=["<|pad|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<|pad|>", eos_token="<|im_end|>", padding_side="left"
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_model(folder: Path, vocabulary: int, hidden: int = 32, seed: int = 0) -> Any:
    """A random Qwen3 with weights large enough that it prefers some tokens."""
    import torch
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=WINDOW,
        initializer_range=0.4,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    # Sampling defaults that must have no say: requests bring their own.
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=0.1, top_k=3, repetition_penalty=1.5, eos_token_id=2, pad_token_id=0
    )
    model.save_pretrained(folder)
    return model


def save_adapter(folder: Path, model: Any, seed: int) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from agents.models.loading import quiet_loading

    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with torch.random.fork_rng(), quiet_loading():
        torch.manual_seed(seed)
        adapted = get_peft_model(model, config)
    adapted.save_pretrained(str(folder))
    adapted.unload()
