"""Connection info that can't be sent as it is."""

import pytest
from pydantic import ValidationError

from shared.contracts.connection import HttpConnection


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]%25",
        "http://%31%32",
        "http://a%00b",
        "http://a{b}",
        "http://[::1]x",
        "http://a:b",
        "http://:80",
    ],
)
def test_an_address_is_a_name_or_an_address_with_a_port(url: str) -> None:
    with pytest.raises(ValidationError, match="url_invalid"):
        HttpConnection(base_url=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:80/v1", "https://[::1]:443", "http://my_host.example.com"])
def test_plain_addresses_are_taken(url: str) -> None:
    assert HttpConnection(base_url=url).base_url == url


@pytest.mark.parametrize("name", ["Host", "transfer-encoding", "Content-Length", "Connection", "Expect"])
def test_a_token_is_in_no_header_that_says_how_a_message_is_sent(name: str) -> None:
    with pytest.raises(ValidationError, match="header_reserved"):
        HttpConnection(base_url="http://a", auth="header", token_name=name)
    assert HttpConnection(base_url="http://a", auth="query", token_name=name).token_name == name
