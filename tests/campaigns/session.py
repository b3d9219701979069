"""A browser session without a browser: it opens pages of a real server and clicks, over the websocket.

The server does all that it does for a browser; what a browser draws is left out.
"""

import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

PATIENCE = 300.0
EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN


class Session:
    """One tab of one browser."""

    def __init__(self, port: int, page: str = "", query: str = "") -> None:
        self.socket = connect(
            f"ws://127.0.0.1:{port}/_stcore/stream",
            origin=f"http://127.0.0.1:{port}",
            subprotocols=["streamlit"],
            max_size=None,
            open_timeout=PATIENCE,
            ping_interval=None,
        )
        self.seen: dict[str, ForwardMsg] = {}
        self.elements: dict[tuple[int, ...], object] = {}
        self.page, self.query = "", query
        self.run(name=page)

    def close(self) -> None:
        self.socket.close()

    def send(self, name: str = "", widgets=()) -> None:
        """Ask for a run of the script; `name` opens that page, as its address does."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = self.query, self.page
        state.page_name = name
        for id, field, value in widgets:
            widget = state.widget_states.widgets.add(id=id)
            if isinstance(value, list):
                getattr(widget, field).data.extend(value)
            else:
                setattr(widget, field, value)
        self.socket.send(message.SerializeToString())

    def run(self, name: str = "", widgets=()) -> float:
        """Have the script run; return the seconds until the page is at rest."""
        began = time.monotonic()
        self.send(name, widgets)
        self.rest()
        return time.monotonic() - began

    def rest(self) -> None:
        """Take in what the server says until a run has ended and no other has begun."""
        ended = False
        while not ended:
            message = ForwardMsg()
            message.ParseFromString(self.socket.recv(PATIENCE))
            if message.hash:
                self.seen[message.hash] = message
            if message.WhichOneof("type") == "ref_hash":
                message = self.seen[message.ref_hash]
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.elements.clear()
            elif kind == "navigation":  # the page that runs; a new session names the script
                self.page = message.navigation.page_script_hash
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                path = tuple(message.metadata.delta_path)
                self.elements[path] = message.delta.new_element
            elif kind == "page_info_changed":
                self.query = message.page_info_changed.query_string
            ended = kind == "script_finished" and message.script_finished != EARLY

    def errors(self) -> list[str]:
        """Return the exceptions that the page shows."""
        shown = (e for e in self.elements.values() if e.WhichOneof("type") == "exception")
        return [f"{e.exception.type}: {e.exception.message}"[:300] for e in shown]

    def widget(self, kind: str, label: str):
        """Return the first widget of a kind whose label begins so; None where there is none."""
        for element in self.elements.values():
            if element.WhichOneof("type") == kind:
                widget = getattr(element, kind)
                if widget.label.startswith(label):
                    return widget
        return None

    def press(self, label: str, *, wait: bool = True) -> float:
        """Press a button; return the seconds until the page is at rest, 0 where nobody waits."""
        button = self.widget("button", label)
        if button is None:
            raise LookupError(f"no button {label!r}")
        widgets = [(button.id, "trigger_value", True)]
        if wait:
            return self.run(widgets=widgets)
        self.send(widgets=widgets)
        return 0.0
