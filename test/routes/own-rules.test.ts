import Fastify, { errorCodes, type FastifyInstance } from 'fastify'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import snapshots, { errors, LocalStorage } from '../../src/index.ts'
import { customHost, type CustomHost, type CustomHostOptions } from '../helpers/custom-host.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { ADMIN_TOKEN } from '../helpers/host.ts'
import { builtPlugin } from '../helpers/built.ts'
import { underTest } from '../helpers/under-test.ts'

async function hostWith (t: Test, options: CustomHostOptions): Promise<CustomHost> {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  return await customHost(t, path, options)
}

/** What every host must give, whatever its own rules are. */
async function checkRoutes (t: Test, { app, request }: CustomHost, prefix = '/snapshots'): Promise<void> {
  const created = await request('POST', prefix, { name: 'first', labels: { a: 'b' } })
  t.equal(created.statusCode, 201)
  t.match(created.json(), { name: 'first', labels: { a: 'b' }, parentId: null, error: null })
  t.equal(created.headers.location, `${prefix}/first`)
  const background = await request('POST', prefix, { name: 'second' }, { prefer: 'respond-async' })
  t.equal(background.statusCode, 202)
  t.equal(background.headers.location, `${prefix}/${background.json().snapshot.id as string}`)
  t.equal((await request('POST', prefix)).statusCode, 201)
  t.match((await request('POST', prefix, { nme: 'mistyped' })).json(), { statusCode: 400, code: 'FST_SNAPSHOT_INVALID_REQUEST', error: 'Bad Request', message: /body\/nme/ })
  t.match((await request('POST', prefix, { name: 5 })).json(), { statusCode: 400, code: 'FST_SNAPSHOT_INVALID_REQUEST' })
  t.match((await request('POST', prefix, { name: 'first' })).json(), { statusCode: 409, code: 'FST_SNAPSHOT_NAME_TAKEN', error: 'Conflict' })
  t.match((await request('GET', `${prefix}/unknown`)).json(), { statusCode: 404, code: 'FST_SNAPSHOT_NOT_FOUND', error: 'Not Found' })
  t.match((await request('GET', `${prefix}?limit=2`)).json(), { snapshots: [{ database: 'app' }, { database: 'app' }], nextCursor: String })
  const text = await app.inject({ method: 'POST', url: prefix, headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'text/plain' }, payload: 'name' })
  t.match(text.json(), { statusCode: 415, code: 'FST_SNAPSHOT_UNSUPPORTED_BODY' })
  t.match((await request('GET', `${prefix}/first/download`)).headers, { 'content-type': 'application/vnd.sqlite3' })
  t.equal((await request('POST', `${prefix}/first/restore`)).json().status, 'SUCCESS')
  t.match((await app.inject(prefix)).json(), { statusCode: 401, code: 'FST_SNAPSHOT_UNAUTHORIZED' })
  t.equal((await request('GET', '/health')).json().status, 'ok')
  t.match((await request('GET', '/metrics')).body, /^snapshot_creations_total\{database="app"\} 3$/m)
  t.equal((await request('DELETE', `${prefix}/first`)).statusCode, 204)
}

const hosts: Record<string, CustomHostOptions> = {
  'ajv options for removal, coercion and defaults': { server: { ajv: { customOptions: { removeAdditional: 'all', coerceTypes: 'array', useDefaults: true } } } },
  'a validator compiler of its own that accepts everything': { before (app) { app.setValidatorCompiler(() => () => true) } },
  'a validator compiler of its own that refuses everything': { before (app) { app.setValidatorCompiler(() => () => ({ error: new Error('never') })) } },
  'a serializer compiler of its own': { before (app) { app.setSerializerCompiler(() => () => '"mine"') } },
  'a reply serializer of its own': { before (app) { app.setReplySerializer(payload => JSON.stringify({ data: payload })) } },
  'a schema error formatter of its own': { before (app) { app.setSchemaErrorFormatter(() => new Error('mine')) } },
  'an error handler of its own': { before (app) { app.setErrorHandler(async (_error, _request, reply) => await reply.code(200).type('text/html').send('<h1>Sorry</h1>')) } },
  'a handler of its own for what is not found': { before (app) { app.setNotFoundHandler(async (_request, reply) => await reply.code(200).send('found nothing')) } },
  'content type parsers of its own': {
    before (app) {
      app.removeAllContentTypeParsers()
      app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, _body, done) => { done(null, { mine: true }) })
      app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => { done(null, { name: body }) })
      app.addContentTypeParser('*', (_request, _payload, done) => { done(new Error('never')) })
    }
  },
  'a tiny limit for bodies and long parameters allowed': { server: { bodyLimit: 1, routerOptions: { maxParamLength: 500 } } },
  'a router that ignores trailing slashes and the case of paths': { server: { routerOptions: { ignoreTrailingSlash: true, caseSensitive: true } } },
  'rules that are set after the registration': {
    after (app) {
      app.setErrorHandler(async () => 'mine')
      app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => { done(null, { name: body }) })
    }
  }
}

