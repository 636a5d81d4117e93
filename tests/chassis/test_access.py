"""Who may do what to one resource: a table of cases, and the SQL for lists, which decides alike."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    make_url,
    select,
)
from sqlalchemy.engine import Engine

from chassis import access
from chassis.access import Decision, Grant, Level, Resource, Subject, check
from chassis.context import Call
from chassis.rules import Rule
from chassis.tables import NAMING
from mcpanel.policy.v1 import policy_pb2
from tests.support.callers import ADMIN, EDITOR, GUEST, SERVICE, acting_for
from tests.support.servers import TestPostgres

ALLOW, DENY, HIDE = Decision.ALLOW, Decision.DENY, Decision.HIDE
PRIVATE, PUBLIC = Resource("ada", is_public=False), Resource("ada", is_public=True)
ADA, BOB = Subject("ada"), Subject("bob", frozenset({"Editor"}))
AUDITOR, NOBODY = Subject("eve", reaches_all=True), Subject("")


def grants(*given: tuple[access.SubjectKind, str, Level]) -> list[Grant]:
    return [Grant(*one) for one in given]


@pytest.mark.parametrize(
    ("subject", "resource", "given_", "decisions"),
    [
        (ADA, PRIVATE, [], (ALLOW, ALLOW, ALLOW)),
        (AUDITOR, PRIVATE, [], (ALLOW, ALLOW, ALLOW)),
        (BOB, PRIVATE, [], (HIDE, HIDE, HIDE)),
        (BOB, PUBLIC, [], (ALLOW, DENY, DENY)),
        (BOB, PRIVATE, grants(("user", "bob", Level.VIEW)), (ALLOW, DENY, DENY)),
        (BOB, PRIVATE, grants(("user", "bob", Level.EDIT)), (ALLOW, ALLOW, DENY)),
        (BOB, PRIVATE, grants(("user", "bob", Level.DELETE)), (ALLOW, ALLOW, ALLOW)),
        (BOB, PRIVATE, grants(("service_account", "bob", Level.EDIT)), (ALLOW, ALLOW, DENY)),
        (BOB, PRIVATE, grants(("role", "Editor", Level.EDIT)), (ALLOW, ALLOW, DENY)),
        (BOB, PUBLIC, grants(("role", "Editor", Level.EDIT)), (ALLOW, ALLOW, DENY)),
        (
            BOB,
            PRIVATE,
            grants(("user", "bob", Level.EDIT), ("role", "Editor", Level.VIEW)),
            (ALLOW, ALLOW, DENY),
        ),
        (
            BOB,
            PRIVATE,
            grants(("role", "Viewer", Level.DELETE), ("user", "eve", Level.DELETE)),
            (HIDE, HIDE, HIDE),
        ),
        (
            BOB,
            PRIVATE,
            grants(("user", "Editor", Level.DELETE), ("role", "bob", Level.DELETE)),
            (HIDE, HIDE, HIDE),
        ),
        (NOBODY, Resource("", is_public=False), grants(("user", "", Level.DELETE)), (HIDE, HIDE, HIDE)),
        (NOBODY, PUBLIC, [], (ALLOW, DENY, DENY)),
    ],
)
def test_owner_visibility_and_grants_decide(
    subject: Subject, resource: Resource, given_: list[Grant], decisions: tuple[Decision, ...]
) -> None:
    assert tuple(check(subject, level, resource, given_) for level in Level) == decisions


def test_what_is_out_of_reach_is_what_may_not_be_viewed() -> None:
    resources = {"open": PUBLIC, "given": PRIVATE, "hidden": PRIVATE}

    assert access.unreachable(BOB, resources, {"given": grants(("user", "bob", Level.VIEW))}) == ["hidden"]


def test_the_levels_are_the_contracts() -> None:
    assert {one.name: one.value for one in Level} == dict(policy_pb2.Resource.Level.items()[1:])


def test_whose_rights_count_is_the_user_a_service_calls_for() -> None:
    rule = Rule(others="resources.all", callers=[Rule.ENGINE])
    callers = (EDITOR, ADMIN, SERVICE, acting_for(SERVICE, EDITOR), GUEST)

    found = [access.subject(Call(method="/a.B/C", rule=rule, caller=caller)) for caller in callers]

    assert found == [
        Subject(EDITOR.id, EDITOR.roles),
        Subject(ADMIN.id, ADMIN.roles, reaches_all=True),
        Subject(SERVICE.id, reaches_all=True),
        Subject(EDITOR.id, EDITOR.roles),
        Subject(GUEST.id),
    ]


metadata = MetaData(naming_convention=NAMING)
granted = access.tables(metadata)
things = Table(
    "things",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner_id", String),
    Column("public", Boolean),
)
COLUMNS = access.Columns("thing", things.c.id, things.c.owner_id, things.c.public)


@pytest.fixture(scope="module")
def engine(postgres: TestPostgres) -> Iterator[Engine]:
    """A database with things that can be shared."""
    url = make_url(postgres.create_database("access")).set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


PEOPLE = st.sampled_from(["", "ada", "bob", "eve"])
ROLES = st.sampled_from(["Editor", "Viewer", "bob"])
SUBJECTS = st.builds(Subject, PEOPLE, st.frozensets(ROLES), st.booleans())
RESOURCES = st.builds(Resource, PEOPLE, st.booleans())
GRANTS = st.builds(Grant, st.sampled_from(access.SUBJECT_KINDS), PEOPLE | ROLES, st.sampled_from(Level))
WORLDS = st.lists(
    st.tuples(
        RESOURCES, st.lists(GRANTS, max_size=4, unique_by=lambda one: (one.subject_kind, one.subject_id))
    ),
    max_size=5,
)


@settings(max_examples=60)
@given(WORLDS, st.lists(SUBJECTS, min_size=1, max_size=4))
def test_a_list_shows_what_may_be_seen_one_by_one(
    engine: Engine, world: list[tuple[Resource, list[Grant]]], subjects: list[Subject]
) -> None:
    with engine.connect() as connection:
        _insert(connection, world)

        for subject, level in itertools.product(subjects, Level):
            statement = select(things.c.id).where(access.condition(subject, level, COLUMNS, granted))
            listed = set(connection.execute(statement).scalars())

            allowed = {
                str(number)
                for number, (resource, given_) in enumerate(world)
                if check(subject, level, resource, given_) is ALLOW
            }
            assert listed == allowed
        connection.rollback()


def _insert(connection: Connection, world: list[tuple[Resource, list[Grant]]]) -> None:
    """The world's things and grants, and grants of another kind that must not count."""
    numbers = itertools.count()
    for number, (resource, given_) in enumerate(world):
        values = {"id": str(number), "owner_id": resource.owner_id, "public": resource.is_public}
        connection.execute(insert(things).values(values))
        rows = [("thing", grant) for grant in given_]
        rows += [("other", Grant(kind, "bob", Level.DELETE)) for kind in access.SUBJECT_KINDS]
        for kind, grant in rows:
            connection.execute(
                insert(granted).values(
                    id=str(next(numbers)),
                    kind=kind,
                    resource_id=str(number),
                    subject_kind=grant.subject_kind,
                    subject_id=grant.subject_id,
                    level=grant.level.name,
                    created_by="ada",
                    created_at=datetime(2026, 1, 1, tzinfo=UTC),
                )
            )
