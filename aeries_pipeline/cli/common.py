"""What every command shares: consoles, and mistakes as sentences with an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

from rich.console import Console

from aeries_pipeline.districts.errors import AeriesError, ConfigurationError

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def stop(message: str, status: int) -> NoReturn:
    """Print a sentence to standard error and end."""
    errors.print(f"[red]error:[/red] {message}", markup=True, soft_wrap=True)
    sys.exit(status)


P = ParamSpec("P")


def sentences(command: Callable[P, None]) -> Callable[P, None]:
    """Turn expected errors into a sentence and an exit status."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        # Imported late: they load Dagster and DuckDB, and --help should be quick.
        from aeries_pipeline.analytics.publishing.publish import (
            NothingToPublishError,
            NotPublishedError,
        )
        from aeries_pipeline.emulator.serve import PortInUseError
        from aeries_pipeline.ingest.session import DistrictBusyError
        from aeries_pipeline.operations.privacy.erase import NotErasedError
        from aeries_pipeline.operations.privacy.forget import NotForgottenError
        from aeries_pipeline.stores.backup import BackupError
        from aeries_pipeline.stores.connection import (
            WarehouseBusyError,
            WarehouseUnusableError,
        )
        from aeries_pipeline.stores.memory import MemorySettingError

        try:
            command(*args, **kwargs)
        except (ConfigurationError, MemorySettingError) as error:
            stop(str(error), 2)
        except (
            AeriesError,
            BackupError,
            DistrictBusyError,
            NotErasedError,
            NotForgottenError,
            NotPublishedError,
            NothingToPublishError,
            WarehouseBusyError,
            WarehouseUnusableError,
            PortInUseError,
        ) as error:
            stop(str(error), 1)

    return run
