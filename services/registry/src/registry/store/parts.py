"""What workflows and versions are made of."""

from collections.abc import Collection, Iterator
from typing import Any, Final

from sqlalchemy import select, text

from chassis.access import Resource
from chassis.database import Transaction
from registry.domain.lending import Kind, Part
from registry.nesting import HOLDERS
from registry.tables import definitions, versions

_PARTS: Final = text("""
WITH RECURSIVE inside AS (
    SELECT CAST(:workflow_id AS text) COLLATE "C" AS workflow_id, CAST(:version AS integer) AS version
    UNION
    SELECT (step #>> '{workflow_pin,workflow_id}') COLLATE "C", (step #>> '{workflow_pin,version}')::integer
    FROM inside
    JOIN workflow_versions USING (workflow_id, version)
    CROSS JOIN json_array_elements(content -> 'steps') AS step
    WHERE step -> 'workflow_pin' IS NOT NULL
),
used AS (
    SELECT DISTINCT workflows.name AS used_by, owner_id, created_by,
        step #>> '{pin,definition_id}' AS definition_id, step #>> '{pin,version_id}' AS version_id,
        step #>> '{workflow_pin,workflow_id}' AS workflow_id, split_part(step ->> 'component', '@', 1) AS component,
        split_part(step ->> 'workflow', '@', 1) AS workflow
    FROM inside
    JOIN workflow_versions USING (workflow_id, version)
    JOIN workflows ON workflows.id = workflow_id
    CROSS JOIN json_array_elements(content -> 'steps') AS step
)
SELECT 'definition' AS kind, used.definition_id AS id, coalesce(found.name, component) AS name, used_by,
    used.owner_id AS lender, used.created_by AS other_lender, found.owner_id, found.visibility,
    versions.version, versions.created_by AS author, versions.data_sources, versions.secrets, found.type,
    versions.id AS version_id
FROM used
LEFT JOIN definitions AS found ON found.id = used.definition_id
LEFT JOIN versions ON versions.id = used.version_id
WHERE used.definition_id IS NOT NULL
UNION ALL
SELECT 'workflow', used.workflow_id, coalesce(found.name, workflow), used_by, used.owner_id, used.created_by,
    found.owner_id, found.visibility, NULL, NULL, NULL, NULL, NULL, NULL
FROM used
LEFT JOIN workflows AS found ON found.id = used.workflow_id
WHERE used.workflow_id IS NOT NULL
""")
"""What a version of a workflow, and all inside it, is made of; once for each workflow that uses it, as `used_by`."""


_HELD: Final = text("""
WITH RECURSIVE inside AS (
    SELECT unnest(CAST(:version_ids AS text[])) COLLATE "C" AS id
    UNION
    SELECT (step #>> '{pin,version_id}') COLLATE "C"
    FROM inside
    JOIN versions USING (id)
    CROSS JOIN json_array_elements(package -> 'steps') AS step
    WHERE package IS NOT NULL
)
SELECT 'definition' AS kind, step #>> '{pin,definition_id}' AS id,
    coalesce(found.name, split_part(step ->> 'component', '@', 1)) AS name, found.owner_id, found.visibility,
    of.name AS holder_name, holders.version AS holder_version, of.owner_id AS lender,
    holders.created_by AS other_lender, versions.version, versions.created_by AS author, versions.data_sources,
    versions.secrets
FROM inside
JOIN versions AS holders USING (id)
JOIN definitions AS of ON of.id = holders.definition_id
CROSS JOIN json_array_elements(holders.package -> 'steps') AS step
LEFT JOIN definitions AS found ON found.id = step #>> '{pin,definition_id}'
LEFT JOIN versions ON versions.id = step #>> '{pin,version_id}'
WHERE holders.package IS NOT NULL
""")
"""What the packages and assistants among these versions of components, and those inside them, are made of."""


async def of_workflow(tx: Transaction, workflow_id: str, version: int) -> list[Part]:
    """What this version of a workflow, and all that lies inside it, is made of."""
    rows = list(await tx.execute(_PARTS, {"workflow_id": workflow_id, "version": version}))
    parts = [part for row in rows for part in _parts(row, f"workflow '{row.used_by}'")]
    parts += await _held_by(tx, {row.version_id for row in rows if row.type in HOLDERS})
    return list(dict.fromkeys(parts))


async def of_version(tx: Transaction, version_id: str) -> list[Part]:
    """What this version of a component is made of: the data sources and secrets it names, and of a package or an
    assistant the components.
    """
    columns = (
        definitions.c.name,
        definitions.c.owner_id,
        versions.c.version,
        versions.c.created_by.label("author"),
        versions.c.data_sources,
        versions.c.secrets,
    )
    wanted = select(*columns).join(definitions, definitions.c.id == versions.c.definition_id)
    rows = await tx.execute(wanted.where(versions.c.id == version_id))
    parts = [part for row in rows for part in _linked(row)]
    return list(dict.fromkeys([*parts, *await _held_by(tx, {version_id})]))


async def _held_by(tx: Transaction, version_ids: Collection[str]) -> list[Part]:
    if not version_ids:
        return []
    rows = await tx.execute(_HELD, {"version_ids": sorted(version_ids)})
    return [
        part for row in rows for part in _parts(row, f"component '{row.holder_name}@{row.holder_version}'")
    ]


def _parts(row: Any, used_by: str) -> Iterator[Part]:
    resource = None if row.owner_id is None else Resource(row.owner_id, row.visibility == "PUBLIC")
    lenders = tuple(dict.fromkeys((row.lender, row.other_lender)))
    yield Part(row.kind, row.id, row.name, used_by, lenders, resource)
    yield from _linked(row)


def _linked(row: Any) -> Iterator[Part]:
    used_by, lenders = (
        f"component '{row.name}@{row.version}'",
        tuple(dict.fromkeys((row.owner_id, row.author))),
    )
    kinds: tuple[tuple[Kind, list[dict[str, str]]], ...] = (
        ("data_source", row.data_sources or []),
        ("secret", row.secrets or []),
    )
    for kind, links in kinds:
        for link in links:
            yield Part(kind, link["id"], link["name"], used_by, lenders, None)
