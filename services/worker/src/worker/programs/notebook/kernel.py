"""The kernel's own process: IPython with the component's packages, and the step library of the step it belongs to."""

import json
import os
import sys
from typing import Any


def main() -> None:
    """Becomes the kernel. Called with its connection file in `-f`."""
    given = json.loads(os.environ.pop("STEP_KERNEL"))
    import mcpanel_step  # noqa: PLC0415

    mcpanel_step._join(given["share"])
    if given["site"]:
        import site  # noqa: PLC0415

        before = set(sys.path)
        site.addsitedir(given["site"])
        sys.path.sort(key=before.__contains__)  # the component's packages come before the program's
    sys.path.insert(0, "")
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415

    quiet = ["--HistoryManager.enabled=False", "--TerminalIPythonApp.display_banner=False"]
    IPKernelApp.launch_instance([*sys.argv[1:], *quiet])


def dump(path: str, variables: dict[str, Any]) -> None:
    """Writes the notebook's `outputs` to the file, as JSON. Raises what inside.jsonvalues raises."""
    from inside import jsonvalues  # type: ignore[import-not-found]  # noqa: PLC0415  # its name in a cell

    value = jsonvalues.plain(variables.get("outputs", {}))
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(value, file)
