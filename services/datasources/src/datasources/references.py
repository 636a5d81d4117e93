"""Secret references: `env:MCPANEL_SECRET_NAME`, and `file:NAME` under the folder the operator chose."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chassis.errors import FieldViolation, Invalid

_ENVIRONMENT: Final = re.compile(r"MCPANEL_SECRET_[A-Z0-9_]{1,200}")
_FILE: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}(?:/[A-Za-z0-9_.-]{1,128}){0,7}")
_LARGEST: Final = 4096


class References:
    """Reads what references point at."""

    def __init__(self, environ: Mapping[str, str], folder: Path | None) -> None:
        self._environ = environ
        self._folder = folder

    def read(self, reference: str) -> str:
        """The secret that `reference` points at. Raises Invalid SECRET_REFERENCE_INVALID, never with its content."""
        kind, _, name = reference.partition(":")
        if kind == "env":
            return self._from_environment(name)
        if kind == "file":
            return self._from_file(name)
        raise _refused("must begin with env: or file:")

    def _from_environment(self, name: str) -> str:
        if not _ENVIRONMENT.fullmatch(name):
            raise _refused("env: takes names that begin with MCPANEL_SECRET_")
        value = self._environ.get(name, "")
        if not value:
            raise _refused(f"{name} is not set in this service's environment")
        return value

    def _from_file(self, name: str) -> str:
        if self._folder is None:
            raise _refused("file: needs MCPANEL_SECRETS_DIR, which the operator has not set")
        if not _FILE.fullmatch(name) or ".." in name.split("/"):
            raise _refused("file: takes a name under MCPANEL_SECRETS_DIR")
        try:
            folder = self._folder.resolve(strict=True)
            path = (folder / name).resolve(strict=True)
            if not path.is_relative_to(folder) or not path.is_file():
                raise _refused(f"file:{name} is no file under MCPANEL_SECRETS_DIR")
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(_LARGEST + 2)
            value = content.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError):
            raise _refused(f"file:{name} cannot be read") from None
        if not value or len(value) > _LARGEST or "\0" in value:
            raise _refused(f"file:{name} does not hold a secret of 1 to {_LARGEST} bytes")
        return value


def _refused(why: str) -> Invalid:
    return Invalid(
        "SECRET_REFERENCE_INVALID",
        f"data_source.secret_ref: {why}",
        fields=[FieldViolation("data_source.secret_ref", why)],
    )
