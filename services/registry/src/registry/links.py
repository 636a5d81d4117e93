"""What others know: the data sources and secrets that a version names, and who people are."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from chassis import contracts
from chassis.access import Subject
from chassis.context import use
from chassis.errors import DeadlineExceeded, Denied, FieldViolation, NotFound, Unavailable
from mcpanel.datasources.v1 import datasources_pb2, datasources_pb2_grpc, secrets_pb2, secrets_pb2_grpc
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from registry.domain.content import Content
from registry.domain.graphs import State
from registry.domain.lending import Kind
from registry.domain.versions import Link, Links, Sent

_APPROVE: Final = contracts.rules()["mcpanel.engine.v1.EngineService/ApproveStep"].permission
_ALL: Final = contracts.rules()["mcpanel.registry.v1.RegistryService/GetWorkflow"].others
_MOST_NAMES: Final = 5000
_MOST_STATES: Final = 100
_LONGEST_NAME: Final = 200
_SECONDS: Final = 5.0


class Things(ABC):
    """What another service owns and versions name: found on behalf of the current caller, who must be allowed to read
    it; and who may use it.
    """

    async def links(self, keys: Iterable[str], places: Mapping[str, str]) -> tuple[Link, ...]:
        """The things of these ids or names, each once; `places` are the fields of the request that name them.

        Raises NotFound DATA_SOURCE_NOT_FOUND or SECRET_NOT_FOUND, and Unavailable naming datasources when it does not
        answer. Calls no one when there are none.
        """
        found = await asyncio.gather(*(self._named(key, places.get(key, "")) for key in keys))
        return tuple(dict.fromkeys(found))

    async def unreachable(
        self, subject_id: str, subject: Subject | None, ids: Collection[str]
    ) -> frozenset[str]:
        """Those of the things with these ids that somebody may not use; `subject` is None for who is inactive.

        Raises Unavailable naming datasources when it does not answer.
        """
        if subject is not None and subject.reaches_all:
            return frozenset()
        roles = sorted(subject.roles) if subject is not None else []
        with use(None):
            return frozenset(await self._unreachable(subject_id, roles, subject is None, sorted(ids)))

    async def found(self, keys: Collection[str]) -> dict[str, Link]:
        """Those of the things with these ids or names that the current caller finds, by what they were asked by.

        Raises Unavailable naming datasources when it does not answer. Calls no one when there are none.
        """
        asked = sorted(keys)
        links = await asyncio.gather(*map(self._find, asked))
        return {key: link for key, link in zip(asked, links, strict=True) if link is not None}

    async def states(self, ids: Collection[str]) -> dict[str, State]:
        """Of the things with these ids, at most the first hundred, whether the current caller finds them now.

        UNKNOWN when datasources does not answer, or the caller may not ask it. Calls no one when there are none.
        """
        asked = list(islice(ids, _MOST_STATES))
        return dict(zip(asked, await asyncio.gather(*map(self._state, asked)), strict=True))

    async def _named(self, key: str, place: str) -> Link:
        try:
            return await self._link(key)
        except NotFound as error:
            if not place:
                raise
            fields = [FieldViolation(place, error.message, error.reason)]
            raise NotFound(
                error.reason, f"{place}: {error.message}", resource=error.resource, fields=fields
            ) from None

    async def _find(self, key: str) -> Link | None:
        try:
            return await self._link(key)
        except NotFound:
            return None

    async def _state(self, id_: str) -> State:
        try:
            async with asyncio.timeout(_SECONDS):
                return State.MISSING if await self._find(id_) is None else State.PRESENT
        except (Unavailable, DeadlineExceeded, Denied, TimeoutError):
            return State.UNKNOWN

    @abstractmethod
    async def _link(self, key: str) -> Link: ...

    @abstractmethod
    async def _unreachable(
        self, subject_id: str, role_names: list[str], inactive: bool, ids: list[str]
    ) -> Iterable[str]: ...


class DataSources(Things):
    """Data sources."""

    def __init__(self, stub: "datasources_pb2_grpc.DataSourceServiceAsyncStub") -> None:
        self._stub = stub

    async def _link(self, key: str) -> Link:
        request = datasources_pb2.GetDataSourceRequest(data_source_id=key)
        answer = await self._stub.GetDataSource(request)
        return Link(answer.data_source.id, answer.data_source.name)

    async def _unreachable(
        self, subject_id: str, role_names: list[str], inactive: bool, ids: list[str]
    ) -> Iterable[str]:
        request = datasources_pb2.FindUnreachableRequest(
            subject_id=subject_id, role_names=role_names, inactive=inactive, data_source_ids=ids
        )
        return (await self._stub.FindUnreachable(request, timeout=_SECONDS)).data_source_ids


class Secrets(Things):
    """Secrets."""

    def __init__(self, stub: "secrets_pb2_grpc.SecretServiceAsyncStub") -> None:
        self._stub = stub

    async def _link(self, key: str) -> Link:
        answer = await self._stub.GetSecret(secrets_pb2.GetSecretRequest(secret_id=key))
        return Link(answer.secret.id, answer.secret.name)

    async def _unreachable(
        self, subject_id: str, role_names: list[str], inactive: bool, ids: list[str]
    ) -> Iterable[str]:
        request = secrets_pb2.FindUnreachableSecretsRequest(
            subject_id=subject_id, role_names=role_names, inactive=inactive, secret_ids=ids
        )
        return (await self._stub.FindUnreachableSecrets(request, timeout=_SECONDS)).secret_ids


@dataclass(frozen=True, slots=True)
class Linked:
    """All that versions name of other services."""

    data_sources: DataSources
    secrets: Secrets

    async def links(self, sent: Sent) -> Links:
        """What a version that was sent names. Raises what `Things.links` raises."""
        data_sources, secrets = await asyncio.gather(
            self.data_sources.links(sent.data_source_ids, sent.places),
            self.secrets.links(sent.secret_ids, sent.places),
        )
        return Links(data_sources, secrets)

    def of(self, kind: Kind) -> Things:
        """Those of a kind that is `lending.ELSEWHERE`."""
        return self.secrets if kind == "secret" else self.data_sources


class People:
    """Finds out who somebody is, on the registry's own behalf."""

    def __init__(self, stub: "identity_pb2_grpc.IdentityServiceAsyncStub") -> None:
        self._stub = stub

    async def subjects(self, ids: Iterable[str]) -> dict[str, Subject]:
        """Those of these users and accounts who are active, by id, as they are now.

        Raises Unavailable naming identity when it does not answer.
        """
        found = await asyncio.gather(*map(self._subject, ids))
        return {one.id: one for one in found if one is not None}

    async def _subject(self, id_: str) -> Subject | None:
        request = identity_pb2.GetPrincipalRequest(principal_id=id_)
        try:
            with use(None):
                found = (await self._stub.GetPrincipal(request, timeout=_SECONDS)).principal
        except NotFound:
            return None
        return Subject(id_, frozenset(found.roles), reaches_all=bool({_ALL, "*"} & set(found.permissions)))

    async def user(self, named: str) -> str:
        """The id of the active user with this id or e-mail address.

        Raises NotFound PRINCIPAL_NOT_FOUND, and Unavailable naming identity when it does not answer.
        """
        request = identity_pb2.GetPrincipalRequest(principal_id=named)
        with use(None):
            found = (await self._stub.GetPrincipal(request, timeout=_SECONDS)).principal
        if found.kind != identity_pb2.Principal.USER:
            raise NotFound(
                "PRINCIPAL_NOT_FOUND",
                f"{named!r} is a service account; give a user's id or e-mail address",
                resource=("principal", named),
            )
        return str(found.id)

    async def strangers(self, content: Content) -> dict[str, tuple[str, str]]:
        """The approvers of the steps who cannot decide, by name: why not, and what to write instead.

        Raises Unavailable naming identity when it does not answer. Calls no one when no step names an approver.
        """
        named = (name for step in content.steps if step.approval for name in step.approval.approvers)
        names = list(
            islice(dict.fromkeys(one for one in named if 0 < len(one) <= _LONGEST_NAME), _MOST_NAMES)
        )
        if not names:
            return {}
        request = identity_pb2.CheckNamesRequest(names=names, permission=_APPROVE)
        with use(None):
            answer = await self._stub.CheckNames(request, timeout=_SECONDS)
        fix = f"name a user's id or e-mail address, or a role: {', '.join(answer.roles)}"
        found = {name: (f"there is no active user and no role {name!r}", fix) for name in answer.unknown}
        for name in answer.lacking:
            found[name] = (f"{name!r} may not decide, without the permission {_APPROVE}", fix)
        return found
