"""`python -m chassis.production`: what the profile `production` refuses of the settings of several processes, at once.

Standard input is JSON, the environments by the names of the processes' packages and of the processes:
`{"engine": {"engine": {"MCPANEL_LOG_LEVEL": "DEBUG"}, "engine_2": {}}}`. Standard output is a JSON list of sentences.
A process started with such a setting refuses it itself; this says so before any is.
"""

import dataclasses
import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any

from chassis.config import refused


def found(processes: Mapping[str, Mapping[str, Mapping[str, str]]]) -> list[str]:
    """Each sentence once, with the processes that it is about."""
    about: dict[str, list[str]] = {}
    for package, environs in processes.items():
        module = importlib.import_module(f"{package}.config")
        kinds = [one for one in vars(module).values() if _is_config(one, module.__name__)]
        for name, environ in environs.items():
            for sentence in dict.fromkeys(line for kind in kinds for line in refused(kind, environ)):
                about.setdefault(sentence, []).append(name)
    return [f"{sentence} ({', '.join(names)})" for sentence, names in about.items()]


def _is_config(one: Any, module: str) -> bool:
    """Whether this is a configuration of the module's own."""
    if not isinstance(one, type) or one.__module__ != module or not dataclasses.is_dataclass(one):
        return False
    return any(field.name == "profile" for field in dataclasses.fields(one))


if __name__ == "__main__":
    json.dump(found(json.load(sys.stdin)), sys.stdout)
