// Every method of @unkey/api 2.5.1 for this surface, as applications call them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, test } from "node:test";
import { UnkeyError } from "unkey-api-v2/models/errors";
import { all, called, client, data, migration, newApi, newKey, outcome, quietWindow, unique, unkey, windowEnd } from "../stack-v2.mjs";

const duration = quietWindow();
const getKey = async (keyId) => data(await unkey.keys.getKey({ keyId }));

test("an API is created, read and deleted, and its keys end with it", async () => {
  const apiId = await newApi();
  assert.deepEqual(data(await unkey.apis.getApi({ apiId })), { id: apiId, name: "conformance" });
  const { key } = await newKey({ apiId });
  await outcome("VALID", key);
  assert.deepEqual(data(await unkey.apis.deleteApi({ apiId })), {});
  await outcome("NOT_FOUND", key);
});

test("a key with every field reads back, and who has it is told the same", async () => {
  const role = unique("role");
  await unkey.permissions.createRole({ name: role, permissions: ["docs.write"] });
  const user = unique("user");
  const draft = {
    prefix: "my_app",
    name: "every field",
    byteLength: 24,
    externalId: user,
    meta: { plan: "pro", nested: { a: [1, "b", null] } },
    roles: [role],
    permissions: ["docs.read"],
    expires: Date.now() + 3_600_000,
    credits: { remaining: 1000, refill: { interval: "monthly", amount: 500, refillDay: 15 } },
    ratelimits: [{ name: "requests", limit: 10, duration, autoApply: true }],
    enabled: true,
    recoverable: false,
  };
  const { keyId, key } = await newKey(draft);
  assert.match(key, /^my_app_[1-9A-HJ-NP-Za-km-z]{30,}$/);
  const read = await getKey(keyId);
  assert.deepEqual(data(await unkey.keys.whoami({ key })), read);
  assert.equal(read.start, key.slice(0, "my_app_".length + 4));
  assert.deepEqual(read.credits, draft.credits);
  assert.deepEqual(read.permissions, ["docs.read", "docs.write"]);
  assert.deepEqual([read.name, read.meta, read.roles, read.expires, read.enabled], [draft.name, draft.meta, draft.roles, draft.expires, true]);
  assert.equal(read.identity.externalId, user);
  assert.match(read.ratelimits[0].id, /^rl_[a-zA-Z0-9_]+$/);
  assert.ok(Math.abs(read.createdAt - Date.now()) < 10_000);
  assert.equal(read.updatedAt, undefined);
});

test("a verification tells all it decided by", async () => {
  const { keyId, key } = await newKey({
    name: "n", externalId: unique("user"), meta: { plan: "pro" }, permissions: ["docs.read", "docs.write"], credits: { remaining: 10 },
    ratelimits: [{ name: "requests", limit: 3, duration, autoApply: true }, { name: "tokens", limit: 100, duration, autoApply: false }],
  });
  const answer = await outcome("VALID", key, {
    permissions: "docs.read AND (docs.admin OR docs.write)", credits: { cost: 4 }, tags: ["a", "b"], ratelimits: [{ name: "tokens", cost: 7 }],
  });
  assert.deepEqual([answer.keyId, answer.name, answer.meta, answer.enabled, answer.credits], [keyId, "n", { plan: "pro" }, true, 6]);
  assert.deepEqual(answer.permissions, ["docs.read", "docs.write"]);
  assert.deepEqual(
    answer.ratelimits.map((l) => [l.name, l.limit, l.remaining, l.exceeded, l.autoApply, l.reset]),
    [["requests", 3, 2, false, true, windowEnd(duration)], ["tokens", 100, 93, false, false, windowEnd(duration)]],
  );
  assert.equal((await outcome("INSUFFICIENT_PERMISSIONS", key, { permissions: "docs.*" })).credits, 6);
  assert.equal((await outcome("RATE_LIMITED", key, { ratelimits: [{ name: "tokens", cost: 94 }] })).credits, 6);
  assert.equal((await outcome("USAGE_EXCEEDED", key, { credits: { cost: 7 } })).credits, 6);
  const last = await outcome("VALID", key, { ratelimits: [{ name: "tokens", cost: 0 }] });
  assert.deepEqual(last.ratelimits.map((l) => l.remaining), [1, 93], "what was refused took nothing");
});

