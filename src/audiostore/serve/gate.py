"""The gate before the routes: hosts, origins, identities, rates, and the headers of safety.

A pure ASGI application around another: it holds no body, and adds nothing to a transfer but
headers.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audiostore.errors import escaped
from audiostore.log import logger
from audiostore.serve import notifications
from audiostore.serve.access import LOOPBACK_NAMES, Access, Identity
from audiostore.serve.limits import Limits, Rates
from audiostore.serve.problems import RefusedError, note_failure, response_to

USER_KEY: Final = "audiostore.user"
"""Where the scope of a request has the name of its user."""
IDENTITY_KEY: Final = "audiostore.identity"
_PUBLIC: Final = ("/healthz", "/readyz", "/openapi.json")
_LINKED: Final = ("/s/", "/oembed", "/feed/")
"""Below these, the token is in the URL itself."""
_METRICS: Final = "/metrics"
"""Open to this machine: a scraper cannot know a token that is made anew at each start."""
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": _PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
"""Of every response that does not set them itself."""
_COOKIE_S: Final = 30 * 24 * 3600


class Gate:
    """Lets requests through that may be made.

    Args:
        app: what is behind it.
        access: who may do what; None: the application that mounts the service decides.
        limits: how often clients may ask.
        origins: the other sites whose pages may use the service, such as ``https://app.example``.
        uploads_to: the server of the bucket, to which the service's own page sends files.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access | None,
        limits: Limits,
        origins: tuple[str, ...] = (),
        uploads_to: str | None = None,
    ) -> None:
        self._app = app
        self._access = access
        self._rates = Rates(limits)
        self._origins = origins
        self._headers = dict(_HEADERS)
        if uploads_to is not None:
            policy = _PAGE_POLICY.replace("connect-src 'self'", f"connect-src 'self' {uploads_to}")
            self._headers["Content-Security-Policy"] = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sending = _Sending(send, self._headers)
        try:
            found = await self._checked(HTTPConnection(scope))
            await (found or self._app)(scope, receive, sending)
        except RefusedError as error:
            note_failure(scope, error)
            await response_to(error)(scope, receive, sending)
        except Exception as error:
            note_failure(scope, error)
            if sending.has_begun:
                raise  # the connection ends, so that the client sees that something is missing
            logger.exception("%s %s failed", scope["method"], escaped(scope["path"]))
            await response_to(error)(scope, receive, sending)

    async def _checked(self, request: HTTPConnection) -> Response | None:
        """Return a response in place of the application's; None to go on.

        Raises:
            RefusedError: the request may not be made.
        """
        scope = request.scope
        if self._is_for_loopback:
            require_loopback_host(request)
        path = path_of(scope)
        if scope["method"] in _SAFE_METHODS and (
            path in _PUBLIC or (path == _METRICS and self._is_for_loopback)
        ):
            return None
        if path.startswith(_LINKED) and scope["method"] in _SAFE_METHODS:
            self._rates.spend(request.client.host if request.client else "")
            return None
        if path == notifications.PATH:  # the route verifies who posts
            self._rates.spend(request.client.host if request.client else "")
            return None
        identity = None
        if self._access is not None:
            token = _login_token(request) if self._access.has_tokens and path == "/" else None
            if token is not None:
                return await self._logged_in(request, self._access, token)
            identity = await self._access.identify(request, _cookie(request))
            if identity is None:
                raise _unauthenticated(self._access)
            scope[USER_KEY] = identity.name
            scope[IDENTITY_KEY] = identity
        client = request.client.host if request.client else ""
        self._rates.spend(client if identity is None else f"user {identity.name}")
        if scope["method"] not in _SAFE_METHODS:
            self._require_write(request, identity)
        return None

    @property
    def _is_for_loopback(self) -> bool:
        return self._access is not None and self._access.is_for_loopback

    def _require_write(self, request: HTTPConnection, identity: Identity | None) -> None:
        if identity is not None and "write" not in identity.scopes:
            raise RefusedError(403, f"the token of {identity.name} is read-only")
        if identity is None or identity.is_ambient:
            require_own_origin(request, self._origins)

    async def _logged_in(self, request: HTTPConnection, access: Access, token: str) -> Response:
        """Keep the token of a page's URL in a cookie, and send the page to its URL without it."""
        await access.identify(request, token)
        others = [
            pair
            for pair in parse_qsl(request.url.query, keep_blank_values=True)
            if pair[0] != "token"
        ]
        root = request.scope.get("root_path", "")
        target = f"{quote(root)}/" + (f"?{urlencode(others)}" if others else "")
        response = RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
        response.set_cookie(
            _cookie_name(request),
            token,
            max_age=_COOKIE_S,
            path=f"{root}/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response


def require_loopback_host(request: HTTPConnection) -> None:
    """Refuse a request for another host than this machine.

    The owner of a name can let it lead here, for pages of that name (DNS rebinding).

    Raises:
        RefusedError: it names another host, or none (421).
    """
    host = request.headers.get("host", "")
    if _hostname(f"//{host}") not in LOOPBACK_NAMES:
        raise RefusedError(421, "this service is only for this machine: use http://127.0.0.1")


def require_own_origin(request: HTTPConnection, origins: tuple[str, ...] = ()) -> None:
    """Refuse a change that another site makes a browser ask for (CSRF).

    Browsers say where a request comes from: in Sec-Fetch-Site, or in Origin.

    Raises:
        RefusedError: it comes from another site, or says nothing (403).
    """
    origin = request.headers.get("origin")
    if origin is not None and origin in origins:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        is_own = site == "same-origin"
    else:
        is_own = origin is not None and _place(origin) == request.headers.get("host")
    if not is_own:
        raise RefusedError(
            403,
            "changes are accepted from the service's own pages only; programs send a token in the "
            "Authorization header, or the service's URL as Origin",
            kind="CrossOrigin",
        )


def path_of(scope: Scope) -> str:
    """Return the path of a request below where the service is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if root and path.startswith(root) else path


class _Sending:
    """Sends a response with the headers of safety, and knows whether it has begun."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send = send
        self._headers = headers
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            is_framed = "frame-ancestors *" in headers.get("Content-Security-Policy", "")
            for name, value in self._headers.items():
                if not (is_framed and name == "X-Frame-Options"):
                    headers.setdefault(name, value)
        await self._send(message)


def _unauthenticated(access: Access) -> RefusedError:
    if not access.has_tokens:
        return RefusedError(401, "the proxy in front of the service names no user")
    return RefusedError(
        401,
        "a token is needed: open the URL that the service printed, or send the token in the "
        "Authorization header",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _login_token(request: HTTPConnection) -> str | None:
    return request.query_params.get("token") if request.scope["method"] == "GET" else None


def _cookie_name(request: HTTPConnection) -> str:
    """Return a name for each port: browsers send cookies to all ports of a host."""
    server = request.scope.get("server") or ("", 0)
    return f"audiostore-{server[1] or 0}"


def _cookie(request: HTTPConnection) -> str | None:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(_cookie_name(request))
    except CookieError:
        return None
    return None if found is None else found.value


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
