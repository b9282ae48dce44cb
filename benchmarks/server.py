"""The emulator of the benchmarks: districts of a given size, answers kept once made.

A server of a county is not what is measured, so each answer is rendered once
and sent from memory afterwards. Started by ``benchmarks/table.py`` in a process
of its own; prints one line when it listens.
"""

from __future__ import annotations

import argparse
import json

from aeries_pipeline.emulator.serve import Shape, make_site, serve
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import XELLO_GRANT


def main() -> None:
    """Serve districts named ``d1``, ``d2`` and so on until terminated."""
    parser = argparse.ArgumentParser(description="emulated districts for the benchmarks")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--districts", type=int, default=1)
    parser.add_argument("--schools", type=int, default=50)
    parser.add_argument("--students", type=int, default=50_000)
    wanted = parser.parse_args()
    sites = {
        f"d{number}": make_site(Shape(number, wanted.schools, wanted.students, XELLO_GRANT))
        for number in range(1, wanted.districts + 1)
    }
    emulator = Emulator(sites, keeps_answers=True)
    schools = {
        name: [school.code for school in site.district.real_schools()]
        for name, site in sites.items()
    }
    print(json.dumps(schools), flush=True)
    serve(emulator, wanted.port)


if __name__ == "__main__":
    main()
