import Fastify from 'fastify'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import snapshots, { type SnapshotsPluginOptions } from '../../src/index.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { ADMIN_TOKEN, startHost, VIEWER_TOKEN, type Host } from '../helpers/host.ts'

const VIEWER_ROUTES = [['GET', '/snapshots'], ['GET', '/snapshots/first'], ['GET', '/snapshots/latest'], ['HEAD', '/snapshots'], ['GET', '/snapshots/integrity'], ['GET', `/snapshots/${'n'.repeat(128)}`]] as const
const ADMIN_ROUTES = [
  ['POST', '/snapshots'], ['PATCH', '/snapshots/first'], ['POST', '/snapshots/first/restore'], ['POST', '/snapshots/first/verify'], ['GET', '/snapshots/first/download'], ['POST', '/snapshots/integrity'],
  ['DELETE', '/snapshots/first'], ['DELETE', `/snapshots/${'n'.repeat(128)}`]
] as const

async function statusWith ({ app }: Pick<Host, 'app'>, authorization: string | undefined, method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD' = 'GET', url: string = '/snapshots'): Promise<number> {
  return (await app.inject({ method, url, headers: { ...(authorization !== undefined && { authorization }) } })).statusCode
}

async function register (t: Test, options: SnapshotsPluginOptions): Promise<void> {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const app = Fastify({ logger: { level: 'silent' } })
  t.teardown(async () => { await app.close() })
  await app.register(snapshots, { database: path, schedule: false, probeStorage: false, ...options })
}

for (const [what, auth] of [['no auth', undefined], ['auth without tokens', {}]] as const) {
  t.test(`the plugin refuses to register with ${what}`, async t => {
    await t.rejects(register(t, { ...(auth && { auth }) }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"auth" is required/ })
  })
}

const WRONG: Record<string, unknown> = { 'an empty token': { admin: '' }, 'a short token': { admin: 'short' }, 'no token in a list': { viewer: [] }, 'a token that no header can carry': { admin: 'token with spaces' }, 'an unknown role': { root: ADMIN_TOKEN }, true: true, null: null, 'a bare token': ADMIN_TOKEN }
for (const [what, auth] of Object.entries(WRONG)) {
  t.test(`the plugin refuses to register with ${what} as auth`, async t => {
    await t.rejects(register(t, { auth: auth as never }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /auth/ })
  })
}

t.test('tokens can come from the environment', async t => {
  t.intercept(process, 'env', { value: { ...process.env, SNAPSHOT_ADMIN_TOKEN: 'admin-from-environment', SNAPSHOT_VIEWER_TOKEN: 'viewer-from-environment' } })
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const app = Fastify({ logger: { level: 'silent' } })
  t.teardown(async () => { await app.close() })
  await app.register(snapshots, { database: path, schedule: false, probeStorage: false })
  t.equal(await statusWith({ app }, 'Bearer admin-from-environment', 'POST', '/snapshots/integrity'), 200)
  t.equal(await statusWith({ app }, 'Bearer viewer-from-environment', 'POST', '/snapshots/integrity'), 403)
})

t.test('without a valid token every route is 401 with WWW-Authenticate, and does nothing', async t => {
  const host = await startHost(t)
  await host.request('POST', '/snapshots', { name: 'first' })
  for (const [method, url] of [...VIEWER_ROUTES, ...ADMIN_ROUTES]) {
    for (const authorization of [undefined, 'Bearer wrong-token-for-tests', `Basic ${Buffer.from(`admin:${ADMIN_TOKEN}`).toString('base64')}`]) {
      const response = await host.app.inject({ method, url, headers: { ...(authorization !== undefined && { authorization }) } })
      t.equal(response.statusCode, 401, `${method} ${url.slice(0, 40)} ${authorization ?? ''}`)
      t.equal(response.headers['www-authenticate'], 'Bearer')
      if (method !== 'HEAD') t.match(response.json(), { statusCode: 401, code: 'FST_SNAPSHOT_UNAUTHORIZED', error: 'Unauthorized', message: /Bearer/ })
    }
  }
  t.match((await host.request('GET', '/snapshots')).json(), { snapshots: [{ name: 'first', status: 'COMPLETED' }] })
})

