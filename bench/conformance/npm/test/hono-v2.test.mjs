// @unkey/hono 2.0.0, in an application. It has no setting for the server's address, so the network
// leads from the one it has to the gateway.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import { unkey } from "unkey-hono";
import { newKey, rootKey, url } from "../stack-v2.mjs";

const send = globalThis.fetch;
globalThis.fetch = (input, init) => {
  if (input instanceof Request && input.url.startsWith("https://api.unkey.com/")) {
    return send(new Request(input.url.replace("https://api.unkey.com", url), input), init);
  }
  return send(input, init);
};

function application(config) {
  const app = new Hono();
  app.use("*", unkey({ rootKey, handleInvalidKey: (c, result) => c.json(result.data, 401), ...config }));
  app.get("/", (c) => c.json(c.get("unkey").data));
  return (key) => app.request("/", { headers: key ? { Authorization: `Bearer ${key}` } : {} });
}

test("a valid key is let in, and the application sees whose it is", async () => {
  const { keyId, key } = await newKey({ permissions: ["docs.read"], credits: { remaining: 2 } });
  const res = await application({ permissions: "docs.read", tags: ["a"] })(key);
  assert.equal(res.status, 200);
  const data = await res.json();
  assert.deepEqual([data.keyId, data.code, data.credits], [keyId, "VALID", 1]);
});

test("who has no key, an unknown one or one without the permission is not", async () => {
  const get = application({ permissions: "docs.read" });
  assert.equal((await get()).status, 401);
  assert.equal((await (await get("nobody")).json()).code, "NOT_FOUND");
  assert.equal((await (await get((await newKey()).key)).json()).code, "INSUFFICIENT_PERMISSIONS");
});
