"""The key that signs checkpoints: one file, made at the first start, readable by its owner only."""

import os
import tempfile
from pathlib import Path
from typing import Final

from audit.checkpoint import KeyInvalid, Signer

FILE: Final = "audit.signing.key"


class KeyFileError(Exception):
    """The key file cannot be used; the message is one sentence for whoever started the service."""


def load_or_create(folder: Path, origin: str) -> Signer:
    """The log's key from `folder`, made there first if there is none. Raises KeyFileError.

    A lost key is not replaced by hand: checkpoints signed before would no longer verify.
    """
    path = folder / FILE
    try:
        if not path.exists():
            _create(path, Signer.generate(origin))
    except OSError as error:
        raise KeyFileError(f"{path} cannot be made: {error.strerror}") from error
    signer = read(path)
    if signer.verifier.name != origin:
        raise KeyFileError(
            f"{path} is the key of the log {signer.verifier.name!r}, but MCPANEL_AUDIT_ORIGIN is {origin!r}"
        )
    return signer


def read(path: Path) -> Signer:
    """The key in a file. Raises KeyFileError."""
    try:
        return Signer.parse(path.read_text().strip())
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyInvalid, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} is not a signing key: {error}") from None


def _create(path: Path, signer: Signer) -> None:
    """Writes the key whole or not at all; of two processes at once, the first wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{FILE}.", delete=False
    ) as file:  # mode 0600
        file.write(signer.secret() + "\n")
        file.flush()
        os.fsync(file.fileno())
    written = Path(file.name)
    try:
        path.hardlink_to(written)
    except FileExistsError:
        pass
    finally:
        written.unlink()
