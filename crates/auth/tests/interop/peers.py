"""Issues and verifies access tokens with PyJWT and with joserfc.

Reads a request as JSON from standard input: `claims` to put into tokens, and `tokens` of ours, each with
the JWK that verifies it. Answers on standard output with `faults`, the `thumbprints` of our keys, and
`tokens` of the two, each with its JWK.
"""

import json
import sys

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwt as jose
from joserfc.jwk import ECKey, JWKRegistry, OctKey, OKPKey, RSAKey
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

ALGORITHMS = ["HS256", "EdDSA", "ES256", "RS256"]
REQUIRED = ["iss", "aud", "sub", "exp", "nbf", "iat", "jti"]


def pyjwt_verifies(token, jwk, alg):
    key = pyjwt.PyJWK(jwk, algorithm=alg)
    options = {"require": REQUIRED}
    return pyjwt.decode(
        token, key, algorithms=[alg], audience="gabion", issuer="gabion", options=options
    )


def jose_verifies(token, jwk, alg):
    key = JWKRegistry.import_key(jwk)
    claims = jose.decode(token, key, algorithms=[alg]).claims
    one = {"essential": True, "value": "gabion"}
    rules = {name: {"essential": True} for name in REQUIRED} | {"iss": one, "aud": one}
    jose.JWTClaimsRegistry(**rules).validate(claims)
    return claims


def pyjwt_issues(header, claims):
    alg = header["alg"]
    if alg == "HS256":
        secret = OctKey.generate_key(256).raw_value
        key, public = secret, HMACAlgorithm.to_jwk(secret)
    elif alg == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
        public = OKPAlgorithm.to_jwk(key.public_key())
    elif alg == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
        public = ECAlgorithm.to_jwk(key.public_key())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = RSAAlgorithm.to_jwk(key.public_key())
    return pyjwt.encode(claims, key, algorithm=alg, headers=header), json.loads(public)


def jose_issues(header, claims):
    alg = header["alg"]
    if alg == "HS256":
        key = OctKey.generate_key(256)
    elif alg == "EdDSA":
        key = OKPKey.generate_key("Ed25519")
    elif alg == "ES256":
        key = ECKey.generate_key("P-256")
    else:
        key = RSAKey.generate_key(2048)
    public = key.as_dict(private=alg == "HS256")
    return jose.encode(header, claims, key, algorithms=[alg]), public


PEERS = {
    f"PyJWT {pyjwt.__version__}": (pyjwt_issues, pyjwt_verifies),
    "joserfc": (jose_issues, jose_verifies),
}


def main():
    request = json.load(sys.stdin)
    faults, thumbprints, tokens = [], [], []
    for ours in request["tokens"]:
        token, jwk, alg = ours["token"], ours["jwk"], ours["alg"]
        thumbprints.append(JWKRegistry.import_key(jwk).thumbprint())
        header, payload, signature = token.split(".")
        first = "B" if signature[0] == "A" else "A"
        forged = f"{header}.{payload}.{first}{signature[1:]}"
        for name, (_, verifies) in PEERS.items():
            try:
                claims = verifies(token, jwk, alg)
                if claims["sub"] != ours["sub"]:
                    faults.append(f"{name} reads another {alg} token: {claims}")
            except Exception as error:
                faults.append(f"{name} refuses our {alg} token: {error!r}")
            try:
                verifies(forged, jwk, alg)
                faults.append(f"{name} takes a forged {alg} token: the check is worth nothing")
            except Exception:
                pass
    for alg in ALGORITHMS:
        for name, (issues, _) in PEERS.items():
            header = {"alg": alg, "typ": "at+jwt", "kid": f"{name.split()[0]}-{alg}"}
            token, jwk = issues(header, request["claims"])
            tokens.append({"peer": name, "alg": alg, "token": token, "jwk": jwk | {"kid": header["kid"]}})
    json.dump({"faults": faults, "thumbprints": thumbprints, "tokens": tokens}, sys.stdout)


if __name__ == "__main__":
    main()
