"""The smallest command that typer makes; prints when it begins its work, as Unix time in ns."""

import time

import typer  # type: ignore[import-not-found, unused-ignore]

app = typer.Typer()


@app.command()  # type: ignore[untyped-decorator, unused-ignore]
def hello(name: str) -> None:
    """Print the time."""
    print(time.time_ns())


app()
