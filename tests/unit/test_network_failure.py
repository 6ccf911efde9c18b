"""Which failed fetches tell of a network that may come back, in the words of the tools that fetch."""

from __future__ import annotations

import pytest

from buildproof.log_patterns import network_failure

PASSING = [
    "curl: (6) Could not resolve host: example.invalid",
    "curl: (7) Failed to connect to example.invalid port 443: Connection refused",
    "curl: (56) Recv failure: Connection reset by peer",
    "curl: (22) The requested URL returned error: 503",
    "warning: spurious network error (3 tries remaining): [6] Couldn't resolve host name",
    "  failed to lookup address information: Temporary failure in name resolution",
    "fatal: unable to access 'https://example.invalid/': Could not resolve host: example.invalid",
    "fetch-pack: unexpected disconnect while reading sideband packet, early EOF",
    "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>",
    "ConnectionResetError: [Errno 104] Connection reset by peer",
    "http.client.IncompleteRead: IncompleteRead(7 bytes read, 100 more expected)",
    "TimeoutError: timed out",
    "urllib.error.HTTPError: HTTP Error 503: Service Unavailable",
    "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool: Read timed out.",
    "wget: unable to resolve host address: Name or service not known",
    "E: Failed to fetch http://example.invalid/a.deb  502  Bad Gateway",
    "dial tcp 192.0.2.1:443: connect: no route to host, Network is unreachable",
]
LASTING = [
    "curl: (22) The requested URL returned error: 404",
    "urllib.error.HTTPError: HTTP Error 404: Not Found",
    "error: failed to get successful HTTP response, got 403",
    "curl: (60) SSL certificate problem: self-signed certificate in certificate chain",
    "error: checksum for `example` changed between lock files",
    "error: the lock file needs to be updated but --locked was passed",
    "make: *** [Makefile:3: fetch] Error 1",
    "",
]


@pytest.mark.parametrize("line", PASSING)
def test_a_network_that_failed_is_known(line: str) -> None:
    assert network_failure(["Updating index", line, "error: the fetch did not succeed"]) == line


@pytest.mark.parametrize("line", LASTING)
def test_an_answer_that_will_be_the_same_is_no_network_failure(line: str) -> None:
    assert network_failure(["Updating index", line]) is None


def test_a_definite_answer_outweighs_trouble_on_the_way_to_it() -> None:
    assert network_failure([PASSING[4], LASTING[0]]) is None


def test_nothing_that_was_said_is_no_network_failure() -> None:
    assert network_failure([]) is None
