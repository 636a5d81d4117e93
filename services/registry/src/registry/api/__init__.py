"""RegistryService: what can run, and who may use it.

`definitions`, `versions`, `workflows`, `templates`, `graphs` and `bundles` hold the methods, by what they are about;
`common` has what they share.
"""

from mcpanel.registry.v1.registry_pb2_grpc import RegistryServiceServicer
from registry.api.bundles import Bundles
from registry.api.definitions import Definitions
from registry.api.graphs import Graphs
from registry.api.templates import Templates
from registry.api.versions import Versions
from registry.api.workflows import Workflows


class Registry(Definitions, Versions, Workflows, Templates, Graphs, Bundles, RegistryServiceServicer):
    """The servicer."""