test("each outcome has its code", async () => {
  await outcome("DISABLED", (await newKey({ enabled: false })).key);
  await outcome("EXPIRED", (await newKey({ expires: Date.now() - 1000 })).key);
  const { key } = await newKey({ ratelimits: [{ name: "requests", limit: 1, duration, autoApply: true }] });
  await outcome("VALID", key);
  const denied = await outcome("RATE_LIMITED", key);
  assert.deepEqual(denied.ratelimits.map((l) => [l.exceeded, l.remaining]), [[true, 0]]);
  assert.deepEqual(await outcome("NOT_FOUND", "nobody"), { valid: false, code: "NOT_FOUND" });
});

test("a limit of the request's own", async () => {
  const { key } = await newKey();
  const ratelimits = [{ name: "burst", limit: 2, duration }];
  await outcome("VALID", key, { ratelimits });
  await outcome("VALID", key, { ratelimits });
  assert.deepEqual((await outcome("RATE_LIMITED", key, { ratelimits })).ratelimits[0].id, "");
});

test("what an update says nothing of stays, null clears", async () => {
  const { keyId, key } = await newKey({ name: "n", meta: { a: 1 }, credits: { remaining: 5, refill: { interval: "daily", amount: 5 } } });
  assert.deepEqual(data(await unkey.keys.updateKey({ keyId, enabled: false })), {});
  await outcome("DISABLED", key);
  await unkey.keys.updateKey({ keyId, enabled: true, name: null, credits: { refill: null } });
  const read = await getKey(keyId);
  assert.deepEqual([read.name, read.meta, read.credits], [undefined, { a: 1 }, { remaining: 5 }]);
  await unkey.keys.updateKey({ keyId, credits: null, permissions: ["x.y"] });
  const unlimited = await outcome("VALID", key, { permissions: "x.y" });
  assert.equal(unlimited.credits, undefined);
});

test("credits are set, added and taken", async () => {
  const { keyId } = await newKey({ credits: { remaining: 10 } });
  const change = async (operation, value) => data(await unkey.keys.updateCredits({ keyId, operation, value })).remaining;
  assert.equal(await change("increment", 5), 15);
  assert.equal(await change("decrement", 500), 0);
  assert.equal(await change("set", 7), 7);
  assert.equal(await change("set", null), null);
});

test("a key is rerolled and deleted", async () => {
  const { keyId, key } = await newKey({ prefix: "a_b", name: "n", credits: { remaining: 3 } });
  const fresh = data(await unkey.keys.rerollKey({ keyId, expiration: 0 }));
  assert.match(fresh.key, /^a_b_/);
  assert.notEqual(fresh.keyId, keyId);
  await outcome("EXPIRED", key);
  assert.equal((await outcome("VALID", fresh.key)).credits, 2);
  assert.deepEqual(data(await unkey.keys.deleteKey({ keyId: fresh.keyId })), {});
  await outcome("NOT_FOUND", fresh.key);
  assert.deepEqual(data(await unkey.keys.deleteKey({ keyId, permanent: true })), {});
});

test("keys are listed page by page", async () => {
  const apiId = await newApi();
  const externalId = unique("user");
  const made = await Promise.all([1, 2, 3, 4, 5].map((n) => newKey({ apiId, externalId: n > 3 ? externalId : undefined })));
  const ids = (rows) => rows.map((row) => row.keyId);
  const rows = await all((page) => unkey.apis.listKeys({ apiId, ...page }));
  assert.deepEqual(ids(rows), ids(made).sort());
  assert.equal((await all((page) => unkey.apis.listKeys({ apiId, externalId, ...page }))).length, 2);
  assert.deepEqual(await all((page) => unkey.apis.listKeys({ apiId, externalId: "nobody", ...page })), []);
});

