"""What all routes share: the manager, its index, and the limits."""

from starlette.requests import Request

from audiostore.asset import FilenameGenerator
from audiostore.manager import AudioStorageManager
from audiostore.serve.calls import Calls
from audiostore.serve.content import Content, Stopping
from audiostore.serve.limits import Limits, UploadSlots
from audiostore.serve.metrics import Requests
from audiostore.serve.notifications import PushSubscription
from audiostore.serve.problems import RefusedError, not_found
from audiostore.serve.searching import Searching
from audiostore.serve.sharing import ShareKey
from audiostore.serve.staging import Staging


class Service:
    """A store, as the routes see it.

    Args:
        manager: of the store.
        limits: on what clients ask.
        redirects: whether audio and artwork are redirected to signed URLs instead of sent.
        refresh_s: how old the index may become while somebody searches.
        share_key: signs links; None: it makes none.
        public_url: the URL of the service as others see it; None: that of each request.
        subscription: posts what others change in the bucket; None: the index learns it by listing.
    """

    def __init__(
        self,
        manager: AudioStorageManager,
        *,
        limits: Limits,
        redirects: bool,
        refresh_s: float,
        share_key: ShareKey | None = None,
        public_url: str | None = None,
        subscription: PushSubscription | None = None,
    ) -> None:
        self.manager = manager
        self.limits = limits
        self.redirects = redirects
        self.share_key = share_key
        self.public_url = public_url
        self.subscription = subscription
        self.calls = Calls()
        self.stopping = Stopping()
        self.content = Content(manager.store, self.calls, self.stopping)
        self.slots = UploadSlots(limits)
        self.requests = Requests()
        self.staging = Staging(manager)
        self.searching = Searching(manager, self.calls, refresh_s=refresh_s)

    def close(self) -> None:
        """Delete the index; the manager stays open."""
        self.searching.close()


def service_of(request: Request) -> Service:
    """Return the service that a request is for."""
    service: Service = request.app.state.service
    return service


def id_of(request: Request) -> str:
    """Return the id in the path of a request.

    Raises:
        RefusedError: it is malformed, so there is no such asset (404).
    """
    audio_id: str = request.path_params["audio_id"]
    if not FilenameGenerator.validate_uuid(audio_id):
        raise not_found("no asset has this id: ids are UUIDs in lower case, with hyphens")
    return audio_id


def root_of(request: Request) -> str:
    """Return the path under which the service is mounted."""
    root: str = request.scope.get("root_path", "")
    return root


def require_parameters(request: Request, *known: str) -> None:
    """Refuse a request with a parameter that nothing reads.

    Raises:
        RefusedError: it has one (400).
    """
    for name in request.query_params:
        if not name.startswith(tuple(each for each in known if each.endswith("."))) and (
            name not in known
        ):
            raise RefusedError(400, f"unknown parameter {name[:80]!r}: known are {_list(known)}")


def _list(known: tuple[str, ...]) -> str:
    names = [f"{each}KEY" if each.endswith(".") else each for each in known]
    return ", ".join(names) or "none"
