"""What runs besides: processes that were started with other settings than those of this shell."""

from collections.abc import Sequence

from deploy.supervisor import instance, programs
from deploy.supervisor.layout import Layout
from deploy.supervisor.programs import Program


def others(layout: Layout, ours: Sequence[Program]) -> tuple[Program, ...]:
    """What runs with its data in the same folder and is none of ours; it can be looked at and stopped."""
    known = {program.lock for program in ours}
    locks = sorted((layout.var / "run").glob("*.lock"))
    found = [Program(lock.stem, (), {}, lock, layout.var / "logs" / f"{lock.stem}.log") for lock in locks]
    return tuple(
        program
        for program in (programs.embedded(layout), *found)
        if program.lock not in known and instance.find(program.lock) is not None
    )
