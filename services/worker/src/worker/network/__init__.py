"""The way out of a cell: a proxy that the worker serves to one attempt, and that reaches the attempt's hosts only."""

from worker.network.proxy import Proxy
from worker.network.reach import Reach

__all__ = ["Proxy", "Reach"]
