"""A model that vLLM runs in processes of its own: continuous batching, paged key-value cache, tensor parallelism.

vLLM is an extra (``vllm``) and is imported when a model is loaded. Written for the API of vLLM 0.32 and 0.33: ``LLM.generate``
takes one ``SamplingParams`` and one ``LoRARequest`` a prompt, so that a call mixes adapters, temperatures and seeds;
``prompt_logprobs=0`` gives the log-probability of each prompt token, by which texts are scored.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.models.config import VLLMConfig
from agents.models.loading import (
    check_base,
    load_tokenizer,
    locate,
    quiet_loading,
    use_threads,
    weights_fingerprint,
)
from agents.models.protocol import Finish, Generation, GenerationRequest, Score, ScoringRequest
from agents.models.rendering import dialogue_ids, text_ids
from negotiation.errors import ModelError, ModelServerError

_SEEDS = 2**63
"""vLLM gives seeds to torch's generators, which take those below this."""
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The bounds on the rank of adapters that vLLM can be started with."""
_LENGTH_ERROR = "shorten the texts, or raise max_model_len if the model and the memory allow it"


class VLLMModel:
    """A language model in vLLM's processes. Calls from several threads wait for each other; one call is one batch.

    A reply is a function of the model, the request and its seed, up to the rounding of matrix products, which hangs on what
    else is computed at the time; vLLM's own setting ``VLLM_BATCH_INVARIANT=1`` removes that on the GPUs it supports.
    vLLM takes a temperature between 0 and 0.01 for 0.01.

    Args:
        config: model, adapters, GPUs.

    Attributes:
        name: for records; begins with ``vllm:``, and has a fingerprint of the weights if the model is a folder.

    Raises:
        ModelError: if vLLM is not installed, or the model or an adapter cannot be loaded.
    """

    def __init__(self, config: VLLMConfig) -> None:
        vllm = _import_vllm()
        use_threads(config.num_threads)
        self._config = config
        self._vllm = vllm
        path = locate("model", config.path, "config.json")
        self._tokenizer = load_tokenizer(config, path)
        fingerprint = weights_fingerprint(Path(path)) if Path(path).is_dir() else None
        name = config.path if fingerprint is None else f"{Path(path).name}@{fingerprint[:12]}"
        self.name = f"vllm:{name}"
        self._lock = threading.Lock()
        folders = {
            adapter: _adapter_folder(adapter, folder, config.path, fingerprint)
            for adapter, folder in config.adapters.items()
        }
        try:
            with quiet_loading():
                self._engine = vllm.LLM(**engine_arguments(config, path, folders))
        except Exception as error:
            # vLLM raises ValueError, RuntimeError, pydantic's and torch's errors here, and its workers' in RuntimeError.
            raise ModelError(
                f"vLLM cannot load model {config.path!r} ({type(error).__name__}: {_first_line(error)});"
                " look at what it logged above; a smaller max_model_len or max_num_seqs, or more GPUs"
                " (tensor_parallel_size), save memory"
            ) from error
        self._window = int(self._engine.model_config.max_model_len)
        self._adapters = {
            adapter: self._load_adapter(adapter, number, folder)
            for number, (adapter, folder) in enumerate(folders.items(), start=1)
        }

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters, in the order of loading."""
        return tuple(self._adapters)

    def close(self) -> None:
        """End vLLM's processes, which frees the GPUs; no call may follow."""
        # ``LLM`` has no method for it; its engine core has, and ends with the object otherwise.
        with self._lock, contextlib.suppress(AttributeError):
            self._engine.llm_engine.engine_core.shutdown()

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Write one reply a request, each with its own temperature, nucleus, seed, bound and adapter.

        Raises:
            ModelError: if a dialogue leaves no room for a reply in the context window, or an adapter is not loaded.
            ModelServerError: if vLLM's processes fail.
        """
        prompts = [self._dialogue(request.messages, place) for place, request in enumerate(requests)]
        self._check(requests, [len(prompt) for prompt in prompts])
        params = [self._sampling(request, len(ids)) for request, ids in zip(requests, prompts, strict=True)]
        outputs, seconds = self._run(prompts, params, requests)
        return [
            Generation(
                text=output.outputs[0].text,
                prompt_tokens=len(ids),
                generated_tokens=len(output.outputs[0].token_ids),
                finish=_finish(output.outputs[0].finish_reason),
                seconds=seconds / len(outputs),
            )
            for output, ids in zip(outputs, prompts, strict=True)
        ]

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """Log-probability of each text as the next assistant turn, teacher-forced, without its end-of-turn token.

        vLLM writes one token behind the text, which is thrown away; the text must leave room for it in the context window.

        Raises:
            ModelError: as in ``generate``.
            ModelServerError: if vLLM's processes fail, or give something else than asked.
        """
        dialogues = [self._dialogue(request.messages, place) for place, request in enumerate(requests)]
        texts = [text_ids(self._tokenizer, request.text, place) for place, request in enumerate(requests)]
        prompts = [[*dialogue, *text] for dialogue, text in zip(dialogues, texts, strict=True)]
        self._check(requests, [len(prompt) for prompt in prompts])
        once = self._vllm.SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        outputs, _ = self._run(prompts, [once] * len(prompts), requests)
        return [
            _score(output.prompt_logprobs, prompt, len(text))
            for output, prompt, text in zip(outputs, prompts, texts, strict=True)
        ]

    def _dialogue(self, messages: Any, place: int) -> list[int]:
        return dialogue_ids(
            self._tokenizer, messages, self._config.chat_template_options, place, self._config.path
        )

    def _check(self, requests: Sequence[GenerationRequest | ScoringRequest], lengths: Sequence[int]) -> None:
        for place, (request, length) in enumerate(zip(requests, lengths, strict=True)):
            if request.adapter is not None and request.adapter not in self._adapters:
                known = ", ".join(self._adapters) or "none"
                raise ModelError(
                    f"request {place}: adapter {request.adapter!r} is not loaded; there are: {known}"
                )
            if length + 1 > self._window:
                raise ModelError(
                    f"request {place}: {length} tokens of dialogue and text and one more do not fit into the context"
                    f" window of {self._window} tokens of model {self._config.path!r}; {_LENGTH_ERROR}"
                )

    def _sampling(self, request: GenerationRequest, length: int) -> Any:
        greedy = request.temperature == 0
        return self._vllm.SamplingParams(
            temperature=request.temperature,
            top_p=1.0 if greedy else request.top_p,
            seed=request.seed % _SEEDS,
            max_tokens=min(request.max_new_tokens, self._window - length),
        )

    def _run(
        self,
        prompts: Sequence[list[int]],
        params: Sequence[Any],
        requests: Sequence[GenerationRequest | ScoringRequest],
    ) -> tuple[list[Any], float]:
        """Outputs of vLLM in order, and the seconds that they took."""
        if not prompts:
            return [], 0.0
        loras = [None if one.adapter is None else self._adapters[one.adapter] for one in requests]
        began = time.perf_counter()
        try:
            with self._lock:
                outputs = self._engine.generate(
                    [{"prompt_token_ids": prompt} for prompt in prompts],
                    list(params),
                    use_tqdm=False,
                    lora_request=loras if self._adapters else None,
                )
        except Exception as error:
            raise ModelServerError(
                f"vLLM failed on a batch of {len(prompts)} ({type(error).__name__}: {_first_line(error)});"
                " look at what it logged above, and lower gpu_memory_utilization or max_num_seqs if memory ran out"
            ) from error
        # vLLM also finishes what a call before left behind that was interrupted; outputs come in the order of asking.
        return list(outputs)[-len(prompts) :], time.perf_counter() - began

    def _load_adapter(self, name: str, number: int, folder: str) -> Any:
        request = self._vllm.LoRARequest(name, number, folder)
        try:
            # At the first request that names it vLLM would load it too; then an unfit one would end the engine.
            loaded = self._engine.llm_engine.add_lora(request)
        except Exception as error:
            raise ModelError(
                f"adapter {name!r} ({folder}) cannot be loaded onto model {self._config.path!r} by vLLM"
                f" ({type(error).__name__}: {_first_line(error)}); use a plain LoRA adapter of this base"
            ) from error
        if not loaded:
            raise ModelError(f"vLLM refuses adapter {name!r} ({folder}); look at what it logged above")
        return request


def engine_arguments(config: VLLMConfig, path: str, adapters: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of ``vllm.LLM``.

    Every adapter has a place on the GPU, so that a batch may mix all of them; ``engine_options`` go over what is said here.

    Args:
        config: the settings.
        path: folder or hub name of the model.
        adapters: folders by name.
    """
    arguments: dict[str, Any] = {
        "model": path,
        "revision": config.revision,
        "tokenizer_revision": config.revision,
        "dtype": config.dtype,
        "seed": 0,
        "tensor_parallel_size": config.tensor_parallel_size,
        "pipeline_parallel_size": config.pipeline_parallel_size,
        "gpu_memory_utilization": config.gpu_memory_utilization,
        "enforce_eager": config.enforce_eager,
        "trust_remote_code": False,
    }
    optional = {
        "quantization": config.quantization,
        "max_model_len": config.max_model_len,
        "max_num_seqs": config.max_num_seqs,
    }
    arguments |= {name: value for name, value in optional.items() if value is not None}
    if config.tensor_parallel_size * config.pipeline_parallel_size > 1:
        # In a Ray actor of a placement group vLLM would ask Ray for GPUs of its own, which the actor holds already.
        arguments["distributed_executor_backend"] = "mp"
    if adapters:
        rank = config.max_lora_rank or max(_rank(name, folder) for name, folder in adapters.items())
        arguments |= {
            "enable_lora": True,
            "max_loras": len(adapters),
            "max_cpu_loras": len(adapters),
            "max_lora_rank": _allowed_rank(rank),
        }
    return arguments | dict(config.engine_options)