test("permissions and roles are attached and detached", async () => {
  const { keyId, key } = await newKey();
  const [a, b, role] = [unique("a"), unique("b"), unique("role")];
  await unkey.permissions.createRole({ name: role, permissions: [b] });
  const slugs = (answer) => data(answer).map((p) => p.slug);
  assert.deepEqual(slugs(await unkey.keys.addPermissions({ keyId, permissions: [a] })), [a]);
  assert.deepEqual(slugs(await unkey.keys.setPermissions({ keyId, permissions: [b, a] })), [a, b]);
  assert.deepEqual(slugs(await unkey.keys.removePermissions({ keyId, permissions: [b] })), [a]);
  const roles = data(await unkey.keys.addRoles({ keyId, roles: [role] }));
  assert.deepEqual(roles.map((r) => [r.name, r.permissions.map((p) => p.slug)]), [[role, [b]]]);
  assert.deepEqual((await outcome("VALID", key, { permissions: `${a} AND ${b}` })).roles, [role]);
  assert.deepEqual(data(await unkey.keys.removeRoles({ keyId, roles: [role] })), []);
  await outcome("INSUFFICIENT_PERMISSIONS", key, { permissions: b });
  assert.equal(data(await unkey.keys.setRoles({ keyId, roles: [role] })).length, 1);
});

test("permissions and roles are defined", async () => {
  const slug = unique("docs");
  const { permissionId } = data(await unkey.permissions.createPermission({ name: "Docs", slug, description: "d" }));
  const permission = { id: permissionId, name: "Docs", slug, description: "d" };
  assert.deepEqual(data(await unkey.permissions.getPermission({ permission: slug })), permission);
  const name = unique("role");
  const { roleId } = data(await unkey.permissions.createRole({ name, description: "r", permissions: [slug] }));
  assert.deepEqual(data(await unkey.permissions.getRole({ role: name })), { id: roleId, name, description: "r", permissions: [permission] });
  const other = unique("other");
  assert.deepEqual(data(await unkey.permissions.setRolePermissions({ roleId, permissions: [other] })).map((p) => p.slug), [other]);
  const listed = await all((page) => unkey.permissions.listPermissions({ search: slug, ...page }));
  assert.deepEqual(listed, [permission]);
  assert.equal((await all((page) => unkey.permissions.listRoles({ search: name, ...page }))).length, 1);
  assert.deepEqual(data(await unkey.permissions.deletePermission({ permission: permissionId })), {});
  assert.deepEqual(data(await unkey.permissions.deleteRole({ role: roleId })), {});
});

test("an identity's keys share its limits", async () => {
  const externalId = unique("user");
  const limit = { name: "shared", limit: 3, duration, autoApply: true };
  const { identityId } = data(await unkey.identities.createIdentity({ externalId, meta: { a: 1 }, ratelimits: [limit] }));
  const read = data(await unkey.identities.getIdentity({ identity: externalId }));
  assert.deepEqual([read.id, read.externalId, read.meta, read.ratelimits.length], [identityId, externalId, { a: 1 }, 1]);
  const [one, other] = [await newKey({ externalId }), await newKey({ externalId })];
  for (const { key } of [one, other, one]) {
    await outcome("VALID", key);
  }
  const denied = await outcome("RATE_LIMITED", other.key);
  assert.equal(denied.ratelimits[0].id, denied.identity.ratelimits[0].id);
  const changed = data(await unkey.identities.updateIdentity({ identity: identityId, ratelimits: [{ ...limit, limit: 4 }] }));
  assert.equal(changed.ratelimits[0].id, read.ratelimits[0].id);
  await outcome("VALID", other.key);
  assert.equal((await all((page) => unkey.identities.listIdentities({ search: externalId, ...page }))).length, 1);
  const { meta } = await unkey.identities.deleteIdentity({ identity: externalId });
  assert.match(meta.requestId, /^req_/);
  assert.equal((await outcome("VALID", one.key)).identity, undefined);
});

