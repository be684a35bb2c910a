"""The negotiation game: guidelines, utilities, the meta-game and its solution.

Pure NumPy, SciPy and OpenSpiel: importing this package loads no Ray, torch or transformers.
"""
