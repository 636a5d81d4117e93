"""TLS at the edge: HTTPS for those who come, mutual TLS to the services; certificates may change while it runs."""

import json
from pathlib import Path
from typing import Any, Final

from chassis import peers
from stack.config import EdgeConfig

Json = dict[str, Any]

_NAME: Final = "edge"
_SHOWN: Final = "shown.json"
_TRUSTED: Final = "trusted.json"
_MANAGER: Final = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)


def secret(certificate: Path, private_key: Path) -> str:
    """Where Envoy finds the certificate and its key: it reads them anew when a file is moved into their folder."""
    shown = {
        "certificate_chain": {"filename": str(certificate.absolute())},
        "private_key": {"filename": str(private_key.absolute())},
        "watched_directory": {"path": str(certificate.absolute().parent)},
    }
    return _resource({"name": _NAME, "tls_certificate": shown})


def upstream_secrets(certificates: Path) -> dict[str, str]:
    """What the edge shows to the services, and the authority it trusts; both are read anew when they change.

    A file for each: Envoy takes one secret from one.
    """
    own = certificates.absolute() / _NAME
    watched = {"path": str(certificates.absolute())}
    shown = {
        "certificate_chain": {"filename": str(own / "tls.crt")},
        "private_key": {"filename": str(own / "tls.key")},
        "watched_directory": watched,
    }
    trusted = {"trusted_ca": {"filename": str(own / "ca.crt")}, "watched_directory": watched}
    return {
        _SHOWN: _resource({"name": _SHOWN, "tls_certificate": shown}),
        _TRUSTED: _resource({"name": _TRUSTED, "validation_context": trusted}),
    }


def apply_upstream(edge: Json, folder: Path) -> None:
    """Makes the edge speak mutual TLS with every service: each has to be the process that its cluster is named for."""
    for cluster in edge["static_resources"]["clusters"]:
        name = peers.host(cluster["name"].partition("_")[0])
        meant = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": name}}]}
        context: Json = {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": name,
            "common_tls_context": {
                "tls_certificate_sds_secret_configs": [_watched(_SHOWN, folder)],
                "combined_validation_context": {
                    "default_validation_context": meant,
                    "validation_context_sds_secret_config": _watched(_TRUSTED, folder),
                },
            },
        }
        if "typed_extension_protocol_options" in cluster:
            context["common_tls_context"]["alpn_protocols"] = ["h2"]
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _resource(found: Json) -> str:
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    return json.dumps({"resources": [{"@type": kind, **found}]}, indent=1)


def _watched(name: str, folder: Path) -> Json:
    source = {"path_config_source": {"path": str(folder / name)}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": source}


def apply(edge: Json, config: EdgeConfig, port: int, secret_file: Path) -> None:
    """Makes the edge's listeners speak TLS, tells browsers to stay with it, and adds the redirecting listener."""
    listeners = edge["static_resources"]["listeners"]
    shown = {
        "name": _NAME,
        "sds_config": {"path_config_source": {"path": str(secret_file)}, "resource_api_version": "V3"},
    }
    for listener in listeners:
        (chain,) = listener["filter_chains"]
        chain["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                    "tls_certificate_sds_secret_configs": [shown],
                },
            },
        }
        if config.hsts_seconds:
            header = {"key": "strict-transport-security", "value": f"max-age={config.hsts_seconds}"}
            route_config = chain["filters"][0]["typed_config"]["route_config"]
            route_config["response_headers_to_add"].append(
                {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            )
    if config.redirect_port:
        listeners.append(_redirect(config, port))


def _redirect(config: EdgeConfig, port: int) -> Json:
    """A listener that answers everything with the same address over HTTPS: 308, so that a POST stays one."""
    route = {
        "match": {"prefix": "/"},
        "redirect": {
            "https_redirect": True,
            "port_redirect": port,
            "response_code": "PERMANENT_REDIRECT",
        },
    }
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "redirect",
        "server_name": "mcpanel",
        "request_headers_timeout": "15s",
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
        "route_config": {
            "name": "redirect",
            "ignore_port_in_host_matching": True,
            "virtual_hosts": [
                {"name": "redirect", "domains": list(dict.fromkeys(config.allowed_hosts)), "routes": [route]}
            ],
        },
    }
    return {
        "name": "redirect",
        "address": {"socket_address": {"address": config.host, "port_value": config.redirect_port}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
