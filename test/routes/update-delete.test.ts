import { rmSync } from 'node:fs'
import t from 'tap'
import { startHost } from '../helpers/host.ts'
import { packsOf } from '../helpers/packs.ts'

t.test('PATCH pins, unpins and replaces labels, each without touching the other', async t => {
  const { request } = await startHost(t)
  const created = (await request('POST', '/snapshots', { name: 'first', labels: { a: '1', b: '2' } })).json()
  const patch = async (body: object): Promise<object> => {
    const response = await request('PATCH', '/snapshots/first', body)
    t.equal(response.statusCode, 200)
    t.same((await request('GET', '/snapshots/first')).json(), response.json(), 'it is kept')
    return response.json()
  }
  t.same(await patch({ pinned: true }), { ...created, pinned: true })
  t.same(await patch({ labels: { c: '3' } }), { ...created, pinned: true, labels: { c: '3' } })
  t.same(await patch({ pinned: false, labels: {} }), { ...created, labels: {} })
  t.same(await patch({}), { ...created, labels: {} })
})

t.test('a pinned snapshot cannot be deleted: 409, until it is unpinned', async t => {
  const { request, folder } = await startHost(t)
  await request('POST', '/snapshots', { name: 'kept' })
  await request('PATCH', '/snapshots/kept', { pinned: true })
  const response = await request('DELETE', '/snapshots/kept')
  t.equal(response.statusCode, 409)
  t.match(response.json(), { statusCode: 409, code: 'FST_SNAPSHOT_PINNED', error: 'Conflict', message: /kept/ })
  t.equal(packsOf(folder).length, 1)
  await request('PATCH', '/snapshots/kept', { pinned: false })
  t.equal((await request('DELETE', '/snapshots/kept')).statusCode, 204)
})

t.test('DELETE answers 204 without a body and removes what is stored', async t => {
  const { request, folder } = await startHost(t)
  await request('POST', '/snapshots', { name: 'first' })
  t.equal(packsOf(folder).length, 1)
  const response = await request('DELETE', '/snapshots/first')
  t.equal(response.statusCode, 204)
  t.equal(response.body, '')
  t.same(packsOf(folder), [])
  t.equal((await request('GET', '/snapshots/first')).statusCode, 404)
  t.equal((await request('DELETE', '/snapshots/first')).statusCode, 404)
})

t.test('DELETE with a content type and no body works', async t => {
  const { request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'first' })
  t.equal((await request('DELETE', '/snapshots/first', undefined, { 'content-type': 'application/json' })).statusCode, 204)
})

t.test('a FAILED snapshot can be deleted', async t => {
  const { request, path } = await startHost(t)
  rmSync(path)
  await request('POST', '/snapshots', { name: 'failed' })
  t.equal((await request('DELETE', '/snapshots/failed')).statusCode, 204)
  t.same((await request('GET', '/snapshots')).json().snapshots, [])
})

const many = (count: number): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, number) => [`label-${number}`, 'x']))
const GOOD: Record<string, Record<string, string>> = { none: {}, '32 labels': many(32), 'a name of 64 characters': { ['n'.repeat(64)]: 'x' }, 'a value of 256 characters': { a: 'v'.repeat(256) }, 'an empty value': { a: '' }, 'a value of any letters': { 'A.b_c-9': 'grün 📸 "\n' } }
const BAD: Record<string, unknown> = { '33 labels': many(33), 'a name of 65 characters': { ['n'.repeat(65)]: 'x' }, 'a value of 257 characters': { a: 'v'.repeat(257) }, 'an empty name': { '': 'x' }, 'a space in a name': { 'a b': 'x' }, 'a number as value': { a: 1 }, 'null as value': { a: null }, 'a list': ['a'], 'a text': 'a', null: null }

t.test('labels within the limits are kept, at creation and by PATCH', async t => {
  const { request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'patched' })
  for (const [what, labels] of Object.entries(GOOD)) {
    t.same((await request('POST', '/snapshots', { labels })).json().labels, labels, what)
    t.same((await request('PATCH', '/snapshots/patched', { labels })).json().labels, labels, what)
  }
})

t.test('labels beyond the limits are refused, at creation and by PATCH', async t => {
  const { request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'patched', labels: { a: 'b' } })
  for (const [what, labels] of Object.entries(BAD)) {
    for (const [method, url] of [['POST', '/snapshots'], ['PATCH', '/snapshots/patched']] as const) {
      const response = await request(method, url, { labels })
      t.equal(response.statusCode, 400, `${method} ${what}`)
      t.match(response.json(), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /body\/labels/ })
      t.notMatch(response.json().message, /\^|Unexpected/, 'it is said in words')
    }
  }
  t.same((await request('GET', '/snapshots')).json().snapshots.map(({ labels }: { labels: object }) => labels), [{ a: 'b' }])
})

t.test('a label with the name __proto__ is a label like any other', async t => {
  const { request } = await startHost(t)
  const response = await request('POST', '/snapshots', undefined, { 'content-type': 'application/json' })
  t.equal(response.statusCode, 201)
  const labels = JSON.parse('{"__proto__": "x", "constructor": "y"}') as object
  const created = await request('POST', '/snapshots', { name: 'odd', labels })
  t.equal(created.statusCode, 201)
  t.match(created.body, /"labels":\{"__proto__":"x","constructor":"y"\}/)
  t.match((await request('GET', '/snapshots/odd')).body, /"labels":\{"__proto__":"x","constructor":"y"\}/)
})

for (const body of [{ pinned: 'true' }, { pinned: 1 }, { pinned: null }, { name: 'other' }, { pinned: true, status: 'FAILED' }]) {
  t.test(`PATCH ${JSON.stringify(body)} is 400 and changes nothing`, async t => {
    const { request } = await startHost(t)
    const created = (await request('POST', '/snapshots', { name: 'first' })).json()
    const response = await request('PATCH', '/snapshots/first', body)
    t.equal(response.statusCode, 400)
    t.match(response.json(), { statusCode: 400, code: 'FST_SNAPSHOT_INVALID_REQUEST', error: 'Bad Request' })
    t.same((await request('GET', '/snapshots/first')).json(), created)
  })
}