def _import_vllm() -> Any:
    try:
        import vllm
        import vllm.lora.request
    except ImportError as error:
        missing = getattr(error, "name", None)
        what = "is not installed" if missing == "vllm" else f"cannot be imported ({error})"
        raise ModelError(
            f"vLLM {what}; install the extra, e.g. pip install 'concordat[vllm]' on a machine with a GPU,"
            " give the model without vllm: before it, or use a vLLM server by openai:MODEL@http://host:8000/v1"
        ) from error
    return _Names(vllm.LLM, vllm.SamplingParams, vllm.lora.request.LoRARequest)


class _Names:
    """What is used of vLLM."""

    def __init__(self, llm: Any, sampling_params: Any, lora_request: Any) -> None:
        self.LLM = llm
        self.SamplingParams = sampling_params
        self.LoRARequest = lora_request


def _adapter_folder(name: str, path: str, model: str, fingerprint: str | None) -> str:
    found = locate(f"adapter {name!r}", path, "adapter_config.json")
    if not Path(found).is_dir():
        raise ModelError(
            f"adapter {name!r}: {path!r} is no local folder; vLLM loads adapters from folders, so download it first"
        )
    check_base(name, found, model, fingerprint)
    return found


def _rank(name: str, folder: str) -> int:
    """Highest rank of an adapter's matrices, as its settings say."""
    file = Path(folder) / "adapter_config.json"
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
        ranks = [int(settings["r"]), *map(int, (settings.get("rank_pattern") or {}).values())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"adapter {name!r}: {file} names no rank r; vLLM runs LoRA adapters only") from error
    return max(ranks)


