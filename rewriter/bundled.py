"""Where the bundled model's rewriter adapter lies."""

from __future__ import annotations

from pathlib import Path

from negotiation.errors import ModelError

BUNDLED_ADAPTER = Path(__file__).parent / "data" / "bundled" / "adapter"
"""The adapter that turns the bundled model into a rewriter, a standard PEFT folder."""


def bundled_rewriter_path() -> Path:
    """Folder of the bundled rewriter adapter.

    Raises:
        ModelError: if it is not there.
    """
    if not (BUNDLED_ADAPTER / "adapter_config.json").is_file():
        raise ModelError(
            f"the bundled rewriter adapter is missing: no file {BUNDLED_ADAPTER / 'adapter_config.json'}; install the"
            " package again, train one with `concordat train rewriter` and give its folder with --adapter, or give"
            " --adapter none for the model alone"
        )
    return BUNDLED_ADAPTER
