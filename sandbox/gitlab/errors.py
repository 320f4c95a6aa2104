"""GitLab's refusals and their exact shapes (lib/api/helpers.rb, lib/api/api_guard.rb)."""

from collections.abc import Mapping


class Refusal(Exception):
    """An answer that ends the call: HTTP status, JSON body (or plain text) and headers."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def not_found(resource: str | None = None) -> Refusal:
    """`not_found!('Variable')` of lib/api/helpers.rb."""
    return Refusal(404, {"message": " ".join(filter(None, ["404", resource, "Not Found"]))})


def record_not_found() -> Refusal:
    """A Rails `find!` that found nothing; lib/api/api.rb words it differently from `not_found!`."""
    return Refusal(404, {"message": "404 Not found"})


def unknown_endpoint() -> Refusal:
    """The catch-all route of lib/api/api.rb; it comes before any authentication."""
    return Refusal(404, {"error": "404 Not Found"})


def unauthorized() -> Refusal:
    """No token, or one that GitLab doesn't know."""
    return Refusal(401, {"message": "401 Unauthorized"})


def dead_token(description: str) -> Refusal:
    """An expired or revoked token: the OAuth2 shape of lib/api/api_guard.rb."""
    return Refusal(401, {"error": "invalid_token", "error_description": description})


def insufficient_scope(wanted: str) -> Refusal:
    """A token whose scopes don't reach; lib/api/api_guard.rb, text from the rack-oauth2 gem."""
    return Refusal(
        403,
        {
            "error": "insufficient_scope",
            "error_description": "The request requires higher privileges than provided by the access token.",
            "scope": wanted,
        },
    )


def forbidden(reason: str | None = None) -> Refusal:
    """`forbidden!` of lib/api/helpers.rb: the role is too low."""
    return Refusal(403, {"message": "403 Forbidden" + (f" - {reason}" if reason else "")})


def bad_request(reason: str) -> Refusal:
    """`bad_request!` of lib/api/helpers.rb."""
    return Refusal(400, {"message": f"400 Bad request - {reason}"})


def bad_parameters(text: str) -> Refusal:
    """A parameter that Grape refuses before the endpoint runs."""
    return Refusal(400, {"error": text})


def invalid_record(errors: Mapping[str, list[str]]) -> Refusal:
    """`render_validation_error!` of lib/api/helpers.rb: attribute -> messages."""
    return Refusal(400, {"message": dict(errors)})


def conflict(message: object) -> Refusal:
    """`conflict!` of lib/api/helpers.rb."""
    return Refusal(409, {"message": message})


def unprocessable(messages: list[str]) -> Refusal:
    """`render_api_error!(errors.full_messages, 422)`."""
    return Refusal(422, {"message": messages})
