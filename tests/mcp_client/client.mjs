// The official MCP client, from the bare address of a server to its tools:
//
//   node client.mjs URL REVISION
//
// It knows the URL and a client id that was registered for it, and nothing else. After the first tool's
// answer it has the authorization server rotate its keys (`POST /__test/rotate`). Prints one line of
// JSON: the revision that was agreed on, the tools' answers, and each answer of the server as
// `METHOD STATUS` with the scope that it asks for.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

const [url, revision] = process.argv.slice(2);
const REDIRECT_URI = 'http://127.0.0.1/callback';
const modern = revision >= '2026-07-28';

const answers = [];
const asked = [];

// What goes to the server itself is written down; discovery and tokens are not.
async function observe(input, init) {
  const response = await fetch(input, init);
  if (String(input) === url) {
    const challenge = response.headers.get('www-authenticate') ?? '';
    const scope = /scope="([^"]*)"/.exec(challenge)?.[1];
    answers.push(`${init?.method ?? 'GET'} ${response.status}${scope ? ` ${scope}` : ''}`);
  }
  return response;
}

const provider = {
  redirectUrl: REDIRECT_URI,
  clientMetadata: { redirect_uris: [REDIRECT_URI], client_name: 'test' },
  clientInformation: () => ({ client_id: 'mcp-client' }),
  tokens() { return this.saved; },
  saveTokens(tokens) { this.saved = tokens; },
  redirectToAuthorization(to) {
    asked.push(to.searchParams.get('scope'));
    this.authorization = to;
  },
  saveCodeVerifier(verifier) { this.verifier = verifier; },
  codeVerifier() { return this.verifier; },
};

// A browser whose user agrees to everything.
async function signIn(to) {
  const cookies = new Map();
  let next = to;
  for (let hops = 0; hops < 20; hops += 1) {
    if (next.href.startsWith(REDIRECT_URI)) return next.searchParams;
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(next, { headers: { cookie }, redirect: 'manual' });
    for (const field of response.headers.getSetCookie()) {
      const [pair] = field.split(';');
      const at = pair.indexOf('=');
      cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const location = response.headers.get('location');
    if (!location) throw new Error(`${next.pathname}: ${response.status} ${await response.text()}`);
    next = new URL(location, next);
  }
  throw new Error('too many redirects');
}

function newTransport() {
  return new StreamableHTTPClientTransport(new URL(url), { authProvider: provider, fetch: observe });
}

function newClient() {
  const options = modern ? { versionNegotiation: { mode: { pin: revision } } } : {};
  return new Client({ name: 'test', version: '1.0.0' }, options);
}

// Does it, and once more after the sign-in that it may ask for.
async function signedIn(transport, work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UnauthorizedError) && !(error.cause instanceof UnauthorizedError)) throw error;
    await transport.finishAuth(await signIn(provider.authorization));
    return undefined;
  }
}

let client = newClient();
let transport = newTransport();
if (!(await signedIn(transport, () => client.connect(transport).then(() => true)))) {
  client = newClient();
  transport = newTransport();
  await client.connect(transport);
}
const call = (name) => client.callTool({ name, arguments: {} });
const whoami = await call('whoami');

const issuer = provider.authorization.origin;
await fetch(`${issuer}/__test/rotate`, { method: 'POST' });

const publish = (await signedIn(transport, () => call('publish'))) ?? (await call('publish'));
console.log(JSON.stringify({
  revision: client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion,
  whoami: whoami.content[0].text,
  publish: publish.content[0].text,
  answers,
  asked,
  token: provider.saved.access_token,
}));
process.exit(0);
