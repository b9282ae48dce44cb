"""From a district's settings to an open connection; secrets are fetched here and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aeries_pipeline.deliveries.remote import Remote, RemoteError
from aeries_pipeline.districts.channels import MissingSecretError, secret
from aeries_pipeline.districts.delivery import (
    DeliverySettings,
    FolderDelivery,
    FtpsDelivery,
    S3Delivery,
    SftpDelivery,
)
from aeries_pipeline.districts.roster import District

if TYPE_CHECKING:
    from aeries_pipeline.deliveries.sftp import SftpRemote


def connect(district: District, target: DeliverySettings) -> Remote:
    """Open the way to a receiver.

    Raises:
        RemoteError: If it cannot be opened, or a secret is not where the roster says.
    """
    if isinstance(target, FolderDelivery):
        from aeries_pipeline.deliveries.folder import FolderRemote

        return FolderRemote(district.beside(target.folder))
    if isinstance(target, FtpsDelivery):
        from aeries_pipeline.deliveries.ftps import FtpsRemote

        authorities = district.beside(target.ca_file) if target.ca_file else None
        return FtpsRemote(target, _secret(target.password_env), authorities)
    if isinstance(target, S3Delivery):
        from aeries_pipeline.deliveries.s3 import S3Remote

        return S3Remote(target, _secret(target.access_key_env), _secret(target.secret_key_env))
    return connect_sftp(district, target)


def connect_sftp(district: District, target: SftpDelivery) -> SftpRemote:
    """Open the way to an SFTP server.

    Raises:
        RemoteError: If it cannot be opened, or a secret is not where the roster says.
    """
    from aeries_pipeline.deliveries.sftp import SftpRemote

    key = district.beside(str(Path(target.key_file).expanduser())) if target.key_file else None
    return SftpRemote(target, _secret(target.password_env), key, _secret(target.passphrase_env))


def _secret(name: str) -> str:
    if not name:
        return ""
    try:
        return secret(name)
    except MissingSecretError as error:
        raise RemoteError(
            "no_secret", str(error), "put it there, and restart the daemon where it delivers"
        ) from None
