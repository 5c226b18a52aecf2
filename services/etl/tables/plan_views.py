"""Plans as answers."""

from .plan_schemas import PlanView, StatementView
from .publishing import ShownPlan


def plan(shown: ShownPlan) -> PlanView:
    return PlanView(
        table_id=shown.table_id,
        revision=shown.revision,
        kind=shown.plan.kind,
        statements=[
            StatementView(sql=statement.sql, risk=statement.risk, reason=statement.reason)
            for statement in shown.plan.statements
        ],
        bookkeeping=list(shown.bookkeeping),
        affected_tasks=list(shown.tasks),
        plan_hash=shown.plan.hash,
    )
