# SPDX-License-Identifier: MIT
"""Talks to a running QEMU over its machine protocol (QMP)."""
import json
import socket
import time

KEYS = {" ": "spc", "\r": "ret", "-": "minus", ".": "dot", "/": "slash", ";": "semicolon",
        "=": "equal", ",": "comma", "'": "apostrophe"}


class Monitor:
    """A connection. Events that arrive meanwhile are kept in `events`."""

    def __init__(self, path, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(str(path))
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.socket.settimeout(seconds)
        self.file = self.socket.makefile("rw", encoding="utf-8")
        self.events = []
        self.file.readline()  # the greeting
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        """Runs a command and returns its answer; raises RuntimeError when it is refused."""
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise RuntimeError("QEMU has closed its monitor")
            answer = json.loads(line)
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
            else:
                return answer["return"]

    def press(self, line):
        """Presses the keys of a line on the machine's keyboard (a US one)."""
        for character in line:
            key = KEYS.get(character.lower(), character.lower())
            keys = ["shift", key] if character.isupper() else [key]
            self.ask("send-key", keys=[{"type": "qcode", "data": name} for name in keys],
                     **{"hold-time": 20})
            time.sleep(0.06)  # else QEMU's queue of 16 bytes runs over

    def drain(self):
        """Reads on until QEMU has closed the connection; for the events of its end."""
        try:
            for line in self.file:
                answer = json.loads(line)
                if "event" in answer:
                    self.events.append(answer)
        except OSError:
            pass

    def shutdown_reason(self):
        """Why the machine went down: guest-shutdown, guest-reset …; None if it did not."""
        for event in self.events:
            if event["event"] == "SHUTDOWN":
                return event["data"]["reason"]
        return None

    def close(self):
        self.file.close()
        self.socket.close()
