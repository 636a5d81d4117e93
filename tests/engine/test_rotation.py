"""The master key that the secrets of webhooks are kept with gets a new version."""

from typing import Any

from google.protobuf.duration_pb2 import Duration

from chassis import vault
from chassis.vault import Sealed, Vault
from engine.tables import triggers
from mcpanel.engine.v1 import trigger_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.automation import create_trigger, quick
from tests.engine.support.peers import Peers
from tests.support.callers import EDITOR, as_caller


async def kept(engine: Engine) -> list[Any]:
    """The triggers as they are stored, by name."""
    async with engine.built.db.read() as tx:
        return list(await tx.execute(triggers.select().order_by(triggers.c.name)))


async def test_after_a_rotation_every_secret_opens_without_the_old_version(
    engines: Engines, peers: Peers
) -> None:
    engine = await engines.start()
    quick(peers)
    keys = engines.folder / "keys" / "engine.master.key"
    first = (await create_trigger(engine, name="a", webhook=trigger_pb2.Trigger.Webhook())).secret
    await create_trigger(engine, name="b", webhook=trigger_pb2.Trigger.Webhook())
    await create_trigger(engine, name="c", run_end={"workflow": "flow"})
    renew = trigger_pb2.RotateTriggerSecretRequest(trigger_id="a", keep_old_for=Duration(seconds=600))
    second = (await engine.stub.RotateTriggerSecret(renew, metadata=as_caller(EDITOR))).secret

    version = vault.rotate(keys)
    engine.built.vault.reload()
    done, again = await engine.built.rotation.rewrap(), await engine.built.rotation.rewrap()

    assert (done, again) == (3, 0)
    a, b, c = await kept(engine)
    assert [a.key_version, a.old_key_version, b.key_version] == [version] * 3
    assert (b.old_key_version, c.key_version) == (None, None)
    keys.write_text(keys.read_text().splitlines()[-1] + "\n")
    opened = Vault(keys)
    assert opened.open(a.id, Sealed(a.ciphertext, a.wrapped_key, a.key_version)) == second
    assert opened.open(a.id, Sealed(a.old_ciphertext, a.old_wrapped_key, a.old_key_version)) == first


async def test_what_does_not_open_holds_up_nothing(engines: Engines, peers: Peers) -> None:
    engine = await engines.start()
    quick(peers)
    for name in ("a", "b"):
        await create_trigger(engine, name=name, webhook=trigger_pb2.Trigger.Webhook())
    async with engine.built.db.begin(idempotent=False, audited=False) as tx:
        await tx.execute(triggers.update().where(triggers.c.name == "a").values(wrapped_key=b"broken" * 10))

    version = vault.rotate(engines.folder / "keys" / "engine.master.key")
    engine.built.vault.reload()
    done = await engine.built.rotation.rewrap()

    a, b = await kept(engine)
    assert (done, a.key_version, b.key_version) == (1, version - 1, version)
