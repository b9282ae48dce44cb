"""Small cells: which counts may be shown for a district whose rows are not published.

A count is hidden if fewer than ``least`` students are in it, or all but fewer than
``least`` of a group, because either says something about single children. If that hides
one cell of a group whose total is known elsewhere, the smallest of the others is hidden
as well, or the total would give the first away. The advice behind this is the U.S.
Department of Education's (Privacy Technical Assistance Center, disclosure avoidance).
SQL only; a property test compares it with the rule in Python.
"""

from __future__ import annotations

from aeries_pipeline.analytics.view import Measure, View
from aeries_pipeline.catalog.tables import quoted


def suppressed(view: View, source: str, least: int) -> str:
    """Return a query for the rows of a view without its small cells.

    Args:
        view: A view of counts.
        source: What to read it from: a table, a view, or a query in brackets.
        least: Fewest students that a shown count may mean, 2 or more.

    Returns:
        A SELECT with the columns of the view. Where anything of a row is
        hidden, ``suppressed`` is true and the hidden numbers are NULL.
    """
    names = [quoted(column.name) for column in view.columns]
    places = {one.name: f"_unsafe_{place}" for place, one in enumerate(view.measures)}
    first = ", ".join(
        f"coalesce({_unsafe(one, least)}, true) AS {places[one.name]}" for one in view.measures
    )
    group = ", ".join(quoted(name) for name in view.within)
    second = ", ".join(
        f"{places[one.name]} OR ({_alone(one, places, group)}) AS _hide{places[one.name]}"
        for one in view.measures
    )
    hidden = {one.name: f"_hide{places[one.name]}" for one in view.measures}
    third = []
    for column in view.columns:
        name = quoted(column.name)
        if column.name in hidden:
            of = next(one.of for one in view.measures if one.name == column.name)
            also = f" OR {hidden[of]}" if of else ""
            third.append(f"CASE WHEN NOT ({hidden[column.name]}{also}) THEN {name} END AS {name}")
        elif column.name == "suppressed":
            third.append(f"({' OR '.join(hidden.values())}) AS suppressed")
        else:
            third.append(name)
    return (
        f"WITH cells AS (SELECT {', '.join(names)} FROM {source}), "
        f"judged AS (SELECT *, {first} FROM cells), "
        f"weighed AS (SELECT *, {second} FROM judged) "
        f"SELECT {', '.join(third)} FROM weighed"
    )


def _unsafe(one: Measure, least: int) -> str:
    """Return when a measure of one row is too small by itself.

    A count of nobody at all says nothing, but a part of nobody says that
    nobody of a group is in it.
    """
    name = quoted(one.name)
    if one.of is None:
        return f"{name} BETWEEN 1 AND {least - 1}"
    of = quoted(one.of)
    whole = f"{of} BETWEEN 0 AND {least - 1}"
    return f"{whole} OR {name} < {least} OR {of} - {name} < {least}"


def _alone(one: Measure, places: dict[str, str], group: str) -> str:
    """Return whether a row has to go with the single hidden one of its group.

    The smallest of those that are shown and count somebody; a part is not
    added up over its group, so nothing follows from its neighbours.
    """
    if one.of is not None:
        return "false"
    unsafe, name = places[one.name], quoted(one.name)
    # Ties are broken by the row's text, so that the same rows hide the same cells.
    return (
        f"count(*) FILTER ({unsafe}) OVER (PARTITION BY {group}) = 1 AND {name} > 0 AND "
        f"row_number() OVER (PARTITION BY {group}, {unsafe} OR {name} = 0 "
        f"ORDER BY {name}, CAST(judged AS VARCHAR)) = 1 AND NOT {unsafe}"
    )
