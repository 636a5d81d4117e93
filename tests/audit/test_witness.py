"""Witnesses: checkpoints kept where whoever rewrites the log cannot reach, and a log that contradicts them stops."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import cast

import grpc.aio
import pytest
from dulwich.repo import Repo
from grpc_health.v1 import health_pb2, health_pb2_grpc

from audit import merkle
from audit.checkpoint import Signer
from audit.config import Config
from audit.verify import __main__ as cli
from audit.witness import Keeper, Place, PlaceInvalid, git, keeper, places
from audit.witness.places import PlaceUnreachable
from chassis import errors
from chassis.config import secrets
from chassis.database import Database, Transaction
from chassis.masking import Masker
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import ORIGIN, Start, World, record, records
from tests.audit.exports import fetched, ndjson
from tests.support.callers import ADMIN, as_caller

SIGNER = Signer.generate(ORIGIN)
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
Make = Callable[[], Place]


def note(size: int, root: bytes = merkle.EMPTY_ROOT) -> str:
    """A signed checkpoint."""
    return SIGNER.sign(size, root)


@pytest.fixture(params=["folder", "bucket", "git"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes another client of one and the same place."""
    if request.param == "git":
        Repo.init_bare(str(tmp_path / "remote.git"), mkdir=True).close()
        clones = iter(range(9))
        address = f"git+{(tmp_path / 'remote.git').as_uri()}"
        return lambda: places(address, ORIGIN, tmp_path / f"cache{next(clones)}")[0]
    if request.param == "bucket":
        [bucket] = places("memory:///", ORIGIN, tmp_path)
        return lambda: bucket  # it lives as long as its client
    return lambda: places(str(tmp_path / "kept"), ORIGIN, tmp_path)[0]


async def test_a_place_gives_back_the_largest_checkpoint_it_keeps(make: Make) -> None:
    place = make()
    assert await place.newest() is None

    for size in (9, 100, 20):
        assert await place.keep(size, note(size)) == note(size)

    assert await place.newest() == note(100)
    assert await make().newest() == note(100)


async def test_a_checkpoint_that_is_removed_is_not_the_newest_any_more(tmp_path: Path) -> None:
    [place] = places(str(tmp_path), ORIGIN, tmp_path)
    for size in (9, 20):
        await place.keep(size, note(size))
    assert await place.newest() == note(20)

    (tmp_path / "test.local%2Faudit" / f"{20:012d}.note").unlink()

    assert await place.newest() == note(9)


async def test_a_place_never_writes_a_checkpoint_twice(make: Make) -> None:
    await make().keep(9, note(9))

    there = await make().keep(9, note(9, bytes(32)))

    assert there == note(9)
    assert await make().newest() == note(9)


async def test_several_may_keep_at_once(make: Make) -> None:
    await asyncio.gather(*(make().keep(size, note(size)) for size in (1, 2, 3)))

    assert await make().newest() == note(3)


async def test_logs_of_other_names_share_a_place(tmp_path: Path) -> None:
    mine, other = (places(str(tmp_path), origin, tmp_path)[0] for origin in (ORIGIN, "../../other"))

    await mine.keep(1, note(1))

    assert await other.newest() is None
    await other.keep(5, "theirs")
    assert await mine.newest() == note(1)
    assert names(tmp_path) == ["..%2F..%2Fother", "test.local%2Faudit"]