for (const [number, [what, options]] of Object.entries(hosts).entries()) {
  t.test(`the routes are the same in a host with ${what}`, async t => {
    if (number > 0) t.intercept(underTest, 'snapshots', { value: builtPlugin }) // its engines start faster
    await checkRoutes(t, await hostWith(t, options))
  })
}

t.test('the option prefix moves the snapshot routes, and only these', async t => {
  const host = await hostWith(t, { plugin: { prefix: '/admin/backups' } })
  await checkRoutes(t, host, '/admin/backups')
  t.equal((await host.request('GET', '/snapshots')).statusCode, 404)
  t.equal((await host.request('GET', '/admin/backups/health')).json().code, 'FST_SNAPSHOT_NOT_FOUND')
})

t.test('registered inside a plugin of the host with a prefix, all routes are below that', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const app = Fastify({ logger: { level: 'silent' } })
  t.teardown(async () => { await app.close() })
  await app.register(async (scope: FastifyInstance) => { await scope.register(snapshots, { database: path, auth: false, schedule: false, probeStorage: false }) }, { prefix: '/api' })
  const created = await app.inject({ method: 'POST', url: '/api/snapshots', payload: { name: 'first' } })
  t.equal(created.headers.location, '/api/snapshots/first')
  const background = await app.inject({ method: 'POST', url: '/api/snapshots', payload: { name: 'second' }, headers: { prefer: 'respond-async' } })
  t.equal(background.headers.location, `/api/snapshots/${background.json().snapshot.id as string}`)
  t.equal((await app.inject('/api/health')).statusCode, 200)
  t.equal((await app.inject('/api/metrics')).statusCode, 200)
  t.equal((await app.inject('/snapshots')).statusCode, 404)
  await app.close() // the creation in the background ends before its folder is removed
})

t.test("errors of Fastify's own are given with a code of this package", async t => {
  const { app } = await hostWith(t, {})
  const authorization = `Bearer ${ADMIN_TOKEN}`
  const response = await app.inject({ method: 'POST', url: '/snapshots', headers: { authorization, 'content-type': 'application/json', 'content-length': '5' }, payload: '{"name": "first"}' })
  t.equal(response.statusCode, 400, `as ${errorCodes.FST_ERR_CTP_INVALID_CONTENT_LENGTH().code}`)
  t.match(response.json(), { statusCode: 400, code: /^FST_SNAPSHOT_/, error: 'Bad Request' })
})

t.test('an unforeseen error is 500, logged, and has a code of this package', async t => {
  for (const reason of [new Error('boom'), Object.assign(new Error('boom'), { code: 'ECONNREFUSED' }), Object.assign(new Error('boom'), { code: 'SQLITE_BUSY', statusCode: 500 }), 'boom']) {
    const host = await hostWith(t, { plugin: { auth: async () => await Promise.reject(reason) } })
    const response = await host.request('GET', '/snapshots')
    t.equal(response.statusCode, 500)
    t.match(response.json(), { statusCode: 500, code: 'FST_SNAPSHOT_INTERNAL', error: 'Internal Server Error' })
    t.ok(host.log.some(({ level, msg }) => level === 50 && /boom/.test(msg)), 'it is logged')
    await host.app.close()
  }
})

t.test('an error of the host that has a status of its own keeps that', async t => {
  for (const [statusCode, thrown] of [[429, Object.assign(new Error('slow down'), { statusCode: 429 })], [401, Object.assign(new Error('the token has ended'), { statusCode: 401, code: 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED' })]] as const) {
    const { request, app } = await hostWith(t, { plugin: { auth () { throw thrown } } })
    const response = await request('GET', '/snapshots')
    t.equal(response.statusCode, statusCode)
    t.match(response.json(), { statusCode, message: new RegExp(thrown.message) })
    await app.close()
  }
})

t.test('a failure that is no fault of the request is in the log, also where it has a code of this package', async t => {
  class Failing extends LocalStorage {
    override async put (...args: Parameters<LocalStorage['put']>): Promise<{ bytes: number }> {
      if (args[0].includes('/marks/')) throw new errors.StorageError('local', 'the disk is gone')
      return await super.put(...args)
    }
  }
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const { request, log } = await customHost(t, path, { plugin: { storage: new Failing(join(folder, 'backups')) } })
  await request('POST', '/snapshots', { name: 'first' })
  const response = await request('PATCH', '/snapshots/first', { pinned: true })
  t.match(response.json(), { statusCode: 500, code: 'FST_SNAPSHOT_STORAGE_FAILED' })
  t.ok(log.some(({ level, msg }) => level === 50 && /the disk is gone/.test(msg)), 'an operator can find it in the log')
})
