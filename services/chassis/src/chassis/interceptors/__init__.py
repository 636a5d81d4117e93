"""What happens around every handler, in one fixed order.

    context          knows the call: trace id, deadline, peer. First, because all that follow speak of it.
    telemetry        counts, times and logs the outcome. Outside errors, so that it sees the code that is sent.
    errors           turns what is raised further in into a status. Outside authentication, whose refusals are
                     errors too.
    authentication   proves the caller.
    policy           asks the method's rule whether that caller may. Before validation, so that a stranger learns
                     nothing from how its request is judged.
    validation       checks each request message against the contract. Last: what reaches the handler is valid.

They are one gRPC interceptor, `Pipeline`, that wraps a method's handler once and keeps it: six layers of
`grpc.aio.ServerInterceptor` would build six handlers for every call. The layers wrap the iteration of streams
as well as the call: as long as one is open, `streams` asks whether its caller still counts.
"""

from chassis.interceptors.pipeline import Pipeline
from chassis.interceptors.refusals import RefusalHook, RefusalLog

__all__ = ["Pipeline", "RefusalHook", "RefusalLog"]
