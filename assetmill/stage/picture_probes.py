"""What an endpoint does with pictures and files, asked of it with the smallest ones: for `doctor --live`.

Each probe tells its price before it is posted and what it has shown after. Something is learnt only from a
definite answer: a limit, a cut line or a ceiling says nothing of an ability, and is told as that.
"""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from assetmill.agents.gateway import AgentVersion, Finding, Frame, Json, Response, ResponseRequest, Way
from assetmill.agents.outputs import Produced, read_response
from assetmill.agents.picture_forms import teaches
from assetmill.agents.streaming import pictures_of
from assetmill.endpoints import Ability
from assetmill.errors import BudgetExceeded, HandleExpired, Rejected, ServiceError
from assetmill.plan.calls import StageCall
from assetmill.stage.probe_money import probe_call
from assetmill.stage.probing import Posted, Prober

_ADDRESS_LIFE_S = 900
_LONG_SIDE = 160
"""A picture of noise of this size has a data URL of more than the 65,520 characters that were refused."""
_SIDE = 32
_READ = "Say ok."
_DRAW = "Draw one blue circle."
_REDRAW = "Make the circle red."
_FILE = "Use code to write the word ok to the file ok.txt, and give me the file."


@dataclass
class PictureProbes:
    """The probes of one command; each runs whatever became of the others."""

    prober: Prober
    findings: list[Finding] = field(default_factory=list[Finding])
    _drawn: str = ""

    def run(self) -> Iterator[Finding]:
        """Yield what each probe costs before it is posted, and what it has shown."""
        for name, ability, call, probe in self._probes():
            yield Finding("probe", "ok", f"{name}: {self.prober.purse.told(call)}")
            try:
                probe(call)
            except BudgetExceeded as error:
                yield Finding("probe", "warning", f"{name}: not tried, {error}", "see --budget")
            except Rejected as error:
                if error.status in {400, 404, 405, 415, 422, 501} and teaches(error.message):
                    self.prober.learn(ability, holds=False, evidence=f"refused: {error.message}")
                yield Finding("probe", "warning", f"{name}: refused, {error}")
            except ServiceError as error:
                yield Finding("probe", "warning", f"{name}: nothing was learnt, {error}")
            yield from self._told()

    def _told(self) -> Iterator[Finding]:
        yield from self.findings
        self.findings.clear()

    def _probes(self) -> Iterator[tuple[str, Ability, StageCall, Callable[[StageCall], None]]]:
        """Yield each probe's name, what it is about, its price and what to do."""
        services = self.prober.services
        read = probe_call(services, "read", _READ)
        yield "an input picture by file ID", "image_file", read, self._by_file
        yield "an input picture by address", "image_url", read, self._by_address
        yield "an input picture as a short data URL", "image_small", read, self._by_small_data
        yield "an input picture as a long data URL", "image_data", read, self._by_long_data
        tool = self._drawing()
        if tool is None:
            advice = "set image_deployment under [foundry] in the profile"
            self.findings.append(Finding("probe", "warning", "no picture is drawn: no image model", advice))
        else:
            draw = probe_call(services, "draw", _DRAW, (tool,))
            yield "a picture in a stream", "stream_pictures", draw, self._in_stream
            if not self._drawn:
                yield "a picture", "picture_read", draw, self._draw
            redraw = probe_call(services, "redraw", _REDRAW, (tool,))
            yield "going on with an earlier picture", "image_call", redraw, self._going_on
        code = probe_call(services, "code", _FILE, ({"type": "code_interpreter"},))
        yield "a file in a container", "container_listing", code, self._container

    def _drawing(self) -> Json | None:
        foundry = self.prober.services.settings.foundry
        if not foundry.image_deployment:
            return None
        return {
            "type": "image_generation",
            "model": foundry.image_model,
            "size": "1024x1024",
            "quality": "low",
        }

    def _by_file(self, call: StageCall) -> None:
        gateway = self.prober.services.gateway
        file_id = gateway.upload_file("probe.png", small_picture(), "image/png").file_id
        try:
            self._read(call, "image_file", {"file_id": file_id})
        finally:
            gateway.delete_file(file_id)

    def _by_address(self, call: StageCall) -> None:
        blobs = self.prober.services.blobs
        url = blobs.shared(blobs.put(small_picture(), "image/png"), _ADDRESS_LIFE_S)
        if url is None:
            self._tell("warning", "the store signs no https:// addresses: an address is not tried")
            return
        self._read(call, "image_url", {"image_url": url})

    def _by_small_data(self, call: StageCall) -> None:
        self._read(call, "image_small", {"image_url": data_url(small_picture())})

    def _by_long_data(self, call: StageCall) -> None:
        url = data_url(long_picture())
        self._read(call, "image_data", {"image_url": url}, told=f"a data URL of {len(url)} characters")

    def _read(self, call: StageCall, ability: Ability, picture: Json, told: str = "a small picture") -> None:
        content = (
            {"type": "input_text", "text": call.prompt},
            {"type": "input_image", **picture, "detail": "auto"},
        )
        message = {"type": "message", "role": "user", "content": list(content)}
        posted = self._post(call, self.prober.agent("Answer with one word."), (message,))
        # What was accepted may still fail once the service looks for the picture.
        response = self.prober.finish(posted)
        holds = response.status == "completed"
        self.prober.learn(ability, holds=holds, evidence=f"{told} in an input: {response.status}")
        self._tell("ok" if holds else "warning", f"{told} was read: {response.status}")

    def _in_stream(self, call: StageCall) -> None:
        frames: list[Frame] = []
        posted = self._post(call, self._painter(call), (_says(call.prompt),), way="stream")
        response = self.prober.finish(posted, frames.append)
        came = any(frame.is_final for frame in frames)
        self.prober.learn("stream_pictures", holds=came, evidence="a small picture was drawn in a stream")
        self._tell(
            "ok" if came else "warning", f"the picture {'came' if came else 'did not come'} in the stream"
        )
        self._look_again(response)

    def _draw(self, call: StageCall) -> None:
        self._look_again(self.prober.finish(self._post(call, self._painter(call), (_says(call.prompt),))))

    def _look_again(self, response: Response) -> None:
        """See whether a later read of a response still has the picture that it drew."""
        images = read_response(response.body).images
        self._drawn = next((image.call_id for image in images if image.result), "")
        if not self._drawn:
            self._tell("warning", f"no picture was drawn: {response.status}")
            return
        read = self.prober.services.gateway.get_response(response.response_id)
        is_there = any(pictures_of(read.body))
        self.prober.learn("picture_read", holds=is_there, evidence="a read of the response that drew it")
        self._tell(
            "ok" if is_there else "warning", f"a later read {'has' if is_there else 'lacks'} its bytes"
        )

    def _going_on(self, call: StageCall) -> None:
        if not self._drawn:
            self._tell("warning", "nothing was drawn before that could be gone on with")
            return
        earlier: Json = {"type": "image_generation_call", "id": self._drawn}
        response = self.prober.finish(self._post(call, self._painter(call), (_says(call.prompt), earlier)))
        holds = any(image.result for image in read_response(response.body).images)
        self.prober.learn("image_call", holds=holds, evidence=f"an earlier call was named: {response.status}")
        self._tell("ok" if holds else "warning", f"gone on with an earlier picture: {response.status}")

    def _container(self, call: StageCall) -> None:
        tool: Json = {"type": "code_interpreter", "container": {"type": "auto"}}
        agent = self.prober.agent("Use code for what is asked.", tool, name="assetmill-probe-code")
        produced = read_response(self.prober.finish(self._post(call, agent, (_says(call.prompt),))).body)
        if not produced.container_ids:
            self._tell("warning", "no code was run: nothing is learnt of containers")
            return
        self._learn_of_files("container_listing", "the list of its files", lambda: self._listed(produced))
        self._learn_of_files("container_citation", "a citation of its file", lambda: self._cited(produced))

    def _learn_of_files(self, ability: Ability, way: str, look: Callable[[], bool]) -> None:
        """Learn whether a way to a container's files leads there; a definite no is an answer, too."""
        try:
            holds = look()
        except (HandleExpired, Rejected):
            holds = False
        except ServiceError as error:
            self._tell("warning", f"{way}: nothing was learnt, {error}")
            return
        self.prober.learn(ability, holds=holds, evidence="a file was written by code")
        self._tell(
            "ok" if holds else "warning", f"{way} {'leads' if holds else 'does not lead'} to its bytes"
        )

    def _listed(self, produced: Produced) -> bool:
        gateway = self.prober.services.gateway
        entries = [one for name in produced.container_ids for one in gateway.list_container_files(name)]
        return bool([gateway.read_container_file(one.container_id, one.file_id) for one in entries])

    def _cited(self, produced: Produced) -> bool:
        gateway, cited = self.prober.services.gateway, produced.citations
        return bool([gateway.read_container_file(one.container_id, one.file_id) for one in cited])

    def _painter(self, call: StageCall) -> AgentVersion:
        return self.prober.agent("Draw what is asked.", *call.tools, name="assetmill-probe-draw")

    def _post(
        self, call: StageCall, agent: AgentVersion, told: tuple[Json, ...], way: Way | None = None
    ) -> Posted:
        services = self.prober.services
        marks = {"assetmill_probe": "1"} if services.abilities.has("metadata") is not False else {}
        request = ResponseRequest(
            agent,
            services.gateway.create_conversation({}),
            told,
            marks,
            image_deployment=call.image_deployment,
            way=way or services.way(),
        )
        # That pictures are not streamed does not mean that nothing is.
        return self.prober.post(call, request, is_general=way is None)

    def _tell(self, state: str, message: str) -> None:
        self.findings.append(Finding("probe", "ok" if state == "ok" else "warning", message))


def _says(text: str) -> Json:
    return {"type": "message", "role": "user", "content": text}


def small_picture() -> bytes:
    """Return a picture that is hardly any."""
    return _png("RGB", (_SIDE, _SIDE), bytes(range(3)) * _SIDE * _SIDE)


def long_picture() -> bytes:
    """Return a picture whose data URL is longer than what was refused."""
    noise = random.Random(1).randbytes(3 * _LONG_SIDE * _LONG_SIDE)  # noqa: S311 - no secret
    return _png("RGB", (_LONG_SIDE, _LONG_SIDE), noise)


def _png(mode: str, size: tuple[int, int], data: bytes) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.frombytes(mode, size, data).save(buffer, "PNG")
    return buffer.getvalue()


def data_url(data: bytes) -> str:
    """Return a picture's bytes as an address."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
