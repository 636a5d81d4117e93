"""What the registry reads from its environment."""

from dataclasses import dataclass

from chassis.config import Address, DatabaseConfig, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig(DatabaseConfig):
    """What the service reads."""

    listen: Address = setting("MCPANEL_LISTEN", default="127.0.0.1:50051", help="host:port to serve gRPC on")
    metrics_listen: Address | None = setting(
        "MCPANEL_METRICS_LISTEN", default="127.0.0.1:9101", help="host:port for Prometheus, empty for none"
    )
    datasources_address: Address = setting(
        "MCPANEL_DATASOURCES_ADDRESS", default="127.0.0.1:50053", help="host:port of datasources"
    )
    engine_address: Address = setting(
        "MCPANEL_ENGINE_ADDRESS", default="127.0.0.1:50052", help="host:port of the engine"
    )
