"""A tiny OpenID provider: signs in whoever the test says, without asking.

`python tests/oidc.py PORT FILE` serves on 127.0.0.1; FILE holds the claims of who signs in next, as JSON.
"""

import json
import pathlib
import secrets
import sys
import time
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

KEY = RSAKey.generate_key(2048, {"kid": "test"})
GIVEN: dict[str, dict[str, str]] = {}
"""Code -> what it was asked for with."""


def provider(address: str, claims: pathlib.Path) -> Starlette:
    """Return the provider of an address."""

    def described(request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": address,
                "authorization_endpoint": f"{address}/authorize",
                "token_endpoint": f"{address}/token",
                "jwks_uri": f"{address}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    def authorize(request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_hex(8)
        GIVEN[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}")

    async def token(request: Request) -> JSONResponse:
        sent = parse_qs((await request.body()).decode())
        asked, now = GIVEN.pop(sent["code"][0]), int(time.time())
        facts = {"iss": address, "aud": asked["client_id"], "iat": now, "exp": now + 600}
        facts |= {"nonce": asked["nonce"], **json.loads(claims.read_text())}
        signed = jwt.encode({"alg": "RS256", "kid": "test"}, facts, KEY)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": signed})

    def keys(request: Request) -> JSONResponse:
        return JSONResponse({"keys": [KEY.as_dict(private=False)]})

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", described),
            Route("/authorize", authorize),
            Route("/token", token, methods=["POST"]),
            Route("/keys", keys),
        ]
    )


if __name__ == "__main__":
    port = int(sys.argv[1])
    app = provider(f"http://127.0.0.1:{port}", pathlib.Path(sys.argv[2]))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
