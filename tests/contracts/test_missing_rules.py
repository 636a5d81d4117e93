"""Removing a rule from a contract keeps its service from starting."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from identity import keyfiles
from identity.signing import SigningKey
from mcpanel.policy.v1 import policy_pb2
from protos import generate

GEN = Path(generate.__file__).parent / "gen"


@pytest.mark.parametrize(
    ("package", "module", "rpc"),
    [
        ("registry", "mcpanel.registry.v1.registry_pb2", "RegistryService.GetDefinition"),
        ("engine", "mcpanel.engine.v1.worker_pb2", "WorkerService.Work"),
        ("datasources", "mcpanel.datasources.v1.datasources_pb2", "DataSourceService.ExecuteQuery"),
        ("audit", "mcpanel.audit.v1.audit_pb2", "AuditService.VerifyLog"),
        ("identity", "mcpanel.identity.v1.identity_pb2", "IdentityService.GetJwks"),
    ],
)
def test_a_service_refuses_to_start_without_the_rule_of_one_rpc(
    package: str, module: str, rpc: str, tmp_path: Path
) -> None:
    output = _refusal(tmp_path, package, module, rpc, policy_pb2.Rule())

    assert "refusing to start" in output
    assert f"{rpc} has no rule" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"callers": [99]}, "names an unknown caller, 99"),
        ({"resources": [{"kind": 1, "level": 1, "field": "definition"}]}, "names the field definition"),
    ],
)
def test_a_service_refuses_to_start_with_a_rule_that_cannot_be(
    rule: dict[str, Any], why: str, tmp_path: Path
) -> None:
    module, rpc = "mcpanel.registry.v1.registry_pb2", "RegistryService.GetDefinition"
    broken = policy_pb2.Rule(
        access="PERMISSION", permission="definitions.read", role="VIEWER", others="a.b", **rule
    )

    output = _refusal(tmp_path, "registry", module, rpc, broken)

    assert f"{rpc} {why}" in output
    assert "Traceback" not in output


def _refusal(tmp_path: Path, package: str, module: str, rpc: str, rule: policy_pb2.Rule) -> str:
    """What the service says, which does not start when its RPC has this rule."""
    generated = tmp_path / "gen"
    shutil.copytree(GEN, generated, ignore=shutil.ignore_patterns("__pycache__"))
    _replace_rule(generated, module, rpc, rule)
    keyfiles.write(tmp_path / "keys" / "signing.key", SigningKey.generate().pem())  # identity reads it first

    done = subprocess.run(
        [sys.executable, "-m", package],
        env=_environment(tmp_path, generated),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    return output


def _replace_rule(generated: Path, module: str, rpc: str, rule: policy_pb2.Rule) -> None:
    """Writes the generated module anew, as it would be with this rule; without one where it is empty."""
    path = generated / (module.replace(".", "/") + ".py")
    content = importlib.import_module(module).DESCRIPTOR.serialized_pb
    file = descriptor_pb2.FileDescriptorProto.FromString(content)
    (method,) = (
        method
        for service in file.service
        for method in service.method
        if f"{service.name}.{method.name}" == rpc
    )
    extension: Any = policy_pb2.rule
    method.options.ClearExtension(extension)
    if rule.ByteSize():
        method.options.Extensions[extension].CopyFrom(rule)
    literal = re.compile(r"AddSerializedFile\(b'.*'\)$", re.MULTILINE)
    text, count = literal.subn(lambda _: f"AddSerializedFile({file.SerializeToString()!r})", path.read_text())
    assert count == 1
    path.write_text(text)


def _environment(home: Path, generated: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(generated),  # comes before the installed contracts
        "MCPANEL_ENV_FILE": os.devnull,
        "MCPANEL_HOME": str(home),
        "MCPANEL_KEYS_DIR": str(home / "keys"),
        "MCPANEL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "MCPANEL_NATS_URL": "nats://127.0.0.1:1",
        "MCPANEL_LISTEN": "127.0.0.1:0",
        "MCPANEL_METRICS_LISTEN": "",
        "MCPANEL_KEY_FILE": "",
    }
