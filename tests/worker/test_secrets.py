"""Secrets that steps ask for: who is told what, and that it comes out in nothing that a step says."""

import base64
import json
from typing import Final
from urllib.parse import quote

import pytest

from mcpanel.registry.v1 import component_pb2
from tests.worker.conftest import Start
from tests.worker.support.engine import Engine, python_version
from worker.words import Words

VALUE: Final = "s3cr3t/with spaces & signs"
KEY: Final = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END KEY-----\n"
SAYS_IT: Final = """
import base64, hashlib, hmac, urllib.parse
import mcpanel_step as step
def main():
    print("before")
    key, pem = step.secret("signing"), step.secret("pem")
    assert step.secret("signing") == key
    print("plain", key)
    print(pem)
    step.log.info(base64.b64encode(b"user:" + key.encode()).decode(), url=urllib.parse.quote(key))
    step.progress(0.5, "with " + key)
    step.preview({key: [key, 1], "note": "harmless"})
    if FAILS:
        raise ValueError("wrong key: " + key)
    return hmac.new(key.encode(), b"text", hashlib.sha256).hexdigest()
"""
TYPESCRIPT: Final = """
import * as step from "mcpanel:step";
export async function main() {
  const key = await step.secret("signing");
  console.log("plain", key);
  step.log.info(btoa(key), { url: encodeURIComponent(key) });
  step.preview([key]);
  try {
    await step.secret("other");
  } catch (error) {
    return [key.length, (error as Error).name, (error as Error).message];
  }
}
"""


def linking(version: component_pb2.Version, *names: str) -> component_pb2.Version:
    """The version with secrets of these names linked."""
    for name in names:
        version.secrets.add(id=f"id-of-{name}", name=name)
    return version


def told(engine: Engine) -> str:
    """All that the worker said, as text."""
    return "\n".join(str(message) for message in engine.heard)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_step_is_told_a_linked_secret_which_is_masked_in_all_it_says(
    engine: Engine, start: Start, fails: bool
) -> None:
    engine.secrets = {"id-of-signing": VALUE, "id-of-pem": KEY}
    await start()
    await engine.hears("hello")
    version = linking(python_version(SAYS_IT.replace("FAILS", str(fails))), "signing", "pem")

    engine.assign(version, data_source_token="token-of-the-run")
    result = (await engine.hears("result"))[0]

    bearer = "Bearer token-of-the-run"
    assert engine.revealed == [(bearer, "id-of-signing"), (bearer, "id-of-pem")]
    lines = [text for _, text in engine.lines()]
    assert lines[:2] == ["before", "plain ***"]
    assert json.loads(engine.messages("preview")[-1].value_json) == {"***": ["***", 1], "note": "harmless"}
    assert engine.messages("progress")[-1].message == "with ***"
    for form in (VALUE, quote(VALUE), base64.b64encode(VALUE.encode()).decode()[:24], "MIIEvQIBADAN"):
        assert form not in told(engine)
    if fails:
        assert result.error.message == "ValueError: wrong key: ***"
        assert "***" in result.error.traceback
    else:
        assert len(json.loads(result.output_json)) == 64, result.error


async def test_typescript_asks_for_secrets_alike(engine: Engine, start: Start) -> None:
    engine.secrets = {"id-of-signing": VALUE}
    await start()
    await engine.hears("hello")
    version = component_pb2.Version(id="v1", definition_name="signs", type="TYPESCRIPT_SCRIPT")
    version.typescript_script.code_content = TYPESCRIPT

    engine.assign(linking(version, "signing"), data_source_token="t")
    result = (await engine.hears("result"))[0]

    assert json.loads(result.output_json) == [
        len(VALUE),
        "SecretError",
        "the secret 'other' is not linked to this component (linked: signing)",
    ], result.error
    assert [text for _, text in engine.lines()] == ["plain ***", "***M= url=***"]
    assert engine.messages("preview")[-1].value_json == b'["***"]'


