"""User tokens for the Sync API (JWT, RS256), with nothing but the standard library.

In production, use a library such as PyJWT. This module shows that a token needs nothing more than a signature.
"""

import base64
import hashlib
import json
import time

LIFETIME = 3600
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


class UserTokens:
    """Signs a token for each user, and a new one shortly before the old one expires."""

    def __init__(self, signing_key_pem, project_id):
        self.key = private_key(signing_key_pem)
        self.audience = f"useparagon.com/{project_id}"
        self.minted = {}

    def of(self, user):
        token, expires = self.minted.get(user, (None, 0))
        if expires - 60 < time.time():
            token = self.mint(user)
        return token

    def instead_of(self, refused, user):
        """Returns a new token after one was refused, unless another thread has replaced it meanwhile."""
        token, _ = self.minted.get(user, (None, 0))
        return self.mint(user) if token in (None, refused) else token

    def mint(self, user):
        now = int(time.time())
        # The id makes two tokens of the same second differ.
        claims = {"sub": user, "aud": self.audience, "iat": now, "exp": now + LIFETIME, "jti": str(time.time_ns())}
        token = self.sign(claims)
        self.minted[user] = (token, now + LIFETIME)
        return token

    def sign(self, claims):
        head = encode(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
        signed = head + b"." + encode(json.dumps(claims).encode())
        size = (self.key[0].bit_length() + 7) // 8
        digest = SHA256_PREFIX + hashlib.sha256(signed).digest()
        padded = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
        signature = raised(int.from_bytes(padded, "big"), self.key)
        return (signed + b"." + encode(signature.to_bytes(size, "big"))).decode()


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def raised(message, key):
    """Returns the message to the power of the private exponent. The two primes make this four times as fast."""
    _, p, q, exponent_p, exponent_q, inverse_q = key
    by_p, by_q = pow(message, exponent_p, p), pow(message, exponent_q, q)
    return by_q + (by_p - by_q) * inverse_q % p * q


def private_key(pem):
    """Returns the modulus, primes, exponents and coefficient of a PEM key in PKCS#8 or PKCS#1."""
    lines = pem.strip().splitlines()
    der = base64.b64decode("".join(lines[1:-1]))
    if "RSA PRIVATE KEY" not in lines[0]:
        # PKCS#8 wraps the key: version, algorithm, and an octet string with the PKCS#1 form.
        der = elements(elements(der)[0])[2]
    numbers = [int.from_bytes(number, "big") for number in elements(elements(der)[0])]
    _, modulus, _, _, *by_primes = numbers
    return modulus, *by_primes


def elements(der):
    """Returns the contents of the DER elements that follow one another in `der`."""
    found, at = [], 0
    while at < len(der):
        length, at = der[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count], "big"), at + count
        found.append(der[at : at + length])
        at += length
    return found
