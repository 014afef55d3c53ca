"""Every shipped environment in every role that it is made for."""

from __future__ import annotations

from dataclasses import dataclass

from batchtel_collector.environment.layers import shipped
from batchtel_collector.environment.load import EnvironmentFile, read
from batchtel_collector.environment.model import Environment


@dataclass(frozen=True)
class Variant:
    """One environment in one role."""

    file: EnvironmentFile
    role: str

    @property
    def name(self) -> str:
        """The environment's shipped name or path."""
        return self.file.name

    @property
    def stem(self) -> str:
        """The name of its files: `local`, `production-agent`."""
        title = self.file.title
        return title if self.file.roles == [self.role] else f"{title}-{self.role}"

    def environment(self) -> Environment:
        """Return the environment.

        Raises:
            InvalidEnvironmentError: with all problems at once.
        """
        return self.file.environment(self.role)


def variants(name: str | None = None, role: str | None = None) -> list[Variant]:
    """Return the variants of one environment, shipped or a file of yours, or of all shipped ones.

    With `role` those in that role; an environment that is asked for by name may be in a role that it is not made for.
    """
    if name is not None:
        file = read(name)
        return [Variant(file, one) for one in (file.roles if role is None else [role])]
    found = [Variant(file, one) for file in map(read, shipped()) for one in file.roles]
    return [one for one in found if role in (None, one.role)]
