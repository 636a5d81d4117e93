"""Generates protos/gen from the contracts: Python messages, typed stubs, and the descriptor set.

Run as `make protos`. A test runs it into an empty folder and compares: what is committed is what the
contracts say. The descriptor set carries comments, so that the edge, reflection, the documentation and the
contract tests all read one file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2

ROOT = Path(__file__).resolve().parent
DESCRIPTOR_SET = "mcpanel/descriptors.binpb"
ERROR_DETAILS = ("google/rpc/error_details.proto", "google/rpc/status.proto")  # the edge prints them as JSON
IMPORTED = (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2)  # loads what validate.proto imports


def validate_file_set() -> bytes:
    """Returns a FileDescriptorSet with `buf/validate/validate.proto` and its imports.

    protovalidate carries the file only inside a private generated module, whose version is pinned exactly.
    """
    pool = descriptor_pool.Default()
    module = import_module("protovalidate._gen.buf.validate.validate_pb")
    validate = descriptor_pb2.FileDescriptorProto.FromString(module.desc().proto.to_binary())
    imports = [pool.FindFileByName(name) for name in validate.dependency]
    files = descriptor_pb2.FileDescriptorSet()
    for imported in imports:
        imported.CopyToProto(files.file.add())
    files.file.append(validate)
    return files.SerializeToString()


def protoc(*arguments: str) -> None:
    """Runs the protobuf compiler in a process of its own; raises CalledProcessError when it fails."""
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)


def generate(target: Path) -> None:
    """Writes the generated tree into `target`, replacing what was there only once all of it is made."""
    common = Path(import_module("google.rpc").__path__[0]).parent.parent
    sources = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("mcpanel/**/*.proto"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch, "gen")
        fresh.mkdir()
        validate = Path(scratch, "validate.binpb")
        validate.write_bytes(validate_file_set())
        protoc(
            f"--descriptor_set_in={validate}",
            f"--python_out={fresh}",
            f"--pyi_out={fresh}",
            "buf/validate/validate.proto",
        )
        imports = (f"--proto_path={ROOT}", f"--proto_path={common}", f"--descriptor_set_in={validate}")
        protoc(
            *imports,
            f"--python_out={fresh}",
            f"--pyi_out={fresh}",
            f"--grpc_python_out={fresh}",
            f"--plugin=protoc-gen-mypy_grpc={Path(sys.executable).parent / 'protoc-gen-mypy_grpc'}",
            f"--mypy_grpc_out={fresh}",
            *sources,
        )
        protoc(
            *imports,
            f"--descriptor_set_out={fresh / DESCRIPTOR_SET}",
            "--include_imports",
            "--include_source_info",
            *sources,
            *ERROR_DETAILS,
        )
        for stub in fresh.rglob("*_pb2_grpc.py*"):
            if "Stub" not in stub.read_text():  # a contract without services
                stub.unlink()
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)


if __name__ == "__main__":
    generate(ROOT / "gen")
    print(f"generated {ROOT.name}/gen")  # noqa: T201
