"""The keys that sign checkpoints: one file, made at the first start, readable by its owner only.

    PRIVATE+KEY+mcpanel.local/audit+c3a1…+A…
    PRIVATE+KEY+mcpanel.local/audit+9be0…+A… until=2026-12-01T00:00:00+00:00
    mcpanel.local/audit+77d2…+A…

The first line signs. One with a time signs beside it until then, so that whoever knows only that key can go on; from
then on, as the public keys do, it only vouches for what it signed. `rotate` puts a new key before the others.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from audit.checkpoint import KeyInvalid, Signer, Verifier

log = logging.getLogger(__name__)

Signing = Callable[[], Signer]
"""Gives the signer of the moment."""

FILE: Final = "audit.signing.key"
OVERLAP: Final = timedelta(days=30)
_UNTIL: Final = " until="
_MOST_BYTES: Final = 64 * 1024
_FAR: Final = datetime.max.replace(tzinfo=UTC)


class KeyFileError(Exception):
    """The key file cannot be used; the message is one sentence for whoever started the service."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A key of the file. `signer` is None where only the public half is there; `until` is when it stops signing."""

    verifier: Verifier
    signer: Signer | None = None
    until: datetime | None = None

    def signs(self, now: datetime) -> bool:
        return self.signer is not None and (self.until is None or now < self.until)

    def text(self, now: datetime) -> str:
        """The line; of a key that signs no more, only its public half."""
        if self.signer is None or not self.signs(now):
            return str(self.verifier)
        return self.signer.secret() + (f"{_UNTIL}{self.until.isoformat()}" if self.until else "")


class SigningKeys:
    """The log's keys as the file says now: it is read again when it changed, or when a key stops signing."""

    def __init__(
        self, path: Path, origin: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Raises KeyFileError."""
        self._path = path
        self._origin = origin
        self._clock = clock
        self._read()

    def __call__(self) -> Signer:
        """The signer. A file that cannot be used any more is as good as one that did not change."""
        if self._clock() >= self._until or _stamp(self._path) != self._stamp:
            try:
                self._read()
            except KeyFileError as error:
                log.error(
                    "the key that was read before goes on signing", extra={"error": str(error)}
                )  # a sentence
        return self._signer

    def _read(self) -> None:
        now = self._clock()
        self._stamp = _stamp(self._path)
        lines = _lines(self._path)
        signer = _signer(lines, now)
        if signer.verifier.name != self._origin:
            raise KeyFileError(
                f"{self._path} is the key of the log {signer.verifier.name!r}, but MCPANEL_AUDIT_ORIGIN is "
                f"{self._origin!r}"
            )
        self._signer = signer
        self._until = min((one.until for one in lines if one.until and one.signs(now)), default=_FAR)


def load_or_create(folder: Path, origin: str) -> SigningKeys:
    """The log's keys from `folder`, one made there first if there is none. Raises KeyFileError.

    A lost key is not replaced by hand: checkpoints signed before would no longer verify.
    """
    path = folder / FILE
    try:
        if not path.exists():
            _create(path, Signer.generate(origin))
    except OSError as error:
        raise KeyFileError(f"{path} cannot be made: {error.strerror}") from error
    return SigningKeys(path, origin)


def read(path: Path, now: datetime | None = None) -> Signer:
    """The keys in a file, as they sign now. Raises KeyFileError."""
    return _signer(_lines(path), now or datetime.now(UTC))


def rotate(path: Path, now: datetime, overlap: timedelta = OVERLAP) -> Signer:
    """Puts a new key before those of the file; the one that signed until now does so beside it for `overlap`.

    Keys that sign no more lose their private half. Raises KeyFileError, and then nothing changed.
    """
    current, *others = _lines(path)
    new = Signer.generate(current.verifier.name)
    kept = _Line(current.verifier, current.signer, now + overlap)
    text = [new.secret(), *(one.text(now) for one in (kept, *others))]
    try:
        _written(path, "\n".join(text) + "\n").replace(path)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error
    return read(path, now)


def _signer(lines: Sequence[_Line], now: datetime) -> Signer:
    beside = [one.signer for one in lines[1:] if one.signer is not None and one.signs(now)]
    before = [one.verifier for one in lines[1:] if not one.signs(now)]
    first = lines[0].signer
    if first is None:
        raise KeyFileError("the first key is not a private one")
    return first.joined(beside, before)


def _lines(path: Path) -> list[_Line]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode()
        found = [_line(line) for line in text.splitlines() if line.strip()]
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyInvalid, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} is not a signing key: {error}") from None
    if not found or found[0].signer is None or found[0].until is not None:
        raise KeyFileError(
            f"{path} is not a signing key: its first line is no private key that goes on signing"
        )
    if len({one.verifier.name for one in found}) > 1:
        raise KeyFileError(f"{path} is not a signing key: it has keys of several logs")
    return found


def _line(text: str) -> _Line:
    key, separator, time = text.strip().partition(_UNTIL)
    try:
        until = datetime.fromisoformat(time).astimezone(UTC) if separator else None
    except (ValueError, OverflowError):
        raise KeyInvalid("what follows until= is no time") from None
    if key.startswith("PRIVATE"):
        signer = Signer.parse(key)
        return _Line(signer.verifier, signer, until)
    return _Line(Verifier.parse(key))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _create(path: Path, signer: Signer) -> None:
    """Writes the key whole or not at all; of two processes at once, the first wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = _written(path, signer.secret() + "\n")
    try:
        path.hardlink_to(written)
    except FileExistsError:
        pass
    finally:
        written.unlink()


def _written(path: Path, text: str) -> Path:
    """A file beside `path` that holds the text."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:  # mode 0600
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(file.name)