def _allowed_rank(rank: int) -> int:
    for allowed in _RANKS:
        if rank <= allowed:
            return allowed
    raise ModelError(f"an adapter has rank {rank}; vLLM runs ranks up to {_RANKS[-1]}")


def _finish(reason: str | None) -> Finish:
    finishes: dict[str | None, Finish] = {"stop": "stop", "length": "length"}
    if reason not in finishes:
        raise ModelServerError(f"vLLM ended a reply with {reason!r} in place of stop or length; try it again")
    return finishes[reason]


def _score(positions: Any, prompt: Sequence[int], length: int) -> Score:
    """Score of the last ``length`` tokens of a prompt.

    Raises:
        ModelServerError: if a log-probability is missing or is none.
    """
    found = []
    if positions is None or len(positions) != len(prompt):
        raise ModelServerError(
            "vLLM gives no prompt_logprobs for the whole prompt, so that it cannot score texts"
        )
    for place in range(len(prompt) - length, len(prompt)):
        entry = (positions[place] or {}).get(prompt[place])
        if entry is None:
            raise ModelServerError(f"vLLM gives no log-probability of prompt token {place}")
        found.append(float(entry.logprob))
    score = Score.of(found)
    if not score.logprob <= 0:  # also catches NaN
        raise ModelServerError("the model's logits are not finite; use dtype float32 or another model")
    return score


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else ""
