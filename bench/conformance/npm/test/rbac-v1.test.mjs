// Permissions, roles and identities, and what keys have of them, with @unkey/api 0.38.0.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { client, fields, newKey, ok, outcome, quietWindow, raw, refused } from "../stack.mjs";

const unkey = client();
const fresh = (what) => `${what}.${randomUUID().slice(0, 8)}`;
const getKey = async (keyId) => ok(await unkey.keys.get({ keyId }));
const named = (all) => all.map(({ name }) => name).sort();

test("a permission from its making to its end", async () => {
  const name = fresh("docs.read");
  const { permissionId } = ok(await unkey.permissions.createPermission({ name, slug: `${name}:slug`, description: "may read" }));
  const want = { id: permissionId, name, slug: `${name}:slug`, description: "may read" };
  assert.deepEqual(ok(await unkey.permissions.getPermission({ permissionId })), want);
  assert.deepEqual(ok(await unkey.permissions.listPermissions()).find(({ id }) => id === permissionId), want);
  refused(await unkey.permissions.createPermission({ name: `${name}:SLUG` }), "CONFLICT");
  refused(await unkey.permissions.createPermission({ name: "no spaces" }), "BAD_REQUEST", "name: ");
  assert.deepEqual(ok(await unkey.permissions.deletePermission({ permissionId })), {});
  refused(await unkey.permissions.deletePermission({ permissionId }), "NOT_FOUND", permissionId);
  refused(await unkey.permissions.getPermission({ permissionId }), "NOT_FOUND", permissionId);
});

test("a role from its making to its end", async () => {
  const name = fresh("admin");
  const { roleId } = ok(await unkey.permissions.createRole({ name, description: "may do it" }));
  const want = { id: roleId, name, description: "may do it" };
  assert.deepEqual(ok(await unkey.permissions.getRole({ roleId })), want);
  assert.deepEqual(ok(await unkey.permissions.listRoles()).find(({ id }) => id === roleId), want);
  refused(await unkey.permissions.createRole({ name }), "CONFLICT");
  assert.deepEqual(ok(await unkey.permissions.deleteRole({ roleId })), {});
  refused(await unkey.permissions.getRole({ roleId }), "NOT_FOUND", roleId);
});

test("what a key has is added, set and removed, and the next verification obeys", async () => {
  const { keyId, key } = await newKey();
  const [read, write] = [fresh("read"), fresh("write")];
  const { permissionId } = ok(await unkey.permissions.createPermission({ name: read }));
  const asks = (permissions) => ({ authorization: { permissions } });
  await outcome("INSUFFICIENT_PERMISSIONS", key, asks(read));
  assert.deepEqual(ok(await unkey.keys.addPermissions({ keyId, permissions: [{ id: permissionId }] })), [{ id: permissionId, name: read }]);
  await outcome("VALID", key, asks(read));
  refused(await unkey.keys.addPermissions({ keyId, permissions: [{ name: write }] }), "NOT_FOUND", write);
  assert.deepEqual(named(ok(await unkey.keys.addPermissions({ keyId, permissions: [{ name: write, create: true }] }))), [write]);
  await outcome("VALID", key, asks({ and: [read, write] }));
  assert.deepEqual((await getKey(keyId)).permissions, [read, write]);
  assert.deepEqual(ok(await unkey.keys.removePermissions({ keyId, permissions: [{ name: write }] })), {});
  await outcome("INSUFFICIENT_PERMISSIONS", key, asks(write));
  assert.deepEqual(named(ok(await unkey.keys.setPermissions({ keyId, permissions: [{ slug: write }] }))), [write]);
  assert.deepEqual((await getKey(keyId)).permissions, [write]);
  ok(await unkey.permissions.deletePermission({ permissionId }));
  ok(await unkey.permissions.createPermission({ name: read }));
  await outcome("INSUFFICIENT_PERMISSIONS", key, asks(read));

  const [one, two] = [fresh("one"), fresh("two")];
  refused(await unkey.keys.addRoles({ keyId, roles: [{ name: one }] }), "NOT_FOUND", one);
  assert.deepEqual(named(ok(await unkey.keys.addRoles({ keyId, roles: [{ name: one, create: true }, { name: two, create: true }] }))), [one, two]);
  assert.deepEqual((await outcome("VALID", key)).roles, [one, two]);
  assert.deepEqual(ok(await unkey.keys.removeRoles({ keyId, roles: [{ name: one }] })), {});
  assert.deepEqual((await getKey(keyId)).roles, [two]);
  assert.deepEqual(named(ok(await unkey.keys.setRoles({ keyId, roles: [{ name: one }] }))), [one]);
  assert.deepEqual((await getKey(keyId)).roles, [one]);
});

test("whoami tells a key from its secret and uses nothing", async () => {
  const { keyId, key } = await newKey({ name: "n", remaining: 3, externalId: fresh("user"), meta: { a: 1 }, environment: "test" });
  const { status, body } = await raw("keys.whoami", { key });
  assert.equal(status, 200);
  fields(body, { id: keyId, name: "n", remaining: 3, meta: { a: 1 }, environment: "test", enabled: true });
  assert.ok(body.identity.id.startsWith("id_") && body.identity.externalId.startsWith("user."));
  fields(await outcome("VALID", key), { remaining: 2 });
  assert.equal((await raw("keys.whoami", { key: "nobody" })).status, 404);
});

test("an identity from its making to its end, with limits that its keys share", async () => {
  const externalId = fresh("user");
  const ratelimits = [{ name: "requests", limit: 3, duration: quietWindow() }];
  const { identityId } = ok(await unkey.identities.create({ externalId, meta: { plan: "pro" }, ratelimits }));
  refused(await unkey.identities.create({ externalId }), "CONFLICT", externalId);
  const want = { id: identityId, externalId, meta: { plan: "pro" }, ratelimits };
  assert.deepEqual(ok(await unkey.identities.get({ identityId })), want);
  assert.deepEqual(ok(await unkey.identities.get({ externalId })), want);
  const all = [];
  for (let page = ok(await unkey.identities.list({ limit: 100 })); page.identities.length > 0; page = ok(await unkey.identities.list({ limit: 100, cursor: page.cursor }))) {
    all.push(...page.identities);
    assert.ok(page.total >= 1);
  }
  assert.deepEqual(all.filter(({ id }) => id === identityId), [{ id: identityId, externalId, ratelimits }]);

  const [first, second] = [await newKey({ externalId }), await newKey({ externalId })];
  const asks = { ratelimits: [{ name: "requests" }] };
  await outcome("VALID", first.key, asks);
  await outcome("VALID", second.key, asks);
  await outcome("VALID", first.key, asks);
  await outcome("RATE_LIMITED", second.key, asks);
  const higher = [{ ...ratelimits[0], limit: 4 }];
  assert.deepEqual(ok(await unkey.identities.update({ identityId, meta: {}, ratelimits: higher })), { id: identityId, externalId, meta: {}, ratelimits: higher });
  await outcome("VALID", second.key, asks);
  await outcome("RATE_LIMITED", first.key, asks);

  assert.deepEqual(ok(await unkey.identities.delete({ identityId })), {});
  refused(await unkey.identities.get({ identityId }), "NOT_FOUND", identityId);
  refused(await unkey.identities.delete({ identityId }), "NOT_FOUND", identityId);
  fields(await outcome("VALID", first.key), { identity: undefined, ownerId: undefined });
});
