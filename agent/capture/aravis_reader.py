"""Reads a GenICam camera with Aravis: a program of its own, for the system's Python, which alone sees Aravis.

It imports nothing of this project and no numpy. Aravis assembles the packets of a frame directly in memory that
is shared with the agent (descriptor of the first argument), so that a frame is copied nowhere on its way. Requests
come as JSON lines on stdin, answers go as JSON lines to stdout; it ends when stdin does.

Requests: the settings in the first line, then `{"do": "frame", "number", "limit_s"}`, `{"do": "release", "slot"}`.
Answers: `open`, `frame`, `none` (no whole frame within the limit), and `gone` before it ends with a fault.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import sys
import threading
import time
from typing import Any

IDLE_CHECK_S = 0.5
"""How long no frame comes before the camera is asked whether it is there, seconds."""

ANSWER_S = 0.25
"""How long its answer takes at most before it counts as silent, seconds."""

REGISTER = 0x0A00
"""GigE Vision's control channel privilege: every such camera has it; 0 when nobody controls it."""

_WAKE_US = 50_000


class GoneError(Exception):
    """The camera cannot be used; `kind` is the name of the fault."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def say(**message: Any) -> None:
    """Answer the agent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Reader:
    """One camera, its stream, and the frames in shared memory."""

    def __init__(self, aravis: Any, settings: dict[str, Any], descriptor: int) -> None:
        self.aravis = aravis
        self.settings = settings
        self.wanted: dict[str, Any] | None = None
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.heard_s = time.monotonic()
        self.asking_since_s: float | None = None
        self.lost = ""
        self.camera = self._found()
        self._configure()
        self.pixel_format = self.camera.get_pixel_format()
        self.payload = self.camera.get_payload()
        self.stream = self.camera.create_stream(None, None)
        if self.stream is None:
            raise GoneError("unplugged", "the camera gives no stream: another program may be reading it")
        self._share(descriptor)
        self.camera.start_acquisition()

    def _found(self) -> Any:
        named = self.settings["camera"]
        self.aravis.update_device_list()
        count = self.aravis.get_n_devices()
        known = [
            (self.aravis.get_device_id(n), self.aravis.get_device_serial_nbr(n), self.aravis.get_device_address(n))
            for n in range(count)
        ]
        match = [one[0] for one in known if not named or named in one]
        if not match:
            seen = ", ".join(f"{one[0]} at {one[2]}" for one in known) or "none"
            raise GoneError(
                "unplugged", f"camera '{named}' is not found; found: {seen}" if named else "no camera is found"
            )
        return self.aravis.Camera.new(match[0])

    def _configure(self) -> None:
        camera, settings = self.camera, self.settings
        camera.stop_acquisition()
        try:
            camera.set_pixel_format_from_string(settings["pixel_format"])
        except Exception as error:
            formats = ", ".join(camera.dup_available_pixel_formats_as_strings())
            raise GoneError("format", f"{settings['pixel_format']} is refused; the camera has {formats}") from error
        if settings["width_px"] is not None or settings["height_px"] is not None:
            at = camera.get_region()
            camera.set_region(at.x, at.y, settings["width_px"] or at.width, settings["height_px"] or at.height)
        if camera.is_gv_device():
            camera.gv_auto_packet_size()
        for name, value in settings["features"].items():
            self._set(name, value)
        if settings["exposure_us"] is not None:
            camera.set_exposure_time(settings["exposure_us"])
        camera.set_acquisition_mode(self.aravis.AcquisitionMode.CONTINUOUS)
        if settings["trigger"] == "software":
            camera.set_trigger("Software")
        else:
            camera.clear_triggers()
            if settings["frame_rate_Hz"] is not None:
                camera.set_frame_rate(settings["frame_rate_Hz"])

    def _set(self, name: str, value: Any) -> None:
        camera = self.camera
        set_as = (
            [camera.set_boolean] if isinstance(value, bool)
            else [camera.set_integer, camera.set_float] if isinstance(value, int)
            else [camera.set_float] if isinstance(value, float)
            else [camera.set_string]
        )  # fmt: skip
        for number, set_feature in enumerate(set_as):
            try:
                set_feature(name, value)
            except Exception as error:
                if number + 1 == len(set_as):
                    raise GoneError("unplugged", f"feature {name} = {value!r} is refused: {error}") from error
            else:
                return

    def _share(self, descriptor: int) -> None:
        """Have Aravis assemble frames in the shared memory."""
        slots = self.settings["buffers"]
        self.slot_bytes = -(-self.payload // mmap.PAGESIZE) * mmap.PAGESIZE
        os.ftruncate(descriptor, slots * self.slot_bytes)
        self.memory = mmap.mmap(descriptor, slots * self.slot_bytes)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.buffers = [
            self.aravis.Buffer.new(self.payload, base + slot * self.slot_bytes) for slot in range(slots)
        ]
        self.slot_of = {hash(buffer): slot for slot, buffer in enumerate(self.buffers)}
        for buffer in self.buffers:
            self.stream.push_buffer(buffer)

    def requests(self) -> None:
        """Follow the agent's requests until it is gone. Runs in a thread of its own."""
        try:
            for line in sys.stdin:
                request = json.loads(line)
                if request["do"] == "release":
                    self.stream.push_buffer(self.buffers[request["slot"]])
                    continue
                free = self.settings["trigger"] == "free"
                request["skip"] = self.settings["skip_frames"] if free else 0
                request["ends_s"] = time.monotonic() + request["limit_s"]
                request["seen"] = ""
                with self.lock:
                    self.wanted = request
                if not free:
                    self.camera.software_trigger()
        except Exception as error:  # noqa: BLE001  GLib's errors have no common class without gi
            say(**{"is": "gone", "kind": "unplugged", "text": f"the trigger was refused: {error}"})
        self.ended.set()

    def watch(self) -> None:
        """Ask a camera of which nothing is heard whether it is there. Runs in a thread of its own."""
        while not self.ended.wait(IDLE_CHECK_S / 2):
            now_s = time.monotonic()
            if now_s - self.heard_s < IDLE_CHECK_S:
                continue
            self.asking_since_s = now_s
            try:
                if self.camera.is_gv_device():
                    found = self.camera.get_device().read_register(REGISTER)
                    privilege = found[-1] if isinstance(found, tuple) else found
                    if not privilege:
                        self.lost = "it was started anew, or another program took it"
                        return
                else:
                    self.camera.get_integer("Width")
            except Exception as error:  # noqa: BLE001  GLib's errors have no common class without gi
                self.lost = str(error) or type(error).__name__
                return
            self.heard_s, self.asking_since_s = time.monotonic(), None

    def _silent(self, now_s: float) -> bool:
        return self.asking_since_s is not None and now_s - self.asking_since_s > ANSWER_S

    def run(self) -> None:
        """Hand out frames until the agent is gone. Raises where the camera is."""
        say(**{
            "is": "open", "camera": f"{self.camera.get_vendor_name()} {self.camera.get_model_name()}",
            "slot_bytes": self.slot_bytes, "slots": len(self.buffers), "payload": self.payload,
        })  # fmt: skip
        threading.Thread(target=self.requests, daemon=True).start()
        threading.Thread(target=self.watch, daemon=True).start()
        while not self.ended.is_set():
            if self.lost:
                raise GoneError("unplugged", f"the camera is lost: {self.lost}")
            buffer = self.stream.timeout_pop_buffer(_WAKE_US)
            now_s = time.monotonic()
            if buffer is not None:
                self.heard_s = now_s
                self._arrived(buffer, now_s)
            self._give_up(now_s)

    def _arrived(self, buffer: Any, now_s: float) -> None:
        status = buffer.get_status()
        whole = status == self.aravis.BufferStatus.SUCCESS
        with self.lock:
            wanted = self.wanted
            if wanted is not None and not whole:
                wanted["seen"] = status.value_nick
            if wanted is None or not whole or wanted["skip"] > 0:
                if wanted is not None and whole:
                    wanted["skip"] -= 1
                answer = None
            else:
                answer, self.wanted = wanted, None
        if answer is None:
            self.stream.push_buffer(buffer)
            return
        padding = buffer.get_image_padding()
        say(**{
            "is": "frame", "number": answer["number"], "slot": self.slot_of[hash(buffer)], "arrived_s": now_s,
            "id": buffer.get_frame_id(), "clock_ns": buffer.get_timestamp(),
            "width": buffer.get_image_width(), "height": buffer.get_image_height(),
            "right_format": buffer.get_image_pixel_format() == self.pixel_format,
            "padding": padding.x_padding,
        })  # fmt: skip

    def _give_up(self, now_s: float) -> None:
        with self.lock:
            late = self.wanted if self.wanted is not None and now_s > self.wanted["ends_s"] else None
            if late is not None:
                self.wanted = None
        if late is not None:
            say(**{"is": "none", "number": late["number"], "seen": late["seen"], "silent": self._silent(now_s)})

    def close(self) -> None:
        """Stop the camera, so that the next one finds it free."""
        self.camera.stop_acquisition()


def main() -> int:
    """Serve one agent."""
    settings = json.loads(sys.stdin.readline())
    try:
        import gi  # type: ignore[import-not-found]  # noqa: PLC0415  what is missing is told to the agent

        gi.require_version("Aravis", "0.8")
        from gi.repository import Aravis  # type: ignore[import-not-found]  # noqa: PLC0415
    except (ImportError, ValueError) as error:
        say(
            **{
                "is": "gone",
                "kind": "unplugged",
                "text": f"python3-gi or gir1.2-aravis-0.8 is not installed for this Python: {error}",
            }
        )
        return 1
    reader = None
    try:
        reader = Reader(Aravis, settings, int(sys.argv[1]))
        reader.run()
    except GoneError as error:
        say(**{"is": "gone", "kind": error.kind, "text": str(error)})
        return 1
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001  GLib's errors have no common class without gi
        say(**{"is": "gone", "kind": "unplugged", "text": f"{type(error).__name__}: {error}"})
        return 1
    finally:
        if reader is not None:
            with contextlib.suppress(Exception):  # the camera may be gone: nothing to stop
                reader.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
