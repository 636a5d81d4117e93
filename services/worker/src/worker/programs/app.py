"""Serves a Streamlit app, of files or a git repository, on the cell's own loopback until it is stopped.

The app runs in this very process, so that `mcpanel_step` works in it as it does in a script. Who may reach it, whether
it answers, and when it has been idle for long enough is seen to outside of the cell.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from programs.failures import Failed
from programs.place import PLACE
from streamlit.web import bootstrap

PORT = 8501


def run(config: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Serves the app, which finds the step's inputs in `inputs.json`, beside its folder.

    `config` has `main` (the script), `path` (what comes before its pages), and `files`, or `repository` and `ref`.
    """
    (Path(PLACE.work) / "inputs.json").write_text(json.dumps(inputs))
    folder = Path(PLACE.work) / "app"
    if config["repository"]:
        from programs import repositories  # noqa: PLC0415  # only where it is needed

        repositories.fetch(config["repository"], config["ref"], folder)
    else:
        write(folder, config["files"])
    main = folder / config["main"]
    if not main.is_file() or not main.resolve().is_relative_to(folder):
        raise Failed(f"the main script '{config['main']}' is not among the app's files", "INVALID_INPUT")
    _serve(main, config["path"])
    _end_soon()
    raise Failed("the app has stopped serving; its log says why")


def write(folder: Path, files: list[dict[str, str]]) -> None:
    """Writes the app's files. Raises Failed INVALID_INPUT for one that would lie outside of the folder."""
    for file in files:
        target = (folder / file["path"]).resolve()
        if not target.is_relative_to(folder) or target == folder:
            raise Failed(f"the file '{file['path']}' would lie outside of the app's folder", "INVALID_INPUT")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file["content"], encoding="utf-8")
        except OSError as error:
            raise Failed(
                f"the file '{file['path']}' cannot be written: {error.strerror}", "INVALID_INPUT"
            ) from None


def _serve(main: Path, path: str) -> None:
    """Returns when Streamlit has ended."""
    os.environ["HOME"] = PLACE.work
    if PLACE.site:
        sys.path.append(PLACE.site)
    sys.path.insert(0, str(main.parent))
    os.chdir(main.parent)
    settings = {
        "global_developmentMode": False,
        "server_address": "127.0.0.1",
        "server_port": PORT,
        "server_baseUrlPath": path.strip("/"),
        "server_headless": True,
        "server_fileWatcherType": "none",
        # Other sites' pages are turned away before they get here, and no cookie would arrive.
        "server_enableCORS": False,
        "server_enableXsrfProtection": False,
        "browser_gatherUsageStats": False,
        "client_toolbarMode": "minimal",
        "logger_hideWelcomeMessage": True,
    }
    bootstrap.load_config_options(settings)
    bootstrap.run(str(main), False, [], settings)


def _end_soon() -> None:
    """Ends this process in a second at the latest: threads of the app that wait for nothing would keep it."""
    last = threading.Timer(1.0, os._exit, (1,))
    last.daemon = True
    last.start()
