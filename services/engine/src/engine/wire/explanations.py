"""An explanation as the contract shows it."""

from chassis import jsonvalue
from engine.explaining import Explanation, Reason
from engine.wire.events import timestamp
from mcpanel.engine.v1 import engine_pb2, run_pb2

_Response = engine_pb2.ExplainRunResponse


def response(run: run_pb2.Run, explanation: Explanation) -> engine_pb2.ExplainRunResponse:
    """The answer."""
    reasons = [_reason(one) for one in explanation.reasons]
    return _Response(run=run, summary=explanation.summary, reasons=reasons)


def _reason(reason: Reason) -> engine_pb2.ExplainRunResponse.Reason:
    actions = [
        _Response.Action(
            title=one.title, method=one.method, http=one.http, request=jsonvalue.to_struct(dict(one.request))
        )
        for one in reason.actions
    ]
    return _Response.Reason(
        step_id=reason.step_id,
        kind=reason.kind,
        message=reason.message,
        until=timestamp(reason.until),
        actions=actions,
    )
