import { connect } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { ADMIN_TOKEN, startHost, type Host } from '../helpers/host.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const LIMIT = 64 * 1024

async function send (host: Host, payload: string | Buffer | undefined, headers: Record<string, string>, url = '/snapshots', method: 'POST' | 'PATCH' = 'POST') {
  return await host.app.inject({ method, url, headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers }, ...(payload !== undefined && { payload }) })
}

t.test('a POST without a body works, however the client says so', async t => {
  const host = await startHost(t)
  const ways: Record<string, Record<string, string>> = {
    'no headers': {},
    'a JSON content type': JSON_TYPE,
    'a JSON content type with a charset': { 'content-type': 'application/json; charset=utf-8' },
    'a length of 0': { 'content-length': '0' },
    'a length of 0 and a JSON content type': { ...JSON_TYPE, 'content-length': '0' },
    'curl -d ""': { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '0' },
    'a text content type': { 'content-type': 'text/plain' }
  }
  for (const [what, headers] of Object.entries(ways)) {
    t.equal((await send(host, undefined, headers)).statusCode, 201, what)
    t.equal((await send(host, undefined, headers, '/snapshots/latest/verify')).statusCode, 200, what)
    t.equal((await send(host, undefined, headers, '/snapshots/integrity')).statusCode, 200, what)
  }
})

t.test('a POST without a body works over the network', async t => {
  const { app } = await startHost(t)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const authorization = `Bearer ${ADMIN_TOKEN}`
  t.equal((await fetch(`${address}/snapshots`, { method: 'POST', headers: { authorization } })).status, 201)
  t.equal((await fetch(`${address}/snapshots`, { method: 'POST', headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' }, body: '' })).status, 201)
  t.equal((await fetch(`${address}/snapshots`, { method: 'POST', headers: { authorization, ...JSON_TYPE }, body: '{"name": "first"}' })).status, 201)
})

t.test('a body in chunks that is empty or JSON works', async t => {
  const { app } = await startHost(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  for (const chunks of ['0\r\n\r\n', '2\r\n{}\r\n0\r\n\r\n']) {
    const socket = connect(port, '127.0.0.1')
    socket.write(`POST /snapshots HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunks}`)
    const [answer] = await once(socket, 'data')
    t.match(String(answer), /^HTTP\/1\.1 201 /)
    socket.destroy()
  }
})

t.test('a body that is not JSON is 400', async t => {
  const host = await startHost(t)
  for (const payload of ['{', 'name=first', '{"name": "first",}', "{'name': 'first'}", ' ', '\0']) {
    const response = await send(host, payload, JSON_TYPE)
    t.equal(response.statusCode, 400, payload)
    t.match(response.json(), { statusCode: 400, code: 'FST_SNAPSHOT_INVALID_BODY', error: 'Bad Request', message: /^The body is not valid JSON: / })
  }
})

t.test('a body of another content type than JSON is 415', async t => {
  const host = await startHost(t)
  const types = ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x', 'application/octet-stream', 'application/jsonp', 'application/json-patch+json', 'application/json-seq', 'text/json; a=application/json', 'nonsense', 'application/']
  for (const type of types) {
    const response = await send(host, '{"name":"first"}', { 'content-type': type })
    t.equal(response.statusCode, 415, type)
    t.match(response.json(), { statusCode: 415, code: 'FST_SNAPSHOT_UNSUPPORTED_BODY', error: 'Unsupported Media Type' }, type)
  }
  t.equal((await send(host, Buffer.from('{"name":"first"}'), {})).statusCode, 415, 'no content type')
  t.same((await host.request('GET', '/snapshots')).json().snapshots, [])
})

t.test('JSON is taken with parameters and in any case of the content type', async t => {
  const host = await startHost(t)
  for (const type of ['application/json', 'application/json; charset=utf-8', 'application/json;charset=UTF-8', 'Application/JSON', 'application/json ; charset="utf-8"']) {
    t.equal((await send(host, '{}', { 'content-type': type })).statusCode, 201, type)
  }
})

t.test('a body that is too large is 413, one that is just not is read', async t => {
  const host = await startHost(t, {}, { bodyLimit: 10 * 1024 * 1024 })
  const padded = (length: number): string => '{}' + ' '.repeat(length - 2)
  for (const [url, method] of [['/snapshots', 'POST'], ['/snapshots/unknown', 'PATCH'], ['/snapshots/unknown/restore', 'POST'], ['/snapshots/integrity', 'POST']] as const) {
    const response = await send(host, padded(LIMIT + 1), JSON_TYPE, url, method)
    t.equal(response.statusCode, 413, url)
    t.match(response.json(), { statusCode: 413, code: 'FST_SNAPSHOT_BODY_TOO_LARGE', error: 'Payload Too Large', message: new RegExp(String(LIMIT)) })
  }
  t.equal((await send(host, padded(LIMIT), JSON_TYPE)).statusCode, 201)
})

t.test('a small limit of the host for bodies does not apply', async t => {
  const host = await startHost(t, {}, { bodyLimit: 5 })
  t.equal((await send(host, '{"name": "first"}', JSON_TYPE)).statusCode, 201)
})

t.test('unknown fields, also mistyped ones, are refused', async t => {
  const { request } = await startHost(t)
  for (const field of ['nme', 'Name', 'label', 'trigger', 'allowDamaged', 'status', '__proto__', 'constructor']) {
    const response = await request('POST', '/snapshots', JSON.parse(`{ "name": "first", "${field}": "x" }`) as object)
    t.equal(response.statusCode, 400, field)
    t.match(response.json(), { statusCode: 400, code: 'FST_SNAPSHOT_INVALID_REQUEST', error: 'Bad Request', message: new RegExp(`body/${field}`) }, field)
  }
  t.same((await request('GET', '/snapshots')).json().snapshots, [])
})

t.test('fields of a wrong type are refused and not converted', async t => {
  const { request } = await startHost(t)
  for (const body of [{ name: 5 }, { name: null }, { name: ['a'] }, { name: {} }, { name: true }, { full: 'true' }, { full: 1 }, { full: null }, { labels: 'a' }, { labels: [] }]) {
    const response = await request('POST', '/snapshots', body)
    t.equal(response.statusCode, 400, JSON.stringify(body))
    t.match(response.json(), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: new RegExp(`body/${Object.keys(body)[0] as string}: `) })
  }
  t.same((await request('GET', '/snapshots')).json().snapshots, [])
})

t.test('a body that is no object is refused', async t => {
  const host = await startHost(t)
  for (const payload of ['[]', '"first"', '5', 'true', '[{"name": "first"}]']) {
    const response = await send(host, payload, JSON_TYPE)
    t.equal(response.statusCode, 400, payload)
    t.equal(response.json().code, 'FST_SNAPSHOT_INVALID_REQUEST')
  }
})

t.test('every error has the four fields statusCode, code, error and message, and nothing else', async t => {
  const host = await startHost(t)
  const responses = [
    await send(host, '{', JSON_TYPE),
    await send(host, '{"a":1}', JSON_TYPE),
    await send(host, 'a', { 'content-type': 'text/plain' }),
    await host.request('GET', '/snapshots/unknown'),
    await host.request('GET', '/snapshots?limit=0'),
    await host.app.inject('/snapshots')
  ]
  for (const response of responses) {
    t.match(response.headers['content-type'], /^application\/json/)
    t.same(Object.keys(response.json()), ['statusCode', 'code', 'error', 'message'])
    t.equal(response.json().statusCode, response.statusCode)
    t.match(response.json().code, /^FST_SNAPSHOT_/)
  }
})
