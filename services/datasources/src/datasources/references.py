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


class _Refused(Exception):
    """The reference cannot be followed; the message says why."""


class References:
    """Reads what references point at."""

    def __init__(self, environ: Mapping[str, str], folder: Path | None) -> None:
        self._environ = environ
        self._folder = folder

    def read(self, reference: str, field: str = "data_source.secret_ref") -> str:
        """The secret that `reference` points at; `field` is where it was given.

        Raises Invalid SECRET_REFERENCE_INVALID, never with its content.
        """
        kind, _, name = reference.partition(":")
        try:
            if kind == "env":
                return self._from_environment(name)
            if kind == "file":
                return self._from_file(name)
            raise _Refused("must begin with env: or file:")
        except _Refused as error:
            why = str(error)
        raise Invalid("SECRET_REFERENCE_INVALID", f"{field}: {why}", fields=[FieldViolation(field, why)])

    def _from_environment(self, name: str) -> str:
        if not _ENVIRONMENT.fullmatch(name):
            raise _Refused("env: takes names that begin with MCPANEL_SECRET_")
        value = self._environ.get(name, "")
        if not value:
            raise _Refused(f"{name} is not set in this service's environment")
        return value

    def _from_file(self, name: str) -> str:
        if self._folder is None:
            raise _Refused("file: needs MCPANEL_SECRETS_DIR, which the operator has not set")
        if not _FILE.fullmatch(name) or ".." in name.split("/"):
            raise _Refused("file: takes a name under MCPANEL_SECRETS_DIR")
        try:
            folder = self._folder.resolve(strict=True)
            path = (folder / name).resolve(strict=True)
            if not path.is_relative_to(folder) or not path.is_file():
                raise _Refused(f"file:{name} is no file under MCPANEL_SECRETS_DIR")
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(_LARGEST + 2)
            value = content.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError):
            raise _Refused(f"file:{name} cannot be read") from None
        if not value or len(value) > _LARGEST or "\0" in value:
            raise _Refused(f"file:{name} does not hold a secret of 1 to {_LARGEST} bytes")
        return value
