import { rmSync } from 'node:fs'
import t from 'tap'
import { waitUntil } from '../helpers/wait-until.ts'
import { startHost } from '../helpers/host.ts'

const ROUTES = [['GET', ''], ['PATCH', ''], ['DELETE', ''], ['POST', '/restore'], ['POST', '/verify'], ['GET', '/download']] as const

const withOffset = (time: string, hours: number): string => {
  const shifted = new Date(Date.parse(time) + hours * 3_600_000).toISOString().slice(0, -1)
  return encodeURIComponent(`${shifted}${hours < 0 ? '-' : '+'}${String(Math.abs(hours)).padStart(2, '0')}:00`)
}

t.test('latest is the newest snapshot that can be used', async t => {
  const { request, path } = await startHost(t)
  await request('POST', '/snapshots', { name: 'one' })
  await request('POST', '/snapshots', { name: 'two' })
  t.equal((await request('GET', '/snapshots/latest')).json().name, 'two')
  await request('POST', '/snapshots/two/restore')
  t.equal((await request('GET', '/snapshots/latest')).json().name, 'two', 'also when it has been restored')
  rmSync(path)
  await request('POST', '/snapshots', { name: 'failed' })
  t.equal((await request('GET', '/snapshots/latest')).json().name, 'two')
  await request('DELETE', '/snapshots/two')
  t.equal((await request('GET', '/snapshots/latest')).json().name, 'one')
})

t.test('latest with before is the newest one that is not younger than that time', async t => {
  const { request } = await startHost(t)
  const one = (await request('POST', '/snapshots', { name: 'one' })).json()
  await waitUntil('time has gone on', () => new Date().toISOString() > one.completedAt)
  const two = (await request('POST', '/snapshots', { name: 'two' })).json()
  const nameAt = async (before: string): Promise<string | number> => {
    const response = await request('GET', `/snapshots/latest?before=${before}`)
    return response.statusCode === 200 ? response.json().name : response.statusCode
  }
  t.equal(await nameAt(one.createdAt), 'one')
  t.equal(await nameAt(one.completedAt), 'one')
  t.equal(await nameAt(two.createdAt), 'two')
  t.equal(await nameAt('2999-01-01'), 'two')
  t.equal(await nameAt('2999-01-01T00:00Z'), 'two')
  t.equal(await nameAt('2020-01-01'), 404)
  const justBefore = new Date(Date.parse(one.createdAt) - 1).toISOString()
  for (const hours of [-11, -5, 2, 14]) {
    const names = [await nameAt(withOffset(justBefore, hours)), await nameAt(withOffset(one.completedAt, hours)), await nameAt(withOffset(two.createdAt, hours))]
    t.same(names, [404, 'one', 'two'], `in a time zone of ${hours} h`)
  }
  t.equal(await nameAt(one.createdAt.replace('Z', '999Z')), 'one', 'with fractions beyond milliseconds')
  const isWholeSecond = one.createdAt.endsWith('.000Z')
  t.equal(await nameAt(one.createdAt.replace(/\.\d+Z/, 'Z')), isWholeSecond ? 'one' : 404, 'with a whole second before a snapshot within it')
})

for (const before of ['yesterday', '', '2024', '2024-13-45', '2024-02-30T25:61:61Z', '2024-01-01T00:00:00', '1705276800']) {
  t.test(`before=${before} is 400`, async t => {
    const { request } = await startHost(t)
    await request('POST', '/snapshots', { name: 'one' })
    for (const [method, suffix] of ROUTES) {
      const response = await request(method, `/snapshots/latest${suffix}?before=${before}`)
      t.equal(response.statusCode, 400, method + suffix)
      t.match(response.json(), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /before: (it must be a date such as 2024-01-15, or a time with its zone|.* is not a time$)/ })
    }
    t.match((await request('GET', '/snapshots')).json().snapshots, [{ name: 'one', pinned: false }])
  })
}

t.test('every route of latest takes before: none of them touches a newer snapshot', async t => {
  const { request } = await startHost(t)
  const one = (await request('POST', '/snapshots', { name: 'one' })).json()
  await request('POST', '/snapshots', { name: 'two' })
  const latest = (suffix = ''): string => `/snapshots/latest${suffix}?before=${one.completedAt as string}`
  t.equal((await request('GET', latest())).json().name, 'one')
  t.match((await request('PATCH', latest(), { labels: { kept: 'yes' } })).json(), { name: 'one', labels: { kept: 'yes' } })
  t.equal((await request('POST', latest('/verify'))).json().snapshot, 'one')
  t.equal((await request('DELETE', latest())).statusCode, 204)
  t.same((await request('GET', '/snapshots')).json().snapshots.map(({ name }: { name: string }) => name), ['two'])
  for (const [method, suffix] of ROUTES) {
    const response = await request(method, latest(suffix))
    t.equal(response.statusCode, 404, method + suffix)
    t.equal(response.json().message, `There is no sound snapshot of database "app" from before ${one.completedAt as string}; list the snapshots to see their times`)
  }
})

t.test('a name or an id means the same snapshot with before', async t => {
  const { request } = await startHost(t)
  const { id } = (await request('POST', '/snapshots', { name: 'one' })).json()
  for (const reference of ['one', id as string]) t.equal((await request('GET', `/snapshots/${reference}?before=2020-01-01`)).json().name, 'one')
  t.equal((await request('PATCH', '/snapshots/one?before=2020-01-01', {})).json().name, 'one')
  t.equal((await request('DELETE', '/snapshots/one?before=2020-01-01')).statusCode, 204)
})

t.test('restore and download take before as well', async t => {
  const { request } = await startHost(t)
  const one = (await request('POST', '/snapshots', { name: 'one' })).json()
  await request('POST', '/snapshots', { name: 'two' })
  t.equal((await request('POST', `/snapshots/latest/restore?before=${one.completedAt as string}`)).json().snapshot.name, 'one')
  t.match((await request('GET', `/snapshots/latest/download?before=${one.completedAt as string}`)).headers, { 'content-disposition': 'attachment; filename="one.db"' })
  t.equal((await request('POST', '/snapshots/latest/restore?before=2020-01-01')).statusCode, 404)
})

t.test('an unknown query is refused', async t => {
  const { request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'one' })
  for (const [method, suffix] of ROUTES) {
    const response = await request(method, `/snapshots/one${suffix}?befor=2024-01-01`)
    t.equal(response.statusCode, 400, method + suffix)
    t.equal(response.json().message, 'Invalid request: querystring/befor: it is not known; known are before')
  }
  for (const [method, path] of [['POST', ''], ['GET', '/integrity'], ['POST', '/integrity']] as const) {
    const response = await request(method, `/snapshots${path}?foo=1`)
    t.equal(response.statusCode, 400, method + path)
    t.match(response.json(), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: 'Invalid request: querystring/foo: nothing is taken here' })
  }
  t.match((await request('GET', '/snapshots')).json().snapshots, [{ name: 'one' }], 'nothing was created or deleted')
})
