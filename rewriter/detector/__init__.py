"""Reading values in texts: the detector that ships, and one by any language model."""

from rewriter.detector.loading import BUNDLED, load_detector

__all__ = ["BUNDLED", "load_detector"]
