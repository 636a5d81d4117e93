"""`python -m audit.verify EXPORT --key KEY` says whether an export of the action log is what was signed.

It exits with 0 when everything fits, with 1 when something does not, and with 2 when it could not be asked: then
what stands on stderr is one sentence.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

from audit.checkpoint import KeyInvalid, NoteInvalid, Verifier
from audit.verify.findings import Kept, Kind, Problem, Verdict
from audit.verify.judgement import Judge, NotAnExport
from audit.verify.notes import opened

_LONGEST_LINE: Final = 64 * 1024 * 1024
_USAGE: Final = """\
EXPORT is what GET /api/v1/action-logs:export answered, or - for standard input. A KEY is a note verifier key,
`<origin>+<id>+<key>`, or a file of some: `python -m audit key FILE` prints those of audit.signing.key. Take them from
there and keep them; the key that an export names proves nothing. A kept checkpoint shows that the log was not cut
or rewritten since."""


class _Unusable(Exception):
    """What was asked for cannot be done; the message is one sentence."""


def run(arguments: Sequence[str]) -> int:
    """Verifies; returns the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        keys = [key for text in asked.key for key in _keys(text)]
        kept, broken = _kept(asked.checkpoint, keys)
        verdict = _judged(asked.export, Judge(keys, kept, part=asked.part))
    except (_Unusable, NotAnExport) as error:
        sys.stderr.write(
            _plain(f"{asked.export}: {error}" if isinstance(error, NotAnExport) else str(error)) + "\n"
        )
        return 2
    problems = [*broken, *verdict.problems]
    lines = [f"{problem.kind.value} {problem.index}: {problem.message}" for problem in problems]
    sys.stdout.write(_plain("\n".join([*lines, _summary(verdict, len(kept), failed=bool(problems))])) + "\n")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m audit.verify",
        description="Checks an export of the action log, offline, with a pinned key.",
        epilog=_USAGE,
    )
    parser.add_argument("export", metavar="EXPORT", help="the export, newline-delimited JSON")
    parser.add_argument(
        "--key", action="append", required=True, help="a key that may sign checkpoints; repeatable"
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="PATH",
        help="a signed checkpoint that was kept, or a folder of them (*.note); repeatable",
    )
    parser.add_argument(
        "--part",
        action="store_true",
        help="only a part was asked for: entries may lack before, after or, by a filter, within",
    )
    return parser


def _keys(text: str) -> list[Verifier]:
    """The key, or those of a file, one a line."""
    try:
        return [Verifier.parse(text.strip())]
    except KeyInvalid as error:
        refusal = str(error)
    try:
        found = [Verifier.parse(line.strip()) for line in Path(text).read_text().splitlines() if line.strip()]
    except KeyInvalid as error:
        raise _Unusable(f"{text} holds no verifier key: {error}") from None
    except (OSError, UnicodeDecodeError, ValueError):
        raise _Unusable(f"{text} is neither a verifier key ({refusal}) nor a file of one") from None
    if not found:
        raise _Unusable(f"{text} holds no verifier key: it is empty")
    return found


def _kept(paths: Sequence[str], keys: Sequence[Verifier]) -> tuple[list[Kept], list[Problem]]:
    """The checkpoints in files and folders, and those that no pinned key signed."""
    kept, broken = list[Kept](), list[Problem]()
    for path in paths:
        for file in _notes(Path(path)):
            try:
                kept.append(Kept(str(file), opened(file.read_text(), keys)))
            except OSError as error:
                raise _Unusable(f"{file} cannot be read: {error.strerror}") from None
            except (NoteInvalid, UnicodeDecodeError) as error:
                broken.append(Problem(Kind.SIGNATURE_INVALID, 0, f"{file}: {error}"))
    return kept, broken


def _notes(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.rglob("*.note"))
    if not found:
        raise _Unusable(f"{path} holds no checkpoint: no file in it ends in .note")
    return found


def _judged(export: str, judge: Judge) -> Verdict:
    with ExitStack() as stack:
        try:
            file = sys.stdin.buffer if export == "-" else stack.enter_context(Path(export).open("rb"))
            for line in _lines(file):
                judge.take(line)
        except OSError as error:
            raise _Unusable(f"{export} cannot be read: {error.strerror}") from None
    return judge.verdict()


def _lines(file: BinaryIO) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise NotAnExport("a line is longer than 64 MiB")
        if line.strip():
            yield line.decode(errors="surrogateescape")


def _summary(verdict: Verdict, kept: int, *, failed: bool) -> str:
    word = "NOT verified" if failed else "verified"
    what = f"{verdict.entries} entries of {verdict.origin}"
    if not verdict.filter:
        what += f" from {verdict.first}, under {verdict.checkpoints} checkpoints"
    lines = [f"{word}: {what}", f"tree: {verdict.tree_size} entries, root {verdict.root_hash.hex()}"]
    if verdict.newest is not None:
        lines.append(f"newest entry: {verdict.newest.isoformat()}")
    if verdict.personal:
        lines.append(f"personal values: {verdict.personal} shown, as they were committed to")
    if verdict.filter:
        lines.append(f"said to be chosen by {verdict.filter!r}: that none was left out is not proved")
    lines += [f"also signed by {key}, which is not pinned: is it the log's?" for key in verdict.strangers]
    lines += [f"not signed: {what}" for what in _unsigned(verdict)]
    outside = f", {verdict.beyond} lie outside of this part" if verdict.beyond else ""
    lines.append(
        f"kept checkpoints: {verdict.agreed} of {kept} agree{outside}"
        if kept
        else "kept checkpoints: none given, so a log cut or signed anew would not be noticed"
    )
    return "\n".join(lines)


def _unsigned(verdict: Verdict) -> list[str]:
    """What the export says and nothing proves."""
    found = []
    if verdict.exported_at is not None:
        found.append(f"that it was made at {verdict.exported_at.isoformat()}")
    if verdict.undated:
        found.append(
            f"when {verdict.undated} of its checkpoints were signed: their last entries are not in it"
        )
    return found


def _plain(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
