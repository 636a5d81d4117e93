"""The edge's settings: what means nothing, or is unsafe in production, is refused by name."""

import pytest

from stack.config import EdgeConfig
from stack.errors import StackError


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("MCPANEL_ALLOWED_HOSTS", "https://example.org", "without scheme and port"),
        ("MCPANEL_ALLOWED_HOSTS", "example.org:80", "without scheme and port"),
        ("MCPANEL_ALLOWED_HOSTS", "", "MCPANEL_ALLOWED_HOSTS is empty"),
        ("MCPANEL_CORS_ORIGINS", "example.org", "write it like https://example.org"),
        ("MCPANEL_CORS_ORIGINS", "https://example.org/", "without a path"),
        ("MCPANEL_CREDENTIAL_RATE", "-1", "MCPANEL_CREDENTIAL_RATE=-1 is not a rate"),
        ("MCPANEL_CLIENT_RATE", "many", "expected a whole number"),
        ("MCPANEL_EDGE_CERTIFICATE", "/no/such.pem", "MCPANEL_EDGE_CERTIFICATE=/no/such.pem is no file"),
        ("MCPANEL_EDGE_PRIVATE_KEY", "/no/such.pem", "set both or neither"),
        ("MCPANEL_REDIRECT_PORT", "8081", "set MCPANEL_EDGE_CERTIFICATE too"),
        ("MCPANEL_EDGE_HOST", "example.org", "is no IP address"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_by_name(setting: str, value: str, words: str) -> None:
    with pytest.raises(StackError, match=setting) as refused:
        EdgeConfig.from_environment({setting: value})

    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MCPANEL_ALLOWED_HOSTS": "*"}, "MCPANEL_ALLOWED_HOSTS=* is refused"),
        ({"MCPANEL_ALLOWED_HOSTS": "console.example.com,*.com"}, "*.com is refused"),
        ({"MCPANEL_CORS_ORIGINS": "*"}, "MCPANEL_CORS_ORIGINS=* is refused"),
        ({"MCPANEL_EDGE_HOST": "0.0.0.0"}, "MCPANEL_EDGE_HOST=0.0.0.0 is refused"),  # noqa: S104
    ],
)
def test_production_refuses_unsafe_settings_of_the_edge_by_name(settings: dict[str, str], words: str) -> None:
    EdgeConfig.from_environment(settings)

    with pytest.raises(StackError) as refused:
        EdgeConfig.from_environment(settings | {"MCPANEL_PROFILE": "production"})

    assert words in str(refused.value)
