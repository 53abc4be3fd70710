// A real OpenID provider at which people sign in: the npm package oidc-provider, with a form of its own.
// Its port, the address of the gateway, and what userinfo tells of its people come as the three arguments.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, gateway, people] = [Number(process.argv[2]), process.argv[3], JSON.parse(process.argv[4])];
const issuer = `http://127.0.0.1:${port}`;
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ACR = "AAL3_ANY";

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "key-1", use: "sig", alg: "RS256" }] },
  cookies: { keys: ["of-a-test"] },
  scopes: ["openid", "nationalrbacaccess"],
  acrValues: [ACR],
  claims: { acr: null, sid: null, openid: ["sub"], nationalrbacaccess: ["name", "nhsid_useruid", "nhsid_nrbac_roles"] },
  clients: [
    {
      client_id: "pages", client_secret: "a-secret-of-a-test", redirect_uris: [`${gateway}/signin/real/back`],
      post_logout_redirect_uris: [`${gateway}/signin`], backchannel_logout_uri: `${gateway}/signin/real/logout`,
      backchannel_logout_session_required: true, application_type: "native",
    },
  ],
  features: {
    devInteractions: { enabled: false }, backchannelLogout: { enabled: true }, userinfo: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (context, form) => { context.body = page(`<h1>Sign out</h1>${form}<button name="logout" value="yes" form="op.logoutForm">Yes</button>`); },
    },
  },
  pkce: { required: () => true },
  // The gateway is on this machine, where a provider calls nobody unless it is told to.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, { ...options, signal: AbortSignal.timeout(5000) }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});

const page = (body) => `<!DOCTYPE html><html lang="en"><title>Provider</title>${body}</html>`;

provider.use(async (context, next) => {
  const match = /^\/interaction\/([\w-]+)$/.exec(context.path);
  if (!match) return next();
  const details = await provider.interactionDetails(context.req, context.res);
  if (context.method === "GET") {
    const buttons = Object.keys(people).map((id) => `<button name="who" value="${id}">${id}</button>`).join("");
    context.body = page(`<h1>Who are you?</h1><form method="post">${buttons}</form>`);
    return undefined;
  }
  let sent = "";
  for await (const chunk of context.req) sent += chunk;
  const accountId = new URLSearchParams(sent).get("who");
  const grant = new provider.Grant({ accountId, clientId: details.params.client_id });
  grant.addOIDCScope(details.params.scope);
  const result = { login: { accountId, acr: ACR, amr: ["N3_SMARTCARD"] }, consent: { grantId: await grant.save() } };
  return provider.interactionFinished(context.req, context.res, result);
});
provider.on("server_error", (_context, error) => console.error(error));
provider.on("backchannel.error", (_context, error) => console.error(error));
provider.listen(port, "127.0.0.1", () => console.log("ready"));
