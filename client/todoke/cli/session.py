"""What a command works with: the client, the output, and the options for both."""

from typing import TYPE_CHECKING

from todoke.cli import profiles
from todoke.cli.output import Form, Writer
from todoke.cli.terminal import say

if TYPE_CHECKING:
    import httpx2

    from todoke.client import Todoke


class Session:
    """One run of one command."""

    def __init__(
        self,
        *,
        url: str | None = None,
        profile: str | None = None,
        output: Form | None = None,
        fields: str | None = None,
        quiet: bool = False,
        verbose: bool = False,
        max_wait: float = 60.0,
    ) -> None:
        self.quiet = quiet
        self.write = Writer(output, fields, self.say)
        self.verbose = verbose
        self._url = url
        self._profile = profile
        self._max_wait = max_wait
        self._client: Todoke | None = None

    @property
    def todoke(self) -> "Todoke":
        """The client, created when it is first needed: `--help` needs none."""
        if self._client is None:
            import httpx2

            from todoke.client import Todoke

            chosen = profiles.choose(self._url, self._profile)
            http = httpx2.Client()
            if self.verbose:
                http.event_hooks = {"request": [self._asking], "response": [self._answered]}
            self._client = Todoke(
                chosen.url, chosen.api_key or "", max_wait=self._max_wait, http_client=http, user_agent_suffix="cli"
            )
        return self._client

    def say(self, text: object) -> None:
        """Write a line on stderr, unless --quiet is set."""
        if not self.quiet:
            say(text)

    def _asking(self, request: "httpx2.Request") -> None:
        key = request.headers.get("idempotency-key")
        say(f"> {request.method} {request.url.copy_with(query=None)}" + (f"  Idempotency-Key: {key}" if key else ""))

    def _answered(self, response: "httpx2.Response") -> None:
        say(f"< {response.status_code}  X-Request-Id: {response.headers.get('x-request-id', '-')}")
