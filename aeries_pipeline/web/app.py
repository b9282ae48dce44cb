"""``aeries-pipeline web``: the application for people without Dagster. Read only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from aeries_pipeline.analytics.dictionary import entries, titles
from aeries_pipeline.districts.roster import District, Roster, load_roster
from aeries_pipeline.operations.status.health import health_of
from aeries_pipeline.operations.status.nights import LEGEND
from aeries_pipeline.operations.status.page import asks_of, ordered, summary, svg
from aeries_pipeline.operations.status.read import read_status
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError
from aeries_pipeline.stores.store import Store
from aeries_pipeline.web.access import ENTER, STYLE, Access, Doorkeeper
from aeries_pipeline.web.district import preview_of, read_morning
from aeries_pipeline.web.documentation import as_html
from aeries_pipeline.web.questions import questions
from aeries_pipeline.words import counted

_TEMPLATES = Environment(
    loader=PackageLoader("aeries_pipeline.web"), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never"


_TEMPLATES.filters["when"] = _when
_TEMPLATES.filters["counted"] = counted
_TEMPLATES.globals["LEGEND"] = LEGEND


def application(settings: Settings, access: Access) -> Starlette:
    """Return the application.

    Args:
        settings: Where roster, warehouses and finished files are.
        access: Who may read.
    """
    pages = _Pages(settings)
    routes = [
        Route("/", pages.districts),
        Route("/districts/{district}", pages.district),
        Route("/districts/{district}/requests/{school:int}", pages.requests),
        Route("/questions", pages.questions),
        Route("/dictionary", pages.dictionary),
        Route(ENTER, pages.enter, methods=["GET", "POST"]),
        Route(STYLE, pages.style),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Doorkeeper, access=access)],
        exception_handlers={404: _not_found, 500: _failed},
    )


def _show(name: str, status: int = 200, **said: object) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(name).render(**said), status)


def _not_found(_request: Request, _error: Exception) -> Response:
    return _show("message.html", 404, title="No such page", text="There is no such page.")


def _no_district() -> Response:
    text = "There is no such district. The page of all districts lists those of the roster."
    return _show("message.html", 404, title="No such district", text=text)


def _failed(_request: Request, error: Exception) -> Response:
    # The text of an exception may quote a value.
    text = f"The page could not be made ({type(error).__name__}). Try again in a minute."
    return _show("message.html", 500, title="Not now", text=text)


def _patiently(
    page: Callable[[_Pages, Request], Response],
) -> Callable[[_Pages, Request], Response]:
    """Answer with a sentence where a file is being written just now."""

    def answered(pages: _Pages, request: Request) -> Response:
        try:
            return page(pages, request)
        except (WarehouseBusyError, WarehouseUnusableError) as error:
            return _show("message.html", 503, title="Not now", text=str(error))

    return answered


def _named(roster: Roster, request: Request) -> District | None:
    """Return the district that an address names; None where there is none."""
    wanted = request.path_params["district"]
    return next((one for one in roster.districts if one.id == wanted), None)


class _Pages:
    """One method for each page; what they read is read when they are asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.data)

    @_patiently
    def districts(self, _request: Request) -> Response:
        """Every district, those first that need a person."""
        statuses = read_status(self._store, load_roster(self._settings.roster), datetime.now(UTC))
        rows = [
            {"one": one, "health": health_of(one), "nights": svg(one.nights)}
            for one in ordered(statuses)
        ]
        return _show("districts.html", rows=rows, summary=summary(statuses))

    @_patiently
    def district(self, request: Request) -> Response:
        """A district's morning."""
        roster = load_roster(self._settings.roster)
        district = _named(roster, request)
        if district is None:
            return _no_district()
        only = roster.model_copy(update={"districts": (district,)})
        (one,) = read_status(self._store, only, datetime.now(UTC))
        return _show(
            "district.html", one=one, asks=asks_of(one), health=health_of(one),
            nights=svg(one.nights),
            morning=read_morning(self._store, district, self._settings.out),
        )  # fmt: skip

    def requests(self, request: Request) -> Response:
        """The preview of a school's newest course-request files, as the registrar has it."""
        district = _named(load_roster(self._settings.roster), request)
        if district is None:
            return _no_district()
        found = preview_of(self._settings.out, district.id, request.path_params["school"])
        if not found:
            return _not_found(request, KeyError())
        return HTMLResponse(found.read_text(encoding="utf-8"))

    @_patiently
    def questions(self, _request: Request) -> Response:
        """The analysts' questions, with results and charts."""
        asked = questions(self._settings.published / "aeries.duckdb")
        texts = {one.number: as_html(one.text) for one in asked}
        return _show("questions.html", asked=asked, texts=texts)

    def dictionary(self, _request: Request) -> Response:
        """What each table and column is."""
        tables: dict[str, list[object]] = {}
        for entry in entries():
            tables.setdefault(f"{entry.schema_name}.{entry.table_name}", []).append(entry)
        return _show("dictionary.html", tables=tables, titles=titles())

    def enter(self, request: Request) -> Response:
        """Ask for the token."""
        return _show("enter.html", again="again" in request.query_params)

    def style(self, _request: Request) -> Response:
        """The style of all pages."""
        return PlainTextResponse(
            _TEMPLATES.get_template("style.css").render(), media_type="text/css"
        )
