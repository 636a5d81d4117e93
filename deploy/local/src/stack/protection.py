"""What the edge turns away by the settings: hosts that are not ours, other sites' scripts, too many requests."""

from typing import Any, Final

from stack import routes
from stack.config import EdgeConfig

Json = dict[str, Any]

_ADDRESS: Final[Json] = {"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}
_CREDENTIALS: Final = ("authorization", "x-api-key", "cookie")
_BURST_SECONDS: Final = 2


def hosts(config: EdgeConfig) -> list[str]:
    """The host names, each once."""
    return ["*"] if "*" in config.allowed_hosts else list(dict.fromkeys(config.allowed_hosts))


def cors_origins(config: EdgeConfig) -> list[Json]:
    """What an Origin has to be. A script elsewhere shows its own credential: cookies are never let through."""
    if "*" in config.cors_origins:
        return [{"safe_regex": {"regex": ".*"}}]
    return [{"exact": origin} for origin in config.cors_origins]


def rate_limits(config: EdgeConfig) -> list[Json]:
    """By what requests are counted (Envoy's `rate_limits`); see `rate_limit_descriptors` for how many pass."""
    found: list[Json] = []
    if config.client_rate:
        found.append({"actions": [_kind("address"), _ADDRESS]})
    if config.credential_rate:
        found += [
            {
                "actions": [
                    _kind("key"),
                    {"request_headers": {"header_name": name, "descriptor_key": "credential"}},
                ]
            }
            for name in _CREDENTIALS
        ]
    if config.sign_in_rate:
        # An entry for each path, of which a request has one: one expression for all of them is too large for Envoy.
        paths = [{"prefix": "/auth/"}, *({"exact": path} for path in routes.sign_in_paths())]
        found += [{"actions": [_sign_in(path), _ADDRESS]} for path in paths]
    return found


def rate_limit_descriptors(config: EdgeConfig) -> list[Json]:
    """How many requests pass of each kind: every address and every credential has a bucket of its own."""
    rates = {
        ("address", "masked_remote_address"): config.client_rate,
        ("key", "credential"): config.credential_rate,
        ("sign-in", "masked_remote_address"): config.sign_in_rate,
    }
    return [
        {
            "entries": [{"key": "kind", "value": kind}, {"key": key}],
            "token_bucket": {
                "max_tokens": rate * _BURST_SECONDS,
                "tokens_per_fill": rate,
                "fill_interval": "1s",
            },
        }
        for (kind, key), rate in rates.items()
        if rate
    ]


def _sign_in(path: Json) -> Json:
    headers = [
        {"name": ":method", "string_match": {"exact": "POST"}},
        {"name": ":path", "string_match": path},
    ]
    return {
        "header_value_match": {
            "descriptor_key": "kind",
            "descriptor_value": "sign-in",
            "headers": headers,
        }
    }


def _kind(name: str) -> Json:
    return {"generic_key": {"descriptor_key": "kind", "descriptor_value": name}}