def names(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("address", ["", " , ", "ftp://example.com/x", "/dev/null/x", "s3:/bucket", "/proc"])
def test_what_is_no_place_is_refused_by_name(address: str, tmp_path: Path) -> None:
    if not address.strip(" ,"):
        assert places(address, ORIGIN, tmp_path) == []
        return
    with pytest.raises(PlaceInvalid, match="is no place for checkpoints"):
        places(address, ORIGIN, tmp_path)


@pytest.mark.parametrize(
    "address",
    ["git+https://user:hunter2@127.0.0.1:1/x.git", "git+file:///none", "http://u:hunter2@127.0.0.1:1/x"],
)
async def test_a_place_that_is_away_says_so_without_its_password(address: str, tmp_path: Path) -> None:
    [place] = places(address, ORIGIN, tmp_path)

    with pytest.raises(PlaceUnreachable) as caught:
        await place.newest()

    assert "hunter2" not in f"{place.name} {caught.value}"


def test_what_is_logged_of_a_place_is_its_address_without_credentials(tmp_path: Path) -> None:
    address = "git+https://user:hunter2@example.com/x.git?token=t0ken"
    setting = f"/srv/witness, {address}, git+ssh://gh0st@example.com/x.git"
    config = Config(database_url="postgresql://u:passw0rd@h/d", witness=setting)
    masker = Masker(secrets(config))

    names = f"/srv/witness {places(address, ORIGIN, tmp_path)[0].name}"

    assert names == "/srv/witness git+https://example.com/x.git"
    assert masker.mask(names) == names
    hidden = masker.mask(f"hunter2 token=t0ken gh0st {setting}")
    assert not [word for word in ("hunter2", "t0ken", "gh0st") if word in hidden]


async def witnessed(world: World) -> list[pb.Witness]:
    """What GetCheckpoint says of the witnesses."""
    answer = await world.stub.GetCheckpoint(pb.GetCheckpointRequest(), metadata=as_caller(ADMIN))
    return list(answer.witnesses)


def keeping(world: World, folder: Path) -> Keeper:
    """A keeper of a world's checkpoints in a folder."""
    return Keeper(world.db, lambda: world.signer.verifier, places(str(folder), ORIGIN, folder))


async def test_checkpoints_are_carried_to_a_folder_that_the_verifier_takes(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = await start()
    kept = keeping(world, tmp_path / "kept")
    for end in (3, 7):
        await world.append(records(0, end))
        await kept.carry()
    (tmp_path / "export").write_text(ndjson(await fetched(world.stub)))

    command = [
        str(tmp_path / "export"),
        "--key",
        str(world.signer.verifier),
        "--checkpoint",
        str(tmp_path / "kept"),
    ]
    assert cli.run(command) == 0

    assert "kept checkpoints: 2 of 2 agree" in capsys.readouterr().out
    assert [(one.tree_size, one.error) for one in kept.witnesses] == [(7, "")]


async def test_a_running_service_keeps_its_checkpoints_and_says_where(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "INTERVAL", 0.0)
    monkeypatch.setattr(keeper, "_LOOK_SECONDS", 0.02)
    world = await start(witness=f"{tmp_path / 'one'}, git+file:///nowhere")

    await world.append(records(0, 3))

    async with asyncio.timeout(20):
        while (found := await witnessed(world))[0].tree_size != 3:
            await asyncio.sleep(0.02)
    assert found[0].name == str(tmp_path / "one")
    assert found[1].error  # and the log goes on
    assert [path.name for path in (tmp_path / "one").rglob("*.note")][-1] == "000000000003.note"


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """The address of a repository that takes every connection and says nothing."""
    held = []
    server = await asyncio.start_server(lambda *streams: held.append(streams), "127.0.0.1", 0)
    yield f"git+http://127.0.0.1:{server.sockets[0].getsockname()[1]}/log.git"
    for _, writer in held:
        writer.close()
    server.close()


async def test_a_place_that_never_answers_is_given_up_on_and_asked_once_at_a_time(
    silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "PATIENCE", 0.2)
    [place] = places(silent, ORIGIN, tmp_path)

    with pytest.raises(PlaceUnreachable, match="no answer within"):
        await place.newest()
    with pytest.raises(PlaceUnreachable, match="still owes an answer"):
        await place.keep(9, note(9))


async def test_a_witness_that_never_answers_holds_up_the_first_batch_alone(
    silent: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_START_SECONDS", 0.2)
    world = await start(witness=silent)

    first = await world.append(records(0, 1))
    monkeypatch.setattr(keeper, "_START_SECONDS", 3600.0)
    async with asyncio.timeout(60):
        second = await world.append(records(1, 2))
    monkeypatch.setattr(keeper, "_START_SECONDS", 0.2)

    assert (first, second) == (1, 1)


async def refused(world: World, why: str) -> None:
    with pytest.raises(errors.DataLoss, match=why) as caught:
        await world.append([record("later")])
    assert caught.value.reason == "LOG_DAMAGED"


async def test_a_log_that_was_put_back_to_an_older_state_takes_nothing(start: Start, tmp_path: Path) -> None:
    world = await start()
    await world.append(records(0, 3))
    world.save()
    await world.append(records(3, 7))
    await keeping(world, tmp_path).carry()
    world.restore()
    assert (await world.verify()).ok  # nothing in the database shows it

    again = await start(witness=str(tmp_path))

    await refused(again, "keeps a checkpoint of 7 entries, but the log has 3")
    assert "but the log has 3" in (await witnessed(again))[0].error
    assert await again.problems() == [("LOG_TRUNCATED", 3)]
    assert await health(again) == (NOT_SERVING, SERVING)


async def test_a_log_that_is_put_back_under_a_running_service_gets_no_signature_more(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "INTERVAL", 0.0)
    monkeypatch.setattr(keeper, "_LOOK_SECONDS", 0.02)
    world = await start(witness=str(tmp_path))
    await world.append(records(0, 3))
    world.save()
    await world.append(records(3, 7))
    async with asyncio.timeout(60):
        while (await witnessed(world))[0].tree_size != 7:
            await asyncio.sleep(0.02)
    monkeypatch.setattr(keeper, "INTERVAL", 3600.0)  # nobody looks
    world.restore()

    await refused(world, "keeps a checkpoint of 7 entries, but the log has 3")
    await refused(world, "keeps a checkpoint of 7 entries, but the log has 3")

    assert (await world.checkpoint()).tree_size == 3


class PutBack:
    """A database whose log is put back before it is read for the `nth` time."""

    def __init__(self, world: World, nth: int) -> None:
        self._world = world
        self._left = nth

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """As a Database does."""
        self._left -= 1
        if not self._left:
            self._world.restore()
        return self._world.db.read()


async def test_what_a_witness_was_seen_to_have_is_not_forgotten_when_the_log_is_put_back_meanwhile(
    start: Start, tmp_path: Path
) -> None:
    world = await start()
    await world.append(records(0, 3))
    world.save()
    await world.append(records(3, 7))
    await keeping(world, tmp_path).carry()
    kept = Keeper(
        cast("Database", PutBack(world, nth=2)),
        lambda: world.signer.verifier,
        places(str(tmp_path), ORIGIN, tmp_path),
    )

    await kept.carry()  # compares with the whole log, then finds an older one to carry

    with pytest.raises(errors.DataLoss, match="keeps a checkpoint of 7 entries, but the log has 3"):
        kept.require_agreement(3)
    assert names(tmp_path / "test.local%2Faudit") == [f"{7:012d}.note"]


async def health(world: World) -> tuple[int, int]:
    """What health says of the service, and of its process."""
    said = {}
    async with grpc.aio.insecure_channel(str(world.server.config.listen)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("mcpanel.audit.v1.AuditService", ""):
            said[name] = (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status
    return said["mcpanel.audit.v1.AuditService"], said[""]


async def test_a_log_that_was_rewritten_with_its_own_key_takes_nothing(start: Start, tmp_path: Path) -> None:
    world = await start()
    await world.append(records(0, 3))
    await keeping(world, tmp_path).carry()
    world.sabotage("; ".join(f"DELETE FROM {table}" for table in ("entries", "nodes", "checkpoints")))
    await world.append([record("forged"), *records(1, 5)])
    assert (await world.verify()).ok

    again = await start(witness=str(tmp_path))

    await refused(again, "the log had other entries then")
    assert await again.problems() == [("HISTORY_FORKED", 3)]


async def test_a_checkpoint_that_is_not_the_logs_stops_it_too(start: Start, tmp_path: Path) -> None:
    [place] = places(str(tmp_path), ORIGIN, tmp_path)
    await place.keep(1, note(1))

    world = await start(witness=str(tmp_path))

    await refused(world, "that is not this log's")
    assert await world.problems() == [("SIGNATURE_INVALID", 0)]


async def test_a_log_that_fits_again_goes_on(start: Start, tmp_path: Path) -> None:
    world = await start()
    await world.append(records(0, 3))
    kept = keeping(world, tmp_path)
    await kept.carry()
    world.save()
    world.sabotage("DELETE FROM checkpoints; DELETE FROM nodes; DELETE FROM entries")
    await kept.compare()
    with pytest.raises(errors.DataLoss):
        await kept.approve()

    world.restore()
    await kept.compare()

    await kept.approve()
