"""What is committed is what the contracts say."""

from importlib.metadata import requires, version
from pathlib import Path

from google.protobuf import descriptor_pb2

from protos import generate

GEN = Path(generate.__file__).parent / "gen"


def test_the_committed_code_and_descriptors_are_what_the_contracts_generate(tmp_path: Path) -> None:
    generate.generate(tmp_path / "gen")

    assert _tree(tmp_path / "gen") == _tree(GEN)


def test_protovalidate_still_carries_the_descriptor_it_is_pinned_for() -> None:
    """Its descriptor sits in a private module, so the version is pinned exactly: on a new one, look again."""
    files = descriptor_pb2.FileDescriptorSet.FromString(generate.validate_file_set()).file

    *imports, validate = files
    assert validate.name == "buf/validate/validate.proto"
    assert [file.name for file in imports] == list(validate.dependency)
    assert {"FieldRules", "StringRules", "RepeatedRules"} <= {
        message.name for message in validate.message_type
    }
    assert f"protovalidate=={version('protovalidate')}" in (requires("mcpanel-chassis") or ())


def _tree(folder: Path) -> dict[str, bytes]:
    """Every generated file's content by its path."""
    kept = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}
