"""Plans as answers."""

from services.etl.tables.dialects import Finding
from shared.contracts.problem import ProblemFault

from . import estimates
from .planning import ShownPlan
from .schemas import CheckView, PlanView, StatementView


def plan(shown: ShownPlan, *, samples: bool) -> PlanView:
    """A plan; values out of the rows only with `samples`."""
    made, size = shown.plan, shown.size
    return PlanView(
        table_id=shown.table_id,
        revision=shown.revision,
        kind=made.kind,
        rows=size.rows if size else None,
        bytes=size.bytes if size else None,
        exact=size.exact if size else False,
        statements=[
            StatementView(
                sql=one.sql,
                risk=one.risk,
                reason=one.reason,
                lock=one.lock,
                seconds=estimates.seconds(one, size),
            )
            for one in made.statements
        ],
        checks=[_check(finding, samples=samples) for finding in shown.findings],
        faults=[
            ProblemFault(loc=list(fault.loc), code=fault.code, message=fault.message) for fault in made.faults
        ],
        possible=shown.possible,
        destructive=made.destructive,
        confirm=shown.confirm,
        bookkeeping=list(shown.bookkeeping),
        affected_tasks=list(shown.tasks),
        run_id=shown.run_id,
        change_id=shown.change_id,
        plan_hash=made.hash,
    )


def _check(finding: Finding, *, samples: bool) -> CheckView:
    return CheckView(
        loc=list(finding.check.loc),
        code=finding.check.code,
        message=finding.fault.message,
        rows=finding.rows,
        samples=list(finding.samples) if samples else [],
    )
