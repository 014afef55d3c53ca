"""The smallest command that typer makes; says when it gets to work, as Unix time in ns."""

import time

import typer  # type: ignore[import-not-found, unused-ignore]

app = typer.Typer()


@app.command()  # type: ignore[untyped-decorator, unused-ignore]
def hello(name: str) -> None:
    """Say when."""
    print(time.time_ns())


app()
