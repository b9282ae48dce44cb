"""Delivery of notices: HTTP for webhooks, SMTP for e-mail.

A webhook's address is a secret: it appears in no message and no exception.
"""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Iterable, Sequence
from email.message import EmailMessage

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from aeries_pipeline.districts.channels import Email, MissingSecretError, Webhook, secret
from aeries_pipeline.operations.notices.notice import (
    Line,
    Notice,
    notice_for,
    plain,
    slack_payload,
    teams_payload,
)

_TIMEOUT = 10.0
_ATTEMPTS = 3
_BACKOFF = 1.0


class NotDeliveredError(Exception):
    """Some channels could not be reached; the message says which and why."""


def tell_channels(
    channels: Sequence[Email | Webhook],
    lines: Iterable[Line],
    run_id: str | None = None,
    title: str | None = None,
) -> int:
    """Send each channel what is for it.

    Returns:
        How many notices were sent.

    Raises:
        NotDeliveredError: After all were tried, if any was not delivered.
    """
    lines = list(lines)
    sent, troubles = 0, []
    for channel in channels:
        notice = notice_for(channel, lines, run_id, title)
        if notice is None:
            continue
        trouble = deliver(channel, notice)
        if trouble:
            troubles.append(f"{channel}: {trouble}")
        else:
            sent += 1
    if troubles:
        raise NotDeliveredError("not delivered: " + "; ".join(troubles))
    return sent


def deliver(channel: Email | Webhook, notice: Notice) -> str | None:
    """Send one notice; return why it was not delivered, None if it was."""
    try:
        if isinstance(channel, Email):
            return _mail(channel, notice)
        payload = slack_payload(notice) if channel.kind == "slack" else teams_payload(notice)
        return _post(secret(channel.webhook_env), payload)
    except MissingSecretError as error:
        return str(error)


def _post(url: str, payload: dict[str, object]) -> str | None:
    retry = Retry(
        total=_ATTEMPTS - 1,
        backoff_factor=_BACKOFF,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
    )
    with requests.Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        try:
            answer = session.post(url, json=payload, timeout=_TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            # The text of the exception holds the address.
            return f"the webhook cannot be reached ({type(error).__name__})"
    if answer.status_code >= 300:
        return f"the webhook answered {answer.status_code}; create a new one and set the variable"
    return None


def _mail(channel: Email, notice: Notice) -> str | None:
    message = EmailMessage()
    message["Subject"] = f"aeries_pipeline: {notice.title}"
    message["From"] = channel.sender
    message["To"] = ", ".join(channel.to)
    message.set_content(plain(notice))
    password = secret(channel.password_env) if channel.user else ""
    trouble = "not tried"
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_BACKOFF * 2 ** (attempt - 1))
        try:
            _send(channel, message, password)
        except smtplib.SMTPAuthenticationError:
            return f"{channel.host} does not accept user and password"
        except smtplib.SMTPRecipientsRefused:
            return f"{channel.host} refuses the recipients"
        except (OSError, smtplib.SMTPException) as error:
            trouble = f"{channel.host}:{channel.port} does not take it ({type(error).__name__})"
        else:
            return None
    return trouble


def _send(channel: Email, message: EmailMessage, password: str) -> None:
    context = ssl.create_default_context()
    if channel.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            channel.host, channel.port, timeout=_TIMEOUT, context=context
        )
    else:
        server = smtplib.SMTP(channel.host, channel.port, timeout=_TIMEOUT)
    with server:
        if channel.security == "starttls":
            server.starttls(context=context)
        if channel.user:
            server.login(channel.user, password)
        server.send_message(message)
