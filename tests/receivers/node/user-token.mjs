// User tokens for the Sync API (JWT, RS256), with nothing but Node.

import { createPrivateKey, randomUUID, sign } from "node:crypto";

const LIFETIME = 3600;

/** Signs a token for each user, and a new one shortly before the old one expires. */
export class UserTokens {
  minted = new Map();

  constructor(signingKey, projectId) {
    this.key = createPrivateKey(signingKey);
    this.audience = `useparagon.com/${projectId}`;
  }

  of(user) {
    const minted = this.minted.get(user);
    return minted && minted.expires - 60 > Date.now() / 1000 ? minted.token : this.mint(user);
  }

  /** Returns a new token after one was refused, unless the old one has been replaced meanwhile. */
  insteadOf(refused, user) {
    const minted = this.minted.get(user);
    return minted && minted.token !== refused ? minted.token : this.mint(user);
  }

  mint(user) {
    const now = Math.floor(Date.now() / 1000);
    const expires = now + LIFETIME;
    // The id makes two tokens of the same second differ.
    const claims = { sub: user, aud: this.audience, iat: now, exp: expires, jti: randomUUID() };
    const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const signed = `${encode({ alg: "RS256", typ: "JWT" })}.${encode(claims)}`;
    const token = `${signed}.${sign("RSA-SHA256", Buffer.from(signed), this.key).toString("base64url")}`;
    this.minted.set(user, { token, expires });
    return token;
  }
}