t.test('malformed headers are 401', async t => {
  const host = await startHost(t)
  for (const authorization of ['', 'Bearer', 'Bearer ', ADMIN_TOKEN, `Bearer: ${ADMIN_TOKEN}`, `Bearer ${ADMIN_TOKEN} ${ADMIN_TOKEN}`, `Bearer ${ADMIN_TOKEN}x`, `Bearer ${ADMIN_TOKEN.slice(0, -1)}`, `Bearer ${ADMIN_TOKEN.toUpperCase()}`, `Bearer${ADMIN_TOKEN}`, `Token ${ADMIN_TOKEN}`, `Bearer "${ADMIN_TOKEN}"`, `x Bearer ${ADMIN_TOKEN}`, 'Bearer undefined', 'Bearer [object Object]', `Bearer ${'a'.repeat(10_000)}`]) {
    t.equal(await statusWith(host, authorization), 401, authorization.slice(0, 60))
  }
})

t.test('the word Bearer may be in any case', async t => {
  const host = await startHost(t)
  for (const word of ['bearer', 'BEARER', 'Bearer ']) t.equal(await statusWith(host, `${word} ${ADMIN_TOKEN}`), 200, word)
})

t.test('a viewer may read, and is 403 on everything that needs an admin', async t => {
  const host = await startHost(t)
  for (const name of ['first', 'n'.repeat(128)]) await host.request('POST', '/snapshots', { name })
  for (const [method, url] of VIEWER_ROUTES) t.equal(await statusWith(host, `Bearer ${VIEWER_TOKEN}`, method, url), 200, `${method} ${url.slice(0, 40)}`)
  for (const [method, url] of ADMIN_ROUTES) {
    const response = await host.app.inject({ method, url, headers: { authorization: `Bearer ${VIEWER_TOKEN}` } })
    t.equal(response.statusCode, 403, `${method} ${url.slice(0, 40)}`)
    t.match(response.json(), { statusCode: 403, code: 'FST_SNAPSHOT_FORBIDDEN', error: 'Forbidden', message: /admin/ })
    t.equal(response.headers['www-authenticate'], undefined)
  }
  t.equal((await host.request('GET', '/snapshots')).json().snapshots.length, 2, 'nothing was changed')
  for (const [method, url] of ADMIN_ROUTES) t.ok([200, 201, 204].includes(await statusWith(host, `Bearer ${ADMIN_TOKEN}`, method, url)), `an admin may ${method} ${url.slice(0, 40)}`)
})

t.test('each of several tokens of a role is valid', async t => {
  const host = await startHost(t, { auth: { admin: ['old-admin-token', 'new-admin-token'], viewer: ['old-viewer-token', 'new-viewer-token'] } })
  for (const token of ['old-admin-token', 'new-admin-token']) t.equal(await statusWith(host, `Bearer ${token}`, 'POST', '/snapshots/integrity'), 200, token)
  for (const token of ['old-viewer-token', 'new-viewer-token']) {
    t.equal(await statusWith(host, `Bearer ${token}`), 200, token)
    t.equal(await statusWith(host, `Bearer ${token}`, 'POST', '/snapshots/integrity'), 403, token)
  }
})

t.test('a token of both roles is an admin', async t => {
  const host = await startHost(t, { auth: { viewer: 'token-of-both-roles', admin: 'token-of-both-roles' } })
  t.equal(await statusWith(host, 'Bearer token-of-both-roles', 'POST', '/snapshots/integrity'), 200)
})

t.test('with tokens of one role only, that role works', async t => {
  const host = await startHost(t, { auth: { viewer: VIEWER_TOKEN } })
  t.equal(await statusWith(host, `Bearer ${VIEWER_TOKEN}`), 200)
  t.equal(await statusWith(host, `Bearer ${ADMIN_TOKEN}`), 401)
})

