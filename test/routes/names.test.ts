import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startHost } from '../helpers/host.ts'
import '../helpers/use-built.ts'

const REFUSED: Record<string, string> = {
  'an empty name': '',
  'a name of 129 characters': 'a'.repeat(129),
  'a name of 10,000 characters': 'a'.repeat(10_000),
  'a path upwards': '../../etc/passwd',
  'a path upwards with backslashes': '..\\..\\secret',
  'an encoded path upwards': '%2e%2e%2f%2e%2e%2fetc',
  'two dots': '..',
  'two dots within': 'a..b',
  'one dot': '.',
  'a dot first': '.hidden',
  'a hyphen first': '-rf',
  'an underscore first': '_a',
  'a slash': 'a/b',
  'an absolute path': '/etc/passwd',
  'a NUL': 'a\0b',
  'a line break': 'a\n',
  'a space': 'a b',
  'a quote': 'a"b',
  'a semicolon': "a'; DROP TABLE snapshots; --",
  umlauts: 'größe',
  'full-width letters': 'ａｂｃ',
  'a combining letter': 'é',
  'an emoji': '📸',
  'the form of an id': randomUUID(),
  'the form of an id in capitals': randomUUID().toUpperCase(),
  'the form of an id of zeros': '00000000-0000-0000-0000-000000000000'
}
for (const word of ['latest', 'operations', 'integrity', 'recovery', 'retention', 'drills', 'audit', 'console', 'maintenance', 'Latest', 'INTEGRITY']) REFUSED[`the reserved word ${word}`] = word

t.test('names that break the rule are refused', async t => {
  const { request, folder } = await startHost(t)
  for (const [what, name] of Object.entries(REFUSED)) {
    const response = await request('POST', '/snapshots', { name })
    t.equal(response.statusCode, 400, what)
    t.match(response.json(), { statusCode: 400, code: 'FST_SNAPSHOT_INVALID_NAME', error: 'Bad Request', message: /^Invalid snapshot name/ }, what)
    t.ok(response.body.length < 1000, 'the answer stays short')
  }
  t.same((await request('GET', '/snapshots')).json().snapshots, [], 'nothing was made')
  t.same(readdirSync(join(folder, 'backups')).filter(file => !file.startsWith('.') && !file.startsWith('catalog.db')), [], 'nothing was stored')
})

t.test('names that keep the rule are taken', async t => {
  const { request } = await startHost(t)
  for (const name of ['7', 'v1.2.3', 'pre_deployment_2024_01_15', 'latest2', 'a.', 'con', 'n'.repeat(127)]) {
    t.match((await request('POST', '/snapshots', { name })).json(), { name, status: 'COMPLETED' })
  }
})

for (const name of ['a', 'A.b_C-9', 'n'.repeat(100), 'n'.repeat(101), 'n'.repeat(128)]) {
  t.test(`every route works with the name ${name.length > 30 ? `of ${name.length} characters` : name}`, async t => {
    const { request } = await startHost(t)
    const created = await request('POST', '/snapshots', { name })
    t.equal(created.statusCode, 201)
    t.equal(created.headers.location, `/snapshots/${name}`)
    const url = `/snapshots/${name}`
    t.equal((await request('GET', url)).json().name, name)
    t.equal((await request('HEAD', url)).statusCode, 200)
    t.match((await request('PATCH', url, { labels: { a: 'b' } })).json(), { name, labels: { a: 'b' } })
    t.match((await request('POST', `${url}/verify`)).json(), { snapshot: name, isHealthy: true })
    t.match((await request('POST', `${url}/restore`)).json(), { status: 'SUCCESS', snapshot: { name } })
    const download = await request('GET', `${url}/download`)
    t.equal(download.statusCode, 200)
    t.equal(download.headers['content-disposition'], `attachment; filename="${name}.db"`)
    t.equal((await request('DELETE', url)).statusCode, 204)
    t.equal((await request('GET', url)).statusCode, 404)
  })
}

