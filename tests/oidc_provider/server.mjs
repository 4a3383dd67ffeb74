// A certified OpenID Connect provider on a loopback port, as an issuer that is not Authgear.
//
//   node server.mjs      prints `listening on http://127.0.0.1:PORT` as its first line
//
// The issuer is that origin. `POST /token` with client credentials (client `worker`, `CLIENT_SECRET`,
// by client_secret_post) gives a JWT access token for `RESOURCE`. The public client `mcp-client` has the
// authorization code grant with PKCE, for whatever resource it names (RFC 8707): the user `alice` signs
// in and agrees without being asked. `POST /__test/rotate` puts a new signing key in front of the old
// ones; sessions go on. It ends on SIGTERM, and when its stdin closes: a test that
// dies takes it along.

import { generateKeyPair as generateKeyPairCallback, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

import { Provider } from 'oidc-provider';

const CLIENT_ID = 'worker';
const CLIENT_SECRET = 'worker-secret';
const RESOURCE = 'https://api.example.com';
const SCOPES = 'read:orders write:orders';
const TOOL_SCOPES = 'tools:read tools:publish';
const USER = 'alice';
const TOKEN_SECONDS = 600;

const generateKeyPair = promisify(generateKeyPairCallback);

async function newSigningKey() {
  const { privateKey } = await generateKeyPair('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'RS256', use: 'sig' };
}

function newHandler(issuer, keys) {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        token_endpoint_auth_method: 'client_secret_post',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        scope: SCOPES,
      },
      {
        client_id: 'mcp-client',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: ['http://127.0.0.1/callback'],
        scope: `openid offline_access ${TOOL_SCOPES}`,
      },
    ],
    cookies: { keys: COOKIE_KEYS },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        getResourceServerInfo: (_, resource) => ({
          scope: resource === RESOURCE ? SCOPES : TOOL_SCOPES,
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: TOKEN_SECONDS,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    // What is asked for is granted.
    async loadExistingGrant({ oidc }) {
      const { clientId } = oidc.client;
      const grant = new oidc.provider.Grant({ clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope(`openid offline_access ${TOOL_SCOPES}`);
      for (const resource of Object.keys(oidc.resourceServers ?? {})) {
        grant.addResourceScope(resource, TOOL_SCOPES);
      }
      await grant.save();
      return grant;
    },
    // The first key that fits the algorithm signs.
    jwks: { keys },
    scopes: ['openid', 'offline_access', ...SCOPES.split(' '), ...TOOL_SCOPES.split(' ')],
    ttl: { AccessToken: TOKEN_SECONDS, ClientCredentials: TOKEN_SECONDS },
  });
  const callback = provider.callback();
  return async (request, response) => {
    if (!request.url.startsWith('/interaction/')) {
      return callback(request, response);
    }
    // The user is there, and signs in.
    const { prompt } = await provider.interactionDetails(request, response);
    const result = prompt.name === 'login' ? { login: { accountId: USER } } : { consent: {} };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  };
}

const COOKIE_KEYS = [randomUUID()];

const keys = [await newSigningKey()];
let handler;

const server = createServer(async (request, response) => {
  if (request.url !== '/__test/rotate') {
    return handler(request, response);
  }
  if (request.method !== 'POST') {
    return response.writeHead(405).end();
  }
  keys.unshift(await newSigningKey());
  handler = newHandler(issuer, keys);
  response.writeHead(200, { 'content-type': 'application/json' });
  return response.end(JSON.stringify({ kids: keys.map(({ kid }) => kid) }));
});

await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
handler = newHandler(issuer, keys);
console.log(`listening on ${issuer}`);

// Whoever has read that line need not read on.
process.stdout.on('error', () => {});
const stop = () => process.exit(0);
process.on('SIGTERM', stop);
// A pipe closes, a file only ends.
process.stdin.on('end', stop).on('close', stop).resume();
