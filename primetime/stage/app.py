"""The stage as an ASGI application: the page, the snapshots as server-sent events, the buttons. Made by `stage`."""

from __future__ import annotations

import asyncio
import functools
import io
from collections.abc import AsyncIterator, Collection
from importlib import resources

import orjson
import segno
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from primetime.errors import PrimetimeError
from primetime.stage import recording
from primetime.stage.audience import MOST_BYTES, Audience
from primetime.stage.guard import Guard
from primetime.stage.moments import Director
from primetime.stage.recording import Recording
from primetime.stage.watch import Watch

TICK_S = 0.25  # between two snapshots
KEEP_ALIVE_S = 10.0
MORE_S = 3600.0
RETRY_MS = 500  # how soon a browser comes back to a stage that went away
PAGES = {
    "/": ("stage.html", "text/html"),
    "/stage.css": ("stage.css", "text/css"),
    "/stage.js": ("stage.js", "text/javascript"),
    "/map.js": ("map.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
ROOM = {  # what phones load
    "/vote": ("vote.html", "text/html"),
    "/vote.css": ("vote.css", "text/css"),
    "/vote.js": ("vote.js", "text/javascript"),
}


class Stage:
    """One stage. `ends` is set when it goes: streams end by it, or a browser that looks would keep it."""

    def __init__(self, watch: Watch, director: Director, audience: Audience | None = None) -> None:
        self.watch, self.director, self.audience = watch, director, audience
        self.ends = asyncio.Event()
        self.recording = Recording()
        self._latest: tuple[float, bytes] = (-1.0, b"")
        director.snapshot, director.looking, director.begin_anew = watch.snapshot, watch.looking, watch.begin_anew

    def app(self, hosts: Collection[str], token: str) -> ASGIApp:
        """The application. What carries nothing is open: the page itself, which knows nothing without the token."""
        pages = [Route(path, functools.partial(page, *file)) for path, file in PAGES.items()]
        routes = [
            *pages,
            Route("/snapshot", self.one),
            Route("/snapshots", self.stream),
            Route("/nodes/{name}", self.node),
            Route("/moments/{id}", self.moment, methods=["POST"]),
            Route("/script", self.script, methods=["POST"]),
            Route("/expiry", self.stay, methods=["POST"]),
            Route("/session.html", self.session),
        ]
        open_paths = set(PAGES)
        if self.audience:
            routes += [Route(path, functools.partial(page, *file)) for path, file in ROOM.items()]
            routes += [Route("/poll", self.poll), Route("/vote.svg", self.code)]
            routes += [Route("/votes", self.vote, methods=["POST"])]
            open_paths |= {*ROOM, "/poll", "/vote.svg", "/votes"}
        return Guard(Starlette(routes=routes), hosts=hosts, token=token, open_paths=open_paths)

    async def one(self, request: Request) -> Response:
        """The present, once."""
        return json(self.watch.snapshot().to_json())

    async def stream(self, request: Request) -> Response:
        """The present, whenever it has changed."""
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % RETRY_MS
        loop = asyncio.get_running_loop()
        with self.watch.looking():
            before, said = b"", loop.time()
            while not self.ends.is_set():
                data = self._serialised(loop.time())
                if data != before:
                    yield b"data: " + data + b"\n\n"
                    before, said = data, loop.time()
                elif loop.time() > said + KEEP_ALIVE_S:
                    yield b": still here\n\n"
                    said = loop.time()
                try:
                    await asyncio.wait_for(self.ends.wait(), TICK_S)
                except TimeoutError:
                    continue

    def _serialised(self, now: float) -> bytes:
        """The snapshot's JSON, made once in a tick however many look."""
        made, data = self._latest
        if now >= made + TICK_S * 0.9:
            snapshot = self.watch.snapshot().to_json()
            self.recording.note(snapshot)
            data = orjson.dumps(snapshot)
            self._latest = (now, data)
        return data

    async def node(self, request: Request) -> Response:
        """A node from close by."""
        name = request.path_params["name"]
        nodes = [node for node in self.watch.snapshot().nodes if node.name == name]
        if not nodes:
            return json({"trouble": f"there is no node {name}"}, 404)
        found = await run_in_threadpool(self.director.hands.look, name)
        verified, verified_ms = self.director.kept.proved
        told = {"name": name, "groups": nodes[0].groups, "verified": verified.get(name), "verified_ms": verified_ms}
        return json({**told, **found})

    async def moment(self, request: Request) -> Response:
        """A button is pressed."""
        try:
            await run_in_threadpool(self.director.begin, request.path_params["id"])
        except PrimetimeError as error:
            return json({"refused": str(error)}, 409)
        return json({"begun": request.path_params["id"]}, 202)

    async def script(self, request: Request) -> Response:
        """The presenter's script begins, or ends."""
        return json({"runs": self.watch.script.turn()})

    async def stay(self, request: Request) -> Response:
        """The machines stay for another hour."""
        try:
            await run_in_threadpool(self.director.hands.stay, MORE_S)
        except PrimetimeError as error:
            return json({"refused": str(error)}, 409)
        return json({"more_s": MORE_S})

    async def session(self, request: Request) -> Response:
        """What was shown so far, as a file that plays it again."""
        return Response(await run_in_threadpool(recording.html, self.recording), media_type="text/html")

    async def poll(self, request: Request) -> Response:
        """What a phone may vote on."""
        assert self.audience
        return json(self.audience.poll())

    async def vote(self, request: Request) -> Response:
        """A phone votes: it gets the collector's answer."""
        assert self.audience
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                break
        who = request.client.host if request.client else ""
        answer = await run_in_threadpool(self.audience.vote, body, who)
        return Response(answer.sentence, answer.status, media_type="text/plain")

    async def code(self, request: Request) -> Response:
        """Where phones vote, to be scanned."""
        out = io.BytesIO()
        segno.make(self.watch.billing.vote_at, error="m").save(out, kind="svg", border=3, light="#fff", xmldecl=False)
        return Response(out.getvalue(), media_type="image/svg+xml")


def json(data: object, status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")


async def page(name: str, media_type: str, request: Request) -> Response:
    """A file of page/."""
    return Response(resources.files(__package__).joinpath("page", name).read_bytes(), media_type=media_type)
