"""A local Azure Functions host: the real Python runtime, and the host around it written here.

One host is one process (`python -m local.functions APP_DIR`), because the runtime's registry of
functions is a global of its module. `FunctionsHost` starts and ends such a process.
"""

from local.functions.errors import FunctionAppError, HostProcessError
from local.functions.keys import Keys
from local.functions.process import FunctionsHost

__all__ = ["FunctionAppError", "FunctionsHost", "HostProcessError", "Keys"]
