// What every test here shares: the gateway the launcher started, and ways to look at its answers.
import assert from "node:assert/strict";
import { Unkey } from "unkey-api-v1";

function need(name) {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set: these tests run under bench/conformance/run, which starts a gateway for them`);
  }
  return value;
}

export const url = need("TOLLGATE_URL");
export const rootKey = need("TOLLGATE_ROOT_KEY");

/** The client as an application would make it, but it does not hide a 5xx behind retries. */
export function client(key = rootKey) {
  return new Unkey({ rootKey: key, baseUrl: url, retry: { attempts: 0 } });
}

/** Says what the client cannot: a null, a wrong type, a missing header. */
export async function raw(path, body, headers = { authorization: `Bearer ${rootKey}` }) {
  const res = await fetch(`${url}/v1/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", ...headers },
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: res.status, headers: res.headers, body: await res.json() };
}

/** The payload of an answer that must be a success. */
export function ok(answer) {
  assert.equal(answer.error, undefined, JSON.stringify(answer.error));
  return answer.result;
}

/** Checks the one error shape of the API, as the client hands it on. */
export function refused(answer, code, message = "") {
  assert.equal(answer.error?.code, code, JSON.stringify(answer));
  assert.equal(answer.result, undefined);
  assert.ok(answer.error.docs.endsWith(`/${code}`), answer.error.docs);
  assert.ok(answer.error.message.length > 0 && answer.error.message.includes(message), answer.error.message);
  assert.match(answer.error.requestId, /^req_/);
}

/** Checks that `got` holds every field of `want`. */
export function fields(got, want) {
  for (const [name, value] of Object.entries(want)) {
    assert.deepEqual(got[name], value, `${name} of ${JSON.stringify(got)}`);
  }
}

export async function newApi(unkey = client()) {
  return ok(await unkey.apis.create({ name: "conformance" })).apiId;
}

export async function newKey(draft = {}) {
  const unkey = client();
  return ok(await unkey.keys.create({ apiId: draft.apiId ?? (await newApi(unkey)), ...draft }));
}

export async function verify(key, request = {}) {
  return ok(await client().keys.verify({ key, ...request }));
}

/** Verifies, checks the outcome and that `valid` agrees with it. */
export async function outcome(code, key, request = {}) {
  const answer = await verify(key, request);
  assert.equal(answer.code, code, JSON.stringify(answer));
  assert.equal(answer.valid, code === "VALID");
  return answer;
}

const minute = 60_000;

/** A limit's duration whose current window neither began nor ends within a minute, so that no count slides during a test. */
export function quietWindow() {
  return [60, 50, 70, 45]
    .map((minutes) => minutes * minute)
    .find((d) => Date.now() % d > minute && Date.now() % d < d - minute);
}

/** The end of the epoch-aligned window that now is in. */
export function windowEnd(duration) {
  return (Math.floor(Date.now() / duration) + 1) * duration;
}

/** A draft that uses every field of createKey. */
export function fullDraft(duration) {
  return {
    prefix: "live",
    name: "every field",
    byteLength: 24,
    ownerId: "owner_7",
    externalId: "user_7",
    meta: { plan: "pro", seats: 3, nested: { a: [1, "b", null] } },
    roles: ["writer", "admin"],
    permissions: ["docs.write", "docs.read"],
    expires: Date.now() + 60 * minute,
    remaining: 1000,
    refill: { interval: "monthly", amount: 500, refillDay: 15 },
    ratelimit: { type: "consistent", async: true, limit: 10, duration },
    enabled: true,
    recoverable: false,
    environment: "test",
  };
}