async def test_a_secret_that_is_not_linked_is_refused_by_name_and_never_asked_for(
    engine: Engine, start: Start
) -> None:
    engine.secrets = {"id-of-other": VALUE}
    await start()
    await engine.hears("hello")
    code = "import mcpanel_step as s\ndef main():\n    return s.secret('other')"

    engine.assign(linking(python_version(code), "signing", "billing"), data_source_token="t")
    result = (await engine.hears("result"))[0]

    said = "the secret 'other' is not linked to this component (linked: billing, signing)"
    assert said in result.error.message
    assert engine.revealed == []


async def test_a_secret_that_was_deleted_is_named_with_the_component_that_links_it(
    engine: Engine, start: Start
) -> None:
    await start()
    await engine.hears("hello")
    code = "import mcpanel_step as s\ndef main():\n    return s.secret('signing')"

    engine.assign(linking(python_version(code), "signing"), data_source_token="t")
    result = (await engine.hears("result"))[0]

    said = "the secret 'signing', which the component 'sample' links, was deleted; link another"
    assert said in result.error.message


async def test_what_one_attempt_was_told_is_masked_in_no_others_words(engine: Engine, start: Start) -> None:
    engine.secrets = {"id-of-signing": "a guessable word"}
    await start()
    await engine.hears("hello")
    asks = "import mcpanel_step as s\ndef main():\n    print(s.secret('signing'))"

    engine.assign(linking(python_version(asks), "signing"), step="a", data_source_token="t")
    await engine.hears("result")
    engine.assign(python_version("def main():\n    print('a guessable word')", version_id="v2"), step="b")
    await engine.hears("result", 2)

    assert [text for _, text in engine.lines()] == ["***", "a guessable word"]


async def test_a_secret_is_masked_across_the_pieces_of_a_line_that_is_too_long(
    engine: Engine, start: Start
) -> None:
    engine.secrets = {"id-of-signing": VALUE}
    await start()
    await engine.hears("hello")
    code = (
        "import mcpanel_step as s\n"
        "def main():\n"
        "    key = s.secret('signing')\n"
        "    for n in range(0, 26, 5):\n"
        "        print('x' * (16 * 1024 - n) + key + ' end')\n"
        "    print('y' * (16 * 1024 + 1 - 8) + key[:8], end='')"
    )

    engine.assign(linking(python_version(code), "signing"), data_source_token="t")
    await engine.hears("result")

    text = "".join(text for _, text in engine.lines())
    assert text.count("***") == 6
    assert text.count(" end") == 6
    assert text.count("x") == sum(16 * 1024 - n for n in range(0, 26, 5))
    assert text.endswith(f"y{VALUE[:8]}")  # which is none, after all


async def test_a_secret_that_is_cut_in_two_by_a_limit_is_not_shown_in_part(
    engine: Engine, start: Start
) -> None:
    engine.secrets = {"id-of-signing": VALUE}
    await start()
    await engine.hears("hello")
    code = (
        "import mcpanel_step as s\n"
        "def main():\n"
        "    key = s.secret('signing')\n"
        "    s.progress(0.5, 'x' * 990 + key)\n"
        "    raise ValueError('y' * 1980 + key)"
    )

    engine.assign(linking(python_version(code), "signing"), data_source_token="t")
    result = (await engine.hears("result"))[0]

    assert engine.messages("progress")[-1].message == "x" * 990
    assert result.error.message == f"ValueError: {'y' * 1980}"
    assert VALUE[:6] not in told(engine)


def test_numbers_and_keys_of_a_value_are_masked_too() -> None:
    words = Words()
    words.learn("123456")

    assert words.value(b'{"123456":1,"a":[123456,true,null,12]}') == b'{"***":1,"a":["***",true,null,12]}'
    assert words.value(b'{"b": "kept as it was"}') == b'{"b": "kept as it was"}'
