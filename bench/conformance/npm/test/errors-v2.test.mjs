// The errors of v2 come out of @unkey/api 2.5.1 as classes of their own.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as errors from "unkey-api-v2/models/errors";
import { client, newApi, newKey, quietWindow, raw, refused, rootKey, unique, unkey } from "../stack-v2.mjs";

test("400: what the request's form breaks", async () => {
  const { key } = await newKey();
  const kind = errors.BadRequestErrorResponse;
  await refused(unkey.apis.createApi({ name: "go" }), kind, 400, "unkey/application/invalid_input");
  await refused(unkey.keys.verifyKey({ key, permissions: "a AND" }), kind, 400, "user/bad_request/permissions_query_syntax_error");
  await refused(unkey.keys.verifyKey({ key, ratelimits: [{ name: "own", limit: 0, duration: 1000 }] }), kind, 400, "unkey/application/invalid_input");
  await assert.rejects(unkey.apis.createApi({ name: "go" }), (err) => {
    assert.deepEqual(err.error.errors.map((e) => [e.location, e.message]), [["/properties/name/minLength", "minLength: got 2, want 3"]]);
    return true;
  });
});

test("400: no root key, or not one", async () => {
  const none = await raw("apis.createApi", { name: "conformance" }, {});
  assert.deepEqual([none.status, none.body.error.errors[0].location], [400, "security"]);
  const basic = await raw("apis.createApi", { name: "conformance" }, { authorization: "Basic x" });
  assert.deepEqual([basic.status, basic.body.error.type], [400, "https://unkey.com/docs/errors/unkey/authentication/malformed"]);
});

test("401: a root key that nobody knows, and a key that is none", async () => {
  const { key } = await newKey();
  for (const wrong of ["unknown_root_key", key]) {
    const call = client(wrong);
    await refused(call.apis.createApi({ name: "conformance" }), errors.UnauthorizedErrorResponse, 401, "unkey/authentication/key_not_found");
    await refused(call.keys.verifyKey({ key }), errors.UnauthorizedErrorResponse, 401, "unkey/authentication/key_not_found");
  }
});

test("404: what does not exist", async () => {
  const kind = errors.NotFoundErrorResponse;
  await refused(unkey.apis.getApi({ apiId: "api_unknown" }), kind, 404, "unkey/data/api_not_found");
  await refused(unkey.keys.createKey({ apiId: "api_unknown" }), kind, 404, "unkey/data/api_not_found");
  await refused(unkey.keys.getKey({ keyId: "key_unknown" }), kind, 404, "unkey/data/key_not_found");
  await refused(unkey.keys.whoami({ key: "nobody" }), kind, 404, "unkey/data/key_not_found");
  await refused(unkey.permissions.getPermission({ permission: unique("p") }), kind, 404, "unkey/data/permission_not_found");
  await refused(unkey.permissions.getRole({ role: unique("r") }), kind, 404, "unkey/data/role_not_found");
  await refused(unkey.identities.getIdentity({ identity: unique("i") }), kind, 404, "unkey/data/identity_not_found");
  await refused(unkey.ratelimit.listOverrides({ namespace: unique("n") }), kind, 404, "unkey/data/ratelimit_namespace_not_found");
  const apiId = await newApi();
  const keys = [{ hash: "x".repeat(44) }];
  await refused(unkey.keys.migrateKeys({ migrationId: "migration_unknown", apiId, keys }), kind, 404, "unkey/data/migration_not_found");
});

test("409: what is taken", async () => {
  const slug = unique("slug");
  await unkey.permissions.createPermission({ name: "x", slug });
  await refused(unkey.permissions.createPermission({ name: "x", slug: slug.toUpperCase() }), errors.ConflictErrorResponse, 409, "unkey/data/permission_already_exists");
  const externalId = unique("user");
  await unkey.identities.createIdentity({ externalId });
  await refused(unkey.identities.createIdentity({ externalId }), errors.ConflictErrorResponse, 409, "unkey/data/identity_already_exists");
});

test("412: a limit that is not there, which this client has no class for", async () => {
  const { key } = await newKey();
  await assert.rejects(unkey.keys.verifyKey({ key, ratelimits: [{ name: "nope", cost: 1 }] }), (err) => {
    assert.ok(err instanceof errors.APIError && err.statusCode === 412, err.message);
    assert.equal(JSON.parse(err.body).error.type, "https://unkey.com/docs/errors/unkey/application/precondition_failed");
    return true;
  });
});

test("a problem is one where it is asked for", async () => {
  const answer = await raw("apis.createApi", {}, { authorization: `Bearer ${rootKey}`, accept: "application/problem+json" });
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  assert.equal(answer.body.error.status, 400);
});

test("unknown members are refused, in nested objects too", async () => {
  const apiId = await newApi();
  const duration = quietWindow();
  for (const body of [{ apiId, ownerId: "x" }, { apiId, credits: { remaining: 1, refilll: {} } }, { apiId, ratelimits: [{ name: "aaa", limit: 1, duration }] }]) {
    assert.equal((await raw("keys.createKey", body)).status, 400, JSON.stringify(body));
  }
});
