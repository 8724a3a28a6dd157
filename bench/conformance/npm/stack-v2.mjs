// What the tests of v2's clients share.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { Unkey } from "unkey-api-v2";
import { rootKey, url } from "./stack.mjs";

export { quietWindow, rootKey, url, windowEnd } from "./stack.mjs";

/** The operations that were called, as the paths of their requests say. */
export const called = new Set();

const send = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const address = new URL(input instanceof Request ? input.url : input);
  called.add(address.pathname.replace("/v2/", ""));
  return send(input, init);
};

/** The client as an application would make it, but it does not hide a 5xx behind retries. */
export function client(key = rootKey) {
  return new Unkey({ rootKey: key, serverURL: url, retryConfig: { strategy: "none" } });
}

export const unkey = client();

/** The data of an answer, which has a request id. */
export function data(answer) {
  assert.match(answer.meta.requestId, /^req_/);
  return answer.data;
}

/** Says what the client cannot: a wrong type, a missing header. */
export async function raw(path, body, headers = { authorization: `Bearer ${rootKey}` }) {
  const res = await fetch(`${url}/v2/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: res.status, headers: res.headers, body: await res.json() };
}

/** Checks that a call fails with the client's own class for it, and with its type. */
export async function refused(call, kind, status, type) {
  await assert.rejects(call, (err) => {
    assert.ok(err instanceof kind, `${err.constructor.name} ${err.body}`);
    assert.equal(err.statusCode, status);
    assert.equal(err.error.status, status);
    assert.equal(err.error.type, `https://unkey.com/docs/errors/${type}`);
    assert.ok(err.error.title && err.error.detail, err.body);
    assert.match(err.meta.requestId, /^req_/);
    return true;
  });
}

export async function newApi() {
  return data(await unkey.apis.createApi({ name: "conformance" })).apiId;
}

export async function newKey(draft = {}) {
  return data(await unkey.keys.createKey({ apiId: draft.apiId ?? (await newApi()), ...draft }));
}

/** Verifies, checks the outcome and that `valid` agrees with it. */
export async function outcome(code, key, request = {}) {
  const answer = data(await unkey.keys.verifyKey({ key, ...request }));
  assert.equal(answer.code, code, JSON.stringify(answer));
  assert.equal(answer.valid, code === "VALID");
  return answer;
}

/** Makes a migration on the command line and gives its id. */
export function migration(algorithm) {
  const { TOLLGATE_BINARY, TOLLGATE_REDIS_URL } = process.env;
  assert.ok(TOLLGATE_BINARY && TOLLGATE_REDIS_URL, "the launcher says which program and which Redis");
  return execFileSync(TOLLGATE_BINARY, ["migration", "create", "--algorithm", algorithm], { encoding: "utf8" }).trim();
}

let names = 0;

/** A name that nothing else has. */
export function unique(what) {
  return `${what}.${process.pid}.${names++}`;
}

/** Every row of a list, by pages of two that the client asks for itself. */
export async function all(pages) {
  const rows = [];
  for await (const { result } of await pages({ limit: 2 })) {
    assert.ok(result.data.length <= 2);
    assert.equal(result.pagination.hasMore, result.pagination.cursor !== undefined);
    rows.push(...result.data);
  }
  return rows;
}
