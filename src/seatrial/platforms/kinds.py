"""The kinds of service that the platforms bring, described; what they do is imported when it is used."""

from __future__ import annotations

from ..core.processes import Restart
from ..core.shapes import BOOLEAN, COUNT, DURATION, TEXT, Field, choice, list_of, mapping_of, record, union
from ..core.vocabulary import ServiceKind

_SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL")
_COMMAND = union(TEXT, list_of(TEXT, lenient=False))
_PORT = union(choice("auto"), COUNT)
_PORTS = union(
    _PORT,
    mapping_of(
        union(
            _PORT,
            record(
                {
                    "port": Field(shape=_PORT, doc="`auto`, or a number that is always the same.", default="auto"),
                    "scheme": Field(
                        shape=TEXT, doc="http, https, tcp, ... (default: the port's name if it is one, else tcp)."
                    ),
                }
            ),
        )
    ),
)
PROCESS = ServiceKind(
    name="process",
    doc="A command, in as many copies as wanted. `python` in it is the interpreter that runs seatrial, with its scripts.",
    arguments={
        "command": Field(
            shape=_COMMAND,
            required=True,
            doc="A list of words, or one line that is split as a shell would, without being given to one.",
            example="gunicorn --bind 127.0.0.1:{{ instance.port.http }} shop.wsgi",
        ),
        "replicas": Field(shape=COUNT, default=1, doc="How many copies."),
        "environment": Field(shape=mapping_of(TEXT), doc="Variables; nothing else is inherited but PATH."),
        "ports": Field(
            shape=_PORTS,
            doc="Ports by name, each `auto` or a number; one alone is called http. For the command: {{ instance.port.X }}.",
            example="{http: auto, admin: {port: 8081, scheme: http}}",
        ),
        "directory": Field(shape=TEXT, doc="Where it runs, from the stack file's directory."),
        "restart": Field(
            shape=choice(*(str(r) for r in Restart)), default="always", doc="When a copy that ended is started again."
        ),
        "backoff": Field(shape=DURATION, doc="Before the first restart in a row (default 200ms); doubles with each."),
        "backoff-max": Field(shape=DURATION, doc="The longest back-off (default 5s)."),
        "stop-signal": Field(shape=choice(*_SIGNALS), default="TERM", doc="Asks a copy to end."),
        "stop-timeout": Field(shape=DURATION, doc="After which it is killed (default 10s)."),
        "unprivileged": Field(shape=BOOLEAN, default=False, doc="Never as root, also when seatrial is."),
        "prepare": Field(
            shape=list_of(_COMMAND),
            doc="Commands run once before the first start of the service, in order (migrations).",
            example="[python manage.py migrate]",
        ),
        "prepare-each": Field(shape=list_of(_COMMAND), doc="The same before the first start of each copy."),
        "log": Field(shape=TEXT, doc="A log that it writes itself, from its directory; its output is always kept."),
        "start-within": Field(shape=DURATION, doc="How long until all copies are ready (default 60s)."),
    },
    expand="seatrial.platforms.process:expand",
    exports=("host", "port", "url", "addresses"),
    example="{command: gunicorn shop.wsgi, replicas: 2, ports: auto, ready: {http: GET /readyz}}",
)


REMOTE = ServiceKind(
    name="remote",
    doc="A service that runs elsewhere (platform: remote): its addresses, one for each instance. Hosts that are not "
    "loopback must be in the stack's `allow`.",
    arguments={
        "url": Field(
            shape=list_of(TEXT),
            required=True,
            doc="scheme://host[:port], or a list of them.",
            example="https://shop.test",
        ),
        "parameters": Field(shape=mapping_of(TEXT), doc="What probes need beside the address: user, password, dbname."),
        "start-within": Field(
            shape=DURATION, doc="How long to wait until it answers (default: `within` of `ready`, else 10s)."
        ),
    },
    expand="seatrial.platforms.remote:expand",
    exports=("host", "port", "url", "addresses"),
    example="{kind: remote, url: https://shop.test, ready: {http: GET /readyz}}",
)

KINDS = (PROCESS, REMOTE)
