"""Every error that Concordat raises on purpose.

    ConcordatError
    ├── ConfigurationError (ValueError)     a setting, flag or file field is wrong
    │   ├── CultureError                    unknown culture, or one twice; a survey or profiles file that cannot be used
    │   ├── TopicError                      empty or too long topic, malformed topics file
    │   ├── ModelError                      missing folder, adapter for another base, bad reply limits
    │   ├── TargetError                     a value vector of the wrong length or outside [-1, 1]
    │   └── TextError                       a text that is empty, or longer than a model takes
    ├── GameError (ValueError)              payoffs or pools that make no game (shape, NaN)
    ├── SolverError (RuntimeError)          a solver that cannot answer this game
    ├── EmbeddingError (ValueError)         an embedder returned NaN, zero or wrongly shaped vectors
    ├── OracleError (RuntimeError)          a side produced nothing usable within its bound
    │   └── MalformedReplyError             a language model wrote only garbage
    ├── ModelServerError (ConnectionError)  a model server is down or refuses
    │   └── LostBatchError                  whoever was given this batch died of it
    └── RunError (RuntimeError)             a run folder that cannot be used
        ├── RunInUseError                   another process holds it
        └── RecordError                     a record or run of another version, or damaged

Each message says what was wrong, where, and what to do. All of them pickle: every argument is passed to
``super().__init__`` and nothing else is kept.
"""


class ConcordatError(Exception):
    """Base of all errors raised on purpose."""


class ConfigurationError(ConcordatError, ValueError):
    """A setting, flag or file field is wrong."""


class CultureError(ConfigurationError):
    """An unknown culture, the same culture twice at one table, or a survey or profiles file that cannot be used."""


class TopicError(ConfigurationError):
    """An empty or too long topic, or a malformed topics file."""


class ModelError(ConfigurationError):
    """A model or adapter that cannot be loaded as configured."""


class TargetError(ConfigurationError):
    """A value vector or shift of the wrong length, not finite, or outside its range."""


class TextError(ConfigurationError):
    """A text that is empty, or longer than a model takes."""


class GameError(ConcordatError, ValueError):
    """Payoffs or pools that make no game: wrong shapes, NaN, an empty pool."""


class SolverError(ConcordatError, RuntimeError):
    """A solver that cannot answer this game."""


class EmbeddingError(ConcordatError, ValueError):
    """An embedder returned NaN, zero or wrongly shaped vectors."""


class OracleError(ConcordatError, RuntimeError):
    """A side produced nothing usable within its bound."""


class MalformedReplyError(OracleError):
    """A language model wrote no reply of the asked form within the retry bound."""


class ModelServerError(ConcordatError, ConnectionError):
    """A model server is down, refuses, or answers with something else than asked."""


class LostBatchError(ModelServerError):
    """Every model that was given this batch died or fell silent."""


class RunError(ConcordatError, RuntimeError):
    """A run folder that cannot be used."""


class RunInUseError(RunError):
    """Another process writes to this run folder."""


class RecordError(RunError):
    """A record or run folder of another version, or a damaged one."""
