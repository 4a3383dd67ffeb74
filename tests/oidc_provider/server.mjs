// A certified OpenID Connect provider on a loopback port, as an issuer that is not Authgear.
//
//   node server.mjs      prints `listening on http://127.0.0.1:PORT` as its first line
//
// The issuer is that origin. `POST /token` with client credentials (client `worker`, `CLIENT_SECRET`,
// by client_secret_post) gives a JWT access token for `RESOURCE`. `POST /__test/rotate` puts a new
// signing key in front of the old ones. It ends on SIGTERM, and when its stdin closes: a test that
// dies takes it along.

import { generateKeyPair as generateKeyPairCallback, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

import { Provider } from 'oidc-provider';

const CLIENT_ID = 'worker';
const CLIENT_SECRET = 'worker-secret';
const RESOURCE = 'https://api.example.com';
const SCOPES = 'read:orders write:orders';
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
    ],
    cookies: { keys: [randomUUID()] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        getResourceServerInfo: () => ({
          scope: SCOPES,
          audience: RESOURCE,
          accessTokenFormat: 'jwt',
          accessTokenTTL: TOKEN_SECONDS,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    // The first key that fits the algorithm signs.
    jwks: { keys },
    scopes: SCOPES.split(' '),
    ttl: { ClientCredentials: TOKEN_SECONDS },
  });
  return provider.callback();
}

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

const stop = () => process.exit(0);
process.on('SIGTERM', stop);
// A pipe closes, a file only ends.
process.stdin.on('end', stop).on('close', stop).resume();
