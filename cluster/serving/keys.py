"""API keys: kept as SHA-256 hashes only, each with a name and a number of requests a minute.

A key is made by ``concordat serve-key NAME``: 32 random bytes, so that its plain hash is as safe as a slow one. A file of keys
has one a line, ``NAME sha256:HEX [REQUESTS_PER_MINUTE]``; ``#`` begins a comment. The variable ``CONCORDAT_SERVE_KEYS`` holds the
same lines, parted by line breaks or semicolons.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from negotiation.errors import ConfigurationError

VARIABLE = "CONCORDAT_SERVE_KEYS"
PREFIX = "ck-"

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})\s+sha256:(?P<hex>[0-9a-f]{64})(?:\s+(?P<rate>\d{1,9}))?"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key.

    Attributes:
        name: whose it is; this is what logs say.
        digest: SHA-256 of the key, 32 bytes.
        per_minute: requests; None for the server's own number.
    """

    name: str
    digest: bytes
    per_minute: int | None = None

    def __repr__(self) -> str:
        return f"ApiKey({self.name})"


def make_key(name: str) -> tuple[str, str]:
    """A new key, to be given to whoever uses it, and the line for the file of keys.

    Raises:
        ConfigurationError: if the name cannot stand in that file.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    line = f"{name} sha256:{_digest(key).hex()}"
    if not _LINE.fullmatch(line):
        raise ConfigurationError(
            f"name {name!r}: use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return key, line


def read_keys(text: str, source: str) -> tuple[ApiKey, ...]:
    """The keys of a text.

    Raises:
        ConfigurationError: naming the line that cannot be read; its content is not repeated, it might be a key.
    """
    keys: list[ApiKey] = []
    for number, line in enumerate(re.split(r"[\n;]", text), start=1):
        bare = line.split("#", 1)[0].strip()
        if not bare:
            continue
        match = _LINE.fullmatch(bare)
        if match is None:
            raise ConfigurationError(
                f"{source}, line {number}: not of the form 'NAME sha256:HEX [REQUESTS_PER_MINUTE]';"
                " make a key with 'concordat serve-key NAME'"
            )
        rate = None if match["rate"] is None else int(match["rate"])
        if rate == 0:
            raise ConfigurationError(f"{source}, line {number}: 0 requests a minute; leave the line out")
        if any(key.name == match["name"] for key in keys):
            raise ConfigurationError(f"{source}, line {number}: name {match['name']!r} is there twice")
        keys.append(ApiKey(match["name"], bytes.fromhex(match["hex"]), rate))
    return tuple(keys)


def load_keys(path: Path | None, environment: Mapping[str, str] | None = None) -> tuple[ApiKey, ...]:
    """The keys of a file and of the environment; none if neither is given.

    Raises:
        ConfigurationError: if the file cannot be read or holds none, or a line is wrong.
    """
    environment = os.environ if environment is None else environment
    keys: tuple[ApiKey, ...] = ()
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"API keys {path} cannot be read: {error}") from error
        keys = read_keys(text, str(path))
        if not keys:
            raise ConfigurationError(
                f"API keys {path}: no key in it; make one with 'concordat serve-key NAME'"
            )
    if environment.get(VARIABLE, "").strip():
        keys += read_keys(environment[VARIABLE], VARIABLE)
    names = [key.name for key in keys]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"API keys: a name is both in {path} and in {VARIABLE}; rename one")
    return keys


@dataclass(slots=True)
class _Bucket:
    """Tokens that are filled up steadily; each request takes one."""

    left: float
    at: float


@dataclass(slots=True)
class Doorkeeper:
    """Checks keys and counts requests, in one replica of the API.

    Attributes:
        keys: that are let in; with none everybody is.
        per_minute: of keys that have no number of their own.
        clock: seconds that rise.
    """

    keys: tuple[ApiKey, ...]
    per_minute: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def find(self, authorization: str | None) -> ApiKey | None:
        """The key of a header ``Authorization: Bearer KEY``; every key is compared, in constant time."""
        kind, _, given = (authorization or "").partition(" ")
        digest = _digest(given.strip())
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found if kind.lower() == "bearer" else None

    def wait(self, key: ApiKey) -> float:
        """Take one request of a key's rate: seconds to wait, 0 if it may go on.

        A minute's requests may come at once, if as few came before.
        """
        rate = key.per_minute or self.per_minute
        now = self.clock()
        bucket = self._buckets.setdefault(key.name, _Bucket(float(rate), now))
        bucket.left = min(float(rate), bucket.left + (now - bucket.at) * rate / 60.0)
        bucket.at = now
        if bucket.left < 1.0:
            return (1.0 - bucket.left) * 60.0 / rate
        bucket.left -= 1.0
        return 0.0


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