t.test('auth: false opens the routes to everyone', async t => {
  const host = await startHost(t, { auth: false })
  t.equal(await statusWith(host, undefined, 'POST', '/snapshots'), 201)
  t.equal(await statusWith(host, undefined, 'DELETE', '/snapshots/latest'), 204)
})

for (const kind of ['sync', 'async'] as const) {
  t.test(`a ${kind} function decides on the request`, async t => {
    const decide = (role: unknown): 'admin' | 'viewer' | null => role === 'admin' || role === 'viewer' ? role : null
    const auth: SnapshotsPluginOptions['auth'] = kind === 'sync' ? ({ headers }) => decide(headers['x-role']) : async ({ headers }) => decide(headers['x-role'])
    const { app } = await startHost(t, { auth })
    const status = async (role: string | undefined, method: 'GET' | 'POST', url: string): Promise<number> => (await app.inject({ method, url, headers: { ...(role !== undefined && { 'x-role': role }) } })).statusCode
    t.same([await status('admin', 'GET', '/snapshots'), await status('admin', 'POST', '/snapshots')], [200, 201])
    t.same([await status('viewer', 'GET', '/snapshots'), await status('viewer', 'POST', '/snapshots')], [200, 403])
    t.same([await status(undefined, 'GET', '/snapshots'), await status(undefined, 'POST', '/snapshots')], [401, 401])
  })
}

for (const nonsense of [undefined, '', 'root', 'Admin', true, 1, {}, ['admin'], 'admin ']) {
  t.test(`a function that returns ${JSON.stringify(nonsense) ?? 'undefined'} lets nobody in`, async t => {
    const host = await startHost(t, { auth: () => nonsense as never })
    t.equal(await statusWith(host, undefined), 401)
    t.equal(await statusWith(host, undefined, 'POST', '/snapshots'), 401)
  })
}

t.test('a function that throws or rejects lets nobody in', async t => {
  for (const auth of [() => { throw new Error('boom') }, async () => await Promise.reject(new Error('boom'))]) {
    const { app, log } = await startHost(t, { auth })
    t.equal(await statusWith({ app }, `Bearer ${ADMIN_TOKEN}`), 500)
    t.equal(await statusWith({ app }, `Bearer ${ADMIN_TOKEN}`, 'POST', '/snapshots'), 500)
    t.ok(log.some(({ level, err }) => level === 50 && err?.message.includes('boom')), 'the log says why')
    await app.close()
  }
})

t.test('credentials are checked before the body is read and before it is known whether a snapshot exists', async t => {
  const { app } = await startHost(t)
  for (const payload of ['{', 'x'.repeat(100_000), '{"unknown": 1}']) {
    for (const type of ['application/json', 'text/plain']) {
      t.equal((await app.inject({ method: 'POST', url: '/snapshots', headers: { 'content-type': type }, payload })).statusCode, 401)
      t.equal((await app.inject({ method: 'PATCH', url: '/snapshots/unknown', headers: { 'content-type': type, authorization: `Bearer ${VIEWER_TOKEN}` }, payload })).statusCode, 403)
    }
  }
  t.equal(await statusWith({ app }, undefined, 'GET', '/snapshots/unknown'), 401)
  t.equal(await statusWith({ app }, `Bearer ${VIEWER_TOKEN}`, 'DELETE', '/snapshots/unknown'), 403)
})

t.test('tokens are never in the log, not at its most talkative either', async t => {
  const lines: string[] = []
  const { app, request } = await startHost(t, {}, { logger: { level: 'trace', stream: { write (line: string) { lines.push(line) } } } })
  await request('POST', '/snapshots', { name: 'first' })
  await request('POST', '/snapshots', { name: 'first' })
  await request('POST', '/snapshots', { nme: 'first' })
  for (const authorization of [`Bearer ${VIEWER_TOKEN}`, 'Bearer wrong-token-for-tests', `Bearer ${ADMIN_TOKEN} twice`]) await statusWith({ app }, authorization, 'POST', '/snapshots')
  t.ok(lines.length > 10, 'there is a log')
  t.notMatch(lines.join(''), /token-for-tests/)
})
