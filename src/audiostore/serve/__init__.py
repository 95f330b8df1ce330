"""The HTTP service: one ASGI application over a manager, and a server that runs it.

It needs the extra ``serve`` (Starlette, uvicorn, python-multipart), and is imported by nothing else
in the library. `create_app` is for programs that mount it in an application of their own::

    app.mount("/audio", create_app(manager))
"""

from audiostore.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.serve.access import (
        Access as Access,
        Identity as Identity,
        StartToken as StartToken,
        TrustedProxy as TrustedProxy,
    )
    from audiostore.serve.app import create_app as create_app
    from audiostore.serve.assistant import mcp_server as mcp_server
    from audiostore.serve.iap import IapAssertions as IapAssertions
    from audiostore.serve.limits import Limits as Limits, limits_of as limits_of
    from audiostore.serve.notifications import PushSubscription as PushSubscription
    from audiostore.serve.running import (
        CannotListenError as CannotListenError,
        is_loopback as is_loopback,
        run as run,
    )
    from audiostore.serve.sharing import (
        LEAST_SECRET_BYTES as LEAST_SECRET_BYTES,
        ShareKey as ShareKey,
        own_secret as own_secret,
    )
    from audiostore.serve.tokens import TokenFile as TokenFile
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "access": "Access Identity StartToken TrustedProxy",
            "app": "create_app",
            "assistant": "mcp_server",
            "iap": "IapAssertions",
            "limits": "Limits limits_of",
            "notifications": "PushSubscription",
            "running": "CannotListenError is_loopback run",
            "sharing": "LEAST_SECRET_BYTES ShareKey own_secret",
            "tokens": "TokenFile",
        },
    )
