// A real OpenID provider for the tests: the npm package oidc-provider, with keys that are new at each start.
// Its port, and the claims of its people and systems with the public keys of one system, come as the two arguments.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, claims] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const issuer = `http://127.0.0.1:${port}`;
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const kid = `key-${Date.now()}`;
const SCOPES = "system/*.rs user/*.rs";

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" }] },
  cookies: { keys: ["of-a-test"] },
  scopes: ["openid", ...SCOPES.split(" ")],
  clients: [
    {
      client_id: "researcher", client_secret: "secret-of-a-test", grant_types: ["client_credentials"],
      redirect_uris: [], response_types: [],
    },
    {
      client_id: "backend", token_endpoint_auth_method: "private_key_jwt", token_endpoint_auth_signing_alg: "ES384",
      jwks: claims.jwks, grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
    },
    {
      client_id: "app", token_endpoint_auth_method: "none", grant_types: ["authorization_code"],
      redirect_uris: ["http://127.0.0.1:1/callback"], response_types: ["code"], application_type: "native",
    },
  ],
  enabledJWA: { clientAuthSigningAlgValues: ["ES384", "RS384"] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:gateway",
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: SCOPES, audience: "gateway", accessTokenFormat: "jwt", accessTokenTTL: 300 }),
    },
  },
  extraTokenClaims: (_context, token) => claims[token.clientId],
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
provider.on("server_error", (_context, error) => console.error(error));
provider.listen(port, "127.0.0.1", () => console.log("ready"));