t.test('unknown names are 404 on every route, also those that no snapshot could have', async t => {
  const { request, folder } = await startHost(t)
  const names = ['unknown', 'n'.repeat(128), 'n'.repeat(129), '%2e%2e%2f%2e%2e%2fapp.db', '..%5c..%5capp.db', 'operations', 'Latest', 'gr%C3%B6%C3%9Fe', '%F0%9F%93%B8', 'a%00b', randomUUID(), 'latest']
  for (const name of names) {
    for (const [method, suffix] of [['GET', ''], ['PATCH', ''], ['DELETE', ''], ['POST', '/restore'], ['POST', '/verify'], ['GET', '/download']] as const) {
      const response = await request(method, `/snapshots/${name}${suffix}`)
      t.equal(response.statusCode, 404, `${method} ${name.slice(0, 40)}${suffix}`)
      t.match(response.json(), { statusCode: 404, code: 'FST_SNAPSHOT_NOT_FOUND', error: 'Not Found', message: name === 'latest' ? /^There is no sound snapshot of database ".+" yet; create one first/ : /^There is no snapshot ".+" of database ".+"; list the snapshots/ })
    }
  }
  t.ok(existsSync(join(folder, 'app.db')))
})

t.test('a path upwards in the URL never reaches a file', async t => {
  const { request } = await startHost(t)
  for (const url of ['/snapshots/../app.db', '/snapshots/..%2fapp.db/download', '/snapshots/%2e%2e/%2e%2e/etc/passwd', '/snapshots/%252e%252e%252fapp.db/download']) {
    const response = await request('GET', url)
    t.equal(response.statusCode, 404, url)
  }
})

t.test('a name far longer than any snapshot can have is refused by the router', async t => {
  const { request } = await startHost(t)
  t.ok([404, 414].includes((await request('GET', `/snapshots/${'a'.repeat(400)}`)).statusCode))
})

t.test('an id, and latest, stand for a name on every route', async t => {
  const { request } = await startHost(t)
  const { id } = (await request('POST', '/snapshots', { name: 'first' })).json()
  t.equal((await request('GET', `/snapshots/${id as string}`)).json().name, 'first')
  t.equal((await request('GET', '/snapshots/latest')).json().name, 'first')
  t.match((await request('PATCH', `/snapshots/${id as string}`, { pinned: true })).json(), { name: 'first', pinned: true })
  t.match((await request('PATCH', '/snapshots/latest', { pinned: false })).json(), { name: 'first', pinned: false })
  for (const reference of [id as string, 'latest']) {
    t.match((await request('POST', `/snapshots/${reference}/verify`)).json(), { id, isHealthy: true })
    t.match((await request('POST', `/snapshots/${reference}/restore`)).json(), { snapshot: { id } })
    t.match((await request('GET', `/snapshots/${reference}/download`)).headers, { 'content-disposition': 'attachment; filename="first.db"' })
  }
  t.equal((await request('DELETE', '/snapshots/latest')).statusCode, 204)
  t.equal((await request('GET', `/snapshots/${id as string}`)).statusCode, 404)
})

t.test('a name that is in use is 409, and names are told apart by case', async t => {
  const { request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'first' })
  const response = await request('POST', '/snapshots', { name: 'first' })
  t.equal(response.statusCode, 409)
  t.match(response.json(), { statusCode: 409, code: 'FST_SNAPSHOT_NAME_TAKEN', error: 'Conflict', message: /"?first"?/ })
  t.equal((await request('POST', '/snapshots', { name: 'First' })).statusCode, 201)
})

t.test('of two requests for one name at the same time one is 201 and the other 409', async t => {
  const { request } = await startHost(t)
  const responses = await Promise.all([1, 2, 3].map(async () => await request('POST', '/snapshots', { name: 'wanted' })))
  t.same(responses.map(({ statusCode }) => statusCode).sort(), [201, 409, 409])
  t.equal((await request('GET', '/snapshots')).json().snapshots.length, 1)
})

t.test('the name of a FAILED or deleted snapshot is free again', async t => {
  const { request, path } = await startHost(t)
  renameSync(path, `${path}.away`)
  t.equal((await request('POST', '/snapshots', { name: 'again' })).statusCode, 500)
  t.equal((await request('POST', '/snapshots', { name: 'again' })).statusCode, 500, 'also for another failure')
  renameSync(`${path}.away`, path)
  t.equal((await request('POST', '/snapshots', { name: 'again' })).statusCode, 201)
  t.equal((await request('GET', '/snapshots/again')).json().status, 'COMPLETED', 'the name means the one that can be used')
  await request('DELETE', '/snapshots/again')
  t.equal((await request('POST', '/snapshots', { name: 'again' })).statusCode, 201)
})
