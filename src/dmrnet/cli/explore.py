"""``dmrnet explore``: a page to play with a run in the browser."""

from __future__ import annotations

from collections.abc import Sequence

from dmrnet.cli.arguments import Arguments
from dmrnet.cli.serve import add_service, hosts_of, opened


def run(argv: Sequence[str]) -> int:
    """Serve a run with its page until it is stopped."""
    parser = Arguments(
        "dmrnet explore",
        "Play with a run in the browser: choose a test sample or upload one, switch modalities "
        "off, corrupt them, and see the prediction, how sure it is, and what the run scores. It is "
        "the service of dmrnet serve with a page; needs the extra serve.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run, or an exported file")
    parser.options.add_argument(
        "--test", metavar="FILE", help="samples to show in place of the run's own test samples"
    )
    add_service(parser)
    args = parser.read(argv)
    limits, listener = opened(args, "dmrnet explore")

    from dmrnet.cli.screen import counted, loading, screen

    with listener:
        with loading():
            from dmrnet.explore.app import create_explorer
            from dmrnet.explore.run import open_explored
            from dmrnet.serve.server import CONNECTIONS, address_of, run_server

            explored = open_explored(args.run, args.threads or 0, args.test)
            explored.model.warm_up(limits.batch)
        samples = explored.samples
        what = f"no samples at hand ({explored.without}); upload works"
        if samples is not None:
            noun = "test sample" if samples.split == "test" else "validation sample"
            what = counted(len(samples), noun)
        # Who reads the address may ask at once: connections wait until the service runs.
        listener.listen(CONNECTIONS)
        screen().print(
            f"{what}\nopen http://{address_of(listener)}/ in a browser (Ctrl-C ends it)",
            soft_wrap=True,
        )
        run_server(create_explorer(explored, limits, hosts_of(args.host, limits)), listener, limits)
    return 0
