"""Whether a location holds a password or key, which would be recorded with it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from crisplens.core.errors import InputError

HIDDEN = "***"
_SHOWN = 200
Span = tuple[int, int]

# A scheme of one letter is a drive of Windows.
_SCHEME = r"([a-z0-9+.-]{2,40}):/{2,}"
_URL = re.compile(_SCHEME, re.IGNORECASE)
_PORT = r"\d{1,5}(?:/|$|[?#,][^/@]*(?:/|$))"
# Passwords are often written with signs that a URL would have as %40 or %2F, so this goes on to the last @.
_USER_INFO = re.compile(rf"{_SCHEME}(?!arn:aws)([^:/?#\[\]]*:(.+))@", re.IGNORECASE | re.DOTALL)
_IS_PORT = re.compile(_PORT)
_IN_QUERY = re.compile(rf"{_SCHEME}(?!arn:aws)([^\s:/?#'\"`\[\]]*:(?!{_PORT})[^\s'\"`]+)@", re.IGNORECASE)
_PARAMETER = re.compile(r"[?&;#]\s*([^=&;#?/'\"`]{1,100})=(?=[^&#])")
# libpq's and ODBC's way of writing a connection.
_PAIR = re.compile(r"(?:^|[\s;])(?:password|passwd|pwd|accountkey)\s*=\s*(?=[^\s;])", re.IGNORECASE)
_URL_IN_QUERY = re.compile(r"[a-z0-9+.-]{2,40}://[^\s'\"`]*", re.IGNORECASE)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_QUERIES = ("select", "with", "from", "values")

# Schemes whose URLs name a file of this machine or within another, and no user.
_LOCAL = frozenset({"file", "local", "memory", "sqlite", "duckdb", "zip", "tar", "libarchive"})
# Schemes whose URLs name a port, and then files, which may have an @ in their names.
_WITH_PORT = frozenset({"http", "https", "ftp", "ftps", "sftp", "ssh", "smb", "hdfs", "webhdfs"})
_NAMES = frozenset({"key", "sig", "pwd", "pass", "sas", "jwt", "auth", "authorization"})
_WITHIN_NAMES = ("password", "passwd", "passphrase", "secret")
_ENDS_OF_NAMES = (
    *("token", "signature", "credential", "credentials", "accesskey", "accesskeyid", "apikey", "accountkey"),
    *("privatekey", "sessionkey", "sharedkey", "authkey", "subscriptionkey"),
)


def check_location(location: str) -> None:
    """Raise `InputError` for a location with a password or key in it; the message does not repeat that.

    Looked for are `user:password@` in a URL, parameters of a URL that carry credentials (such as `password`, `token`,
    or the signature of a URL that was signed in advance), and connections written as `password=...`, also within a
    query. A user's name alone is none. Paths are only looked through for the last of these: their names may hold
    any sign.
    """
    shown = shown_location(location)
    if shown != location:
        raise InputError(
            f"{shown[:_SHOWN]} holds a password or key, which would be recorded",
            slug="bad-source",
            hint="Leave it out: libpq takes passwords from ~/.pgpass, PGPASSFILE or PGPASSWORD, object stores take "
            "keys from their own profiles and variables.",
        )


def shown_location(location: str) -> str:
    """The location with `***` for what may be a password or key in it; without one, as it is."""
    if found := [*_secrets(location)]:
        start, end = min(start for start, _ in found), max(end for _, end in found)
        return f"{location[:start]}{HIDDEN}{location[end:]}"
    address = location.partition("#")[0]
    scheme = _URL.search(address)
    if scheme and "%" in address and any(_secrets(unquote(address))):
        # Where it stands is only known in the other writing.
        return f"{scheme[1]}://{HIDDEN}"
    return location


def _secrets(location: str) -> Iterator[Span]:
    """From where to where each secret stands; what comes after one may belong to it, so most go to the end."""
    address, mark, what = location.partition("#")
    is_query = what.lstrip("( \n\t").casefold().startswith(_QUERIES)
    yield from _user_info(location, len(address), len(address) if is_query else len(location))
    if _URL.search(address):
        yield from _parameters(address if is_query else location, 0, len(location))
    for pair in _PAIR.finditer(address):
        yield pair.end(), len(location)
    if is_query:
        yield from _secrets_in_query(location, len(address + mark))


def _user_info(location: str, address: int, end: int) -> Iterator[Span]:
    """Those of URLs that begin within the `address`, the first so many characters; a query begins at the `end`."""
    begin = 0
    while (found := _USER_INFO.search(location, begin)) and found.start() < address:
        scheme, secret = found[1].casefold().partition("+")[0], found.start(3)
        may_be_port = scheme in _WITH_PORT or "@" not in location[secret:end]
        if scheme not in _LOCAL and not (may_be_port and _IS_PORT.match(location, secret)):
            yield found.span(2)
        begin = found.start(2)


def _secrets_in_query(location: str, begin: int) -> Iterator[Span]:
    """Those in a query in SQL, where a word such as password may well be a column, and @ and ? are operators."""
    for user in _IN_QUERY.finditer(location, begin):
        yield user.start(2), len(location)
    for url in _URL_IN_QUERY.finditer(location, begin):
        yield from _parameters(url[0], url.start(), len(location))
    for literal in _LITERAL.finditer(location, begin):
        for pair in _PAIR.finditer(literal[1]):
            yield literal.start(1) + pair.end(), len(location)


def _parameters(text: str, begin: int, end: int) -> Iterator[Span]:
    for found in _PARAMETER.finditer(text):
        if _is_secret(found[1]):
            yield begin + found.end(), end


def _is_secret(name: str) -> bool:
    plain = "".join(filter(str.isalnum, unquote(name).casefold()))
    return plain in _NAMES or plain.endswith(_ENDS_OF_NAMES) or any(part in plain for part in _WITHIN_NAMES)