test("limits without a key, one or several at once", async () => {
  const namespace = unique("mail");
  const use = async (identifier, more = {}) => data(await unkey.ratelimit.limit({ namespace, identifier, limit: 2, duration, ...more }));
  assert.deepEqual(await use("u1"), { limit: 2, remaining: 1, reset: windowEnd(duration), success: true });
  assert.equal((await use("u1", { cost: 2 })).success, false);
  const { overrideId } = data(await unkey.ratelimit.setOverride({ namespace, identifier: "u*", limit: 5, duration }));
  assert.deepEqual(await use("u1"), { limit: 5, remaining: 3, reset: windowEnd(duration), success: true, overrideId });
  const override = { overrideId, identifier: "u*", limit: 5, duration };
  assert.deepEqual(data(await unkey.ratelimit.getOverride({ namespace, identifier: "u77" })), override);
  assert.deepEqual(await all((page) => unkey.ratelimit.listOverrides({ namespace, ...page })), [override]);
  assert.deepEqual(data(await unkey.ratelimit.deleteOverride({ namespace, identifier: "u*" })), {});
  const item = { namespace, duration, limit: 2 };
  const both = data(await unkey.ratelimit.multiLimit([{ ...item, identifier: "m1" }, { ...item, identifier: "m2", cost: 2 }]));
  assert.deepEqual([both.passed, both.limits.map((l) => l.remaining)], [true, [1, 0]]);
  const none = data(await unkey.ratelimit.multiLimit([{ ...item, identifier: "m1" }, { ...item, identifier: "m2" }]));
  assert.deepEqual([none.passed, none.limits.map((l) => [l.passed, l.remaining])], [false, [[true, 1], [false, 0]]]);
});

test("keys come by their hashes, of either kind", async () => {
  const digest = (text, form) => createHash("sha256").update(text).digest(form);
  const apiId = await newApi();
  const migrate = async (migrationId, hash) => data(await unkey.keys.migrateKeys({ migrationId, apiId, keys: [{ hash, credits: { remaining: 2 } }] }));
  const [plain, long] = [unique("plain"), unique("long")];
  const hash = digest(plain, "base64");
  const sha256 = migration("sha256");
  const { migrated } = await migrate(sha256, hash);
  assert.deepEqual(await migrate(sha256, hash), { migrated: [], failed: [hash] });
  assert.equal((await outcome("VALID", plain)).keyId, migrated[0].keyId);
  const migrationId = migration("github.com/seamapi/prefixed-api-key");
  await migrate(migrationId, digest(long, "hex"));
  const key = `company_short_${long}`;
  await outcome("NOT_FOUND", key);
  assert.equal((await outcome("VALID", key, { migrationId })).credits, 1);
  assert.equal((await outcome("VALID", key)).credits, 0);
});

test("analytics are not configured, and what belongs to other products is not found", async () => {
  const query = { query: "SELECT 1" };
  const status = (n) => (err) => err instanceof UnkeyError && err.statusCode === n;
  await assert.rejects(unkey.analytics.getVerifications(query), status(412));
  await assert.rejects(unkey.analytics.getRatelimits(query), status(412));
  await assert.rejects(unkey.projects.listProjects({}), status(404));
});

const elsewhere = ["analytics.getGatewayRequests", "analytics.getRuntimeLogs"]; // of the deploy product

after(() => {
  const groups = ["analytics", "apis", "identities", "keys", "permissions", "ratelimit"];
  for (const group of groups) {
    for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(client()[group]))) {
      const operation = `${group}.${method}`;
      assert.ok(method === "constructor" || elsewhere.includes(operation) || called.has(operation), `${operation} was not called`);
    }
  }
});
