"""The engine, put together; `__main__` runs it, and so do tests."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from chassis.authentication import Authenticator
from chassis.bus import Bus
from chassis.client import ServiceChannel
from chassis.database import Database
from chassis.rewrap import Place, Rotation
from chassis.server import Server
from chassis.vault import Vault
from engine.api import Engine
from engine.api.apps import Apps
from engine.api.common import Automation, Watchers
from engine.api.work import Workers
from engine.artifacts import open_store
from engine.audit import RunEventRecords
from engine.calling import Calls
from engine.catalogue import Catalogue
from engine.config import EngineConfig
from engine.dispatch.dispatcher import Dispatcher, Timing
from engine.dispatch.tunnels import Tunnels
from engine.feed import Feed
from engine.firing import Firing
from engine.following import Following
from engine.hub import Hub
from engine.lending import Lending
from engine.link import Link
from engine.owners import Owners
from engine.quotas import Quota
from engine.reach import Reach
from engine.reads import Reads
from engine.receiving import Receiving
from engine.retention import Retention
from engine.starting import Starter
from engine.sweep import Sweep
from engine.tables import metadata, triggers
from engine.tally import Tally
from engine.visitors import Visitors
from engine.watch import Pace, Poller, Watcher
from mcpanel.engine.v1 import app_pb2_grpc, engine_pb2_grpc, worker_pb2_grpc


@dataclass(frozen=True, slots=True)
class Peers:
    """The services the engine calls."""

    registry: ServiceChannel
    identity: ServiceChannel
    audit: ServiceChannel | None = None

    async def close(self) -> None:
        """Closes the channels."""
        for one in (self.registry, self.identity, self.audit):
            if one is not None:
                await one.close()


@dataclass(frozen=True, slots=True)
class Service:
    """A built engine."""

    server: Server
    db: Database
    bus: Bus
    hub: Hub
    dispatcher: Dispatcher
    reads: Reads
    vault: Vault
    rotation: Rotation
    close: Callable[[], object]


def build(config: EngineConfig, peers: Peers, authenticator: Authenticator) -> Service:
    """The service; nothing is started yet but what the server starts. Raises MasterKeyError."""
    db = Database(config.database_url, metadata, name="engine", pool_size=4)
    bus = Bus(config.nats_url, name="engine", echo=False)
    hub = Hub()
    timing = Timing(
        lease=config.lease,
        heartbeat=config.heartbeat,
        poll=timedelta(seconds=config.poll_seconds),
    )
    reads = Reads(Link(config.database_url, "engine-reads"))
    dispatcher = Dispatcher(
        database_url=config.database_url,
        db=db,
        reads=reads,
        bus=bus,
        hub=hub,
        identity=peers.identity,
        timing=timing,
    )
    pace = Pace(keep_alive=config.keep_alive_seconds, poll=config.poll_seconds)
    files = open_store(config.artifacts_url, config.artifacts)
    catalogue = Catalogue(peers.registry, dispatcher.components, dispatcher.plans)
    quota = Quota(config.active_runs_per_user, config.runs_per_user_and_hour)
    starter = Starter(catalogue, Lending(peers.registry), dispatcher, quota)
    reach = Reach(peers.registry)
    owners = Owners(peers.identity, starter, reach)
    firing = Firing(db, starter, owners, config.poll_seconds)
    following = Following(
        db, reads, starter, owners, run_ended=dispatcher.desk.run_ended, poll=config.poll_seconds
    )
    vault = Vault(config.master_key)
    automation = Automation(owners, firing, Receiving(db, starter, owners, vault))
    sealed = [Place.of(triggers, "id"), Place.of(triggers, "id", "old_")]
    rotation = Rotation(db, vault, sealed, service="engine")
    tunnels = Tunnels(dispatcher.sessions)
    feed = Feed(db, hub, bus, keep_alive=pace.keep_alive, poll=pace.poll)
    watcher = Watcher(db, reads, hub, pace)
    watchers = Watchers(watcher, feed)
    calls = Calls(db, reads, starter, dispatcher, watcher=watcher, poll=config.poll_seconds)
    workers = Workers(db, dispatcher, files, config.max_output_mib * 2**20, tunnels=tunnels, calls=calls)
    engine = Engine(db, starter, dispatcher, watchers, files, automation=automation, reach=reach)
    apps = Apps(engine, Visitors(peers.identity, reach), tunnels, config.apps_origin)
    server = Server(
        config,
        [
            (engine_pb2_grpc.add_EngineServiceServicer_to_server, engine),
            (app_pb2_grpc.add_AppServiceServicer_to_server, apps),
            (worker_pb2_grpc.add_WorkerServiceServicer_to_server, workers),
        ],
        authenticator=authenticator,
        db=db,
        audit=peers.audit,
        record_sources=[RunEventRecords(db)],
        background=[
            bus.start,
            *dispatcher.background(),
            Poller(db, hub, bus, pace).run,
            feed.run,
            Sweep(db, files).run,
            firing.run,
            following.run,
            calls.run,
            Retention(db, timedelta(days=config.retention_days)).run,
            Tally(db).run,
            rotation.run,
        ],
        on_stop=[dispatcher.close, reads.close, bus.close, peers.close, db.close],
        migrations_package="engine",
    )
    return Service(server, db, bus, hub, dispatcher, reads, vault, rotation, peers.close)
