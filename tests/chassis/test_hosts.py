"""Hosts that components declare: read, put into one form, and compared."""

import pytest

from chassis.hosts import Host, HostError, of_url, parse


@pytest.mark.parametrize(
    ("text", "form", "port"),
    [
        ("api.example.com", "api.example.com", 443),
        ("API.Example.com.", "api.example.com", 443),
        ("api.example.com:443", "api.example.com", 443),
        ("api.example.com:80", "api.example.com:80", 80),
        ("*.example.com:8443", "*.example.com:8443", 8443),
        ("bücher.example", "xn--bcher-kva.example", 443),
        ("db_1", "db_1", 443),
        ("192.0.2.7:9000", "192.0.2.7:9000", 9000),
        ("2001:DB8::0:7", "[2001:db8::7]", 443),
        ("[2001:db8::7]:8080", "[2001:db8::7]:8080", 8080),
        ("[::ffff:192.0.2.7]:1", "192.0.2.7:1", 1),
    ],
)
def test_a_host_has_one_form(text: str, form: str, port: int) -> None:
    host = parse(text)

    assert (str(host), host.port) == (form, port)
    assert parse(str(host)) == host


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "neither a name nor an address"),
        ("https://api.example.com", "write its name only"),
        ("api.example.com/v1", "write its name only"),
        ("user@api.example.com", "write its name only"),
        ("api.example.com:", "no port from 1 to 65535"),
        ("api.example.com:0", "no port from 1 to 65535"),
        ("api.example.com:65536", "no port from 1 to 65535"),
        ("api.example.com:٨٠", "no port from 1 to 65535"),
        ("*", "neither a name nor an address"),
        ("*.com", "too wide"),
        ("*.0.0.1", "neither a name nor an address"),
        ("*.192.0.2.1", "too wide"),
        ("a.*.example.com", "neither a name nor an address"),
        ("127.1", "neither a name nor an address"),
        ("0x7f.0.0.1", "neither a name nor an address"),
        ("2130706433", "neither a name nor an address"),
        ("1.2.3.0x4", "neither a name nor an address"),
        ("127.0.0.01", "neither a name nor an address"),
        ("a b.example", "neither a name nor an address"),
        ("a..example", "neither a name nor an address"),
        (f"{'a' * 64}.example", "neither a name nor an address"),
        ("[192.0.2.7]:80", "not an IPv6 address in brackets"),
        ("[2001:db8::7", "not an IPv6 address in brackets"),
        ("fe80::1%eth0", "of one network interface only"),
    ],
)
def test_what_is_no_host_is_refused_with_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(HostError, match=problem):
        parse(text)


def test_a_family_covers_the_names_below_it_at_its_port_and_nothing_else() -> None:
    family = parse("*.example.com")

    assert family.covers(Host("api.example.com"))
    assert family.covers(Host("a.b.example.com"))
    assert not family.covers(Host("example.com"))
    assert not family.covers(Host("badexample.com"))
    assert not family.covers(Host(".example.com"))
    assert not family.covers(Host("api.example.com", 80))
    assert not parse("api.example.com").covers(Host("x.api.example.com"))


def test_no_family_can_be_asked_for() -> None:
    with pytest.raises(HostError):
        parse("*.example.com:443", family=False)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.com/a?b=c", "example.com"),
        ("http://example.com", "example.com:80"),
        ("http://127.77.0.1:9000/", "127.77.0.1:9000"),
        ("https://[2001:db8::7]:8443/", "[2001:db8::7]:8443"),
    ],
)
def test_a_url_reaches_its_host_at_its_schemes_port(url: str, host: str) -> None:
    assert str(of_url(url)) == host


@pytest.mark.parametrize("url", ["https://ada@example.com/", "https:///path", "https://example.com:0/"])
def test_a_url_without_a_host_of_its_own_is_refused(url: str) -> None:
    with pytest.raises(HostError):
        of_url(url)
