"""`crisplens server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crisplens.cli.options import command, many, showing
from crisplens.cli.output import Output

if TYPE_CHECKING:
    from crisplens.api import Registry


@click.group()
def group() -> None:
    """Server: rows are pushed to monitors over HTTP."""


@group.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="The port; 0 for any."
)
@click.option("--tokens", metavar="FILE|env:NAME", help="Who may push. Without, only this machine can.")
@click.option(
    "--most-mebibytes",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    help="The largest body that is taken in.",
)
@command(acts=True, on_project=False, as_json=False)
def run(registry: Registry, host: str, port: int, tokens: str | None, most_mebibytes: int) -> None:
    """Take in rows over HTTP until it is stopped: POST /projects/PROJECT/monitors/NAME/rows.

    A body is JSON lines, a JSON array, CSV or an Arrow stream, as its Content-Type says; an Idempotency-Key is the
    batch's id. GET /health answers whether the registry does. Tokens travel as they are: put a proxy that speaks TLS
    before it. SIGTERM lets it finish the requests at hand.
    """
    from crisplens.server.running import serve
    from crisplens.server.tokens import read_tokens

    def ready(address: str) -> None:
        click.echo(f"Listening on {address}")

    known = read_tokens(tokens) if tokens else None
    serve(registry, host=host, port=port, tokens=known, most_body=most_mebibytes << 20, ready=ready)


@group.command()
@click.option("--as", "who", required=True, metavar="WHO", help="Who pushes with it.")
@many("--for", "projects", metavar="PROJECT", help="A project that it is for; '*' for all.")
@showing
def token(who: str, projects: tuple[str, ...]) -> Output:
    """Make a token, and the table for the file that `server run --tokens` names. It is shown this once."""
    from crisplens.server.tokens import make_token

    if not projects:
        raise click.UsageError("Say which project it is for: --for PROJECT.")
    made, known = make_token(who, projects)
    return Output({"token": made, "table": known}, f"{made}\n\nFor the file of tokens:\n\n{known}")
