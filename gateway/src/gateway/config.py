"""The gateway's configuration."""

from dataclasses import dataclass

from chassis.config import Address, ServiceConfig, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig(ServiceConfig):
    """Where the gateway listens and whom it asks."""

    listen: Address = setting(
        "MCPANEL_LISTEN", default="127.0.0.1:50050", help="host:port for gRPC reflection and health"
    )
    http_listen: Address = setting("MCPANEL_HTTP_LISTEN", default="127.0.0.1:8000", help="host:port for HTTP")
    apps_listen: Address = setting(
        "MCPANEL_APPS_LISTEN", default="127.0.0.1:8001", help="host:port for apps, which people made"
    )
    console_origins: tuple[str, ...] = setting(
        "MCPANEL_CONSOLE_ORIGINS",
        default="http://127.0.0.1:8080,http://localhost:8080",
        help="where the console's pages are, which alone may show apps inside themselves",
    )
    metrics_listen: Address | None = setting(
        "MCPANEL_METRICS_LISTEN", default="", help="host:port for Prometheus, empty for none"
    )
    registry_address: Address = setting(
        "MCPANEL_REGISTRY_ADDRESS", default="127.0.0.1:50051", help="host:port of registry"
    )
    engine_address: Address = setting(
        "MCPANEL_ENGINE_ADDRESS", default="127.0.0.1:50052", help="host:port of engine"
    )
    datasources_address: Address = setting(
        "MCPANEL_DATASOURCES_ADDRESS", default="127.0.0.1:50053", help="host:port of datasources"
    )
    reflection: bool | None = setting(
        "MCPANEL_REFLECTION",
        default="",
        help="whether gRPC reflection tells of the contracts; empty: yes, unless the profile is production",
        unsafe=lambda on: "the contracts would be open to whoever reaches the edge" if on else "",
    )
    keep_alive_seconds: float = setting(
        "MCPANEL_SSE_KEEP_ALIVE_SECONDS",
        default="15",
        help="seconds between signs of life on a silent stream",
    )

    @property
    def reflects(self) -> bool:
        """Whether reflection is offered."""
        return self.profile == "local" if self.reflection is None else self.reflection

    def services(self) -> dict[str, tuple[str, Address]]:
        """The suite's services: name → (full gRPC name, address)."""
        return {
            "registry": ("mcpanel.registry.v1.RegistryService", self.registry_address),
            "engine": ("mcpanel.engine.v1.EngineService", self.engine_address),
            "datasources": ("mcpanel.datasources.v1.DataSourceService", self.datasources_address),
            "audit": ("mcpanel.audit.v1.AuditService", self.audit_address),
            "identity": ("mcpanel.identity.v1.IdentityService", self.identity_address),
        }
