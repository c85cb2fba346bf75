import { rmSync } from 'node:fs'
import t, { type Test } from 'tap'
import { startHost, type Host } from '../helpers/host.ts'

interface Listed { name: string, status: string }

async function hostWith (t: Test, names: string[]): Promise<Host> {
  const host = await startHost(t)
  for (const name of names) await host.request('POST', '/snapshots', { name })
  return host
}

async function names ({ request }: Host, query = ''): Promise<string[]> {
  const { snapshots } = (await request('GET', `/snapshots${query}`)).json() as { snapshots: Listed[] }
  return snapshots.map(({ name }) => name)
}

t.test('the list of nothing is empty', async t => {
  const { request } = await startHost(t)
  const response = await request('GET', '/snapshots')
  t.equal(response.statusCode, 200)
  t.same(response.json(), { snapshots: [], nextCursor: null })
})

t.test('the list has the newest first, with order=asc the oldest', async t => {
  const host = await hostWith(t, ['b', 'a', 'c'])
  t.same(await names(host), ['c', 'a', 'b'])
  t.same(await names(host, '?order=desc'), ['c', 'a', 'b'])
  t.same(await names(host, '?order=asc'), ['b', 'a', 'c'])
})

t.test('the entries of the list are the snapshots as GET /snapshots/:name gives them', async t => {
  const host = await hostWith(t, ['one'])
  t.same((await host.request('GET', '/snapshots')).json().snapshots, [(await host.request('GET', '/snapshots/one')).json()])
})

for (const order of ['asc', 'desc'] as const) {
  t.test(`pages by cursor, order=${order}, give every snapshot once, also while new ones come`, async t => {
    const host = await hostWith(t, ['a', 'b', 'c', 'd', 'e'])
    const seen: string[] = []
    let cursor: string | null = ''
    let pages = 0
    while (cursor !== null) {
      const response = await host.request('GET', `/snapshots?limit=2&order=${order}${cursor === '' ? '' : `&cursor=${cursor}`}`)
      const page = response.json() as { snapshots: Listed[], nextCursor: string | null }
      t.ok(page.snapshots.length <= 2)
      seen.push(...page.snapshots.map(({ name }) => name))
      cursor = page.nextCursor
      if (++pages === 1) await host.request('POST', '/snapshots', { name: 'late' })
    }
    t.same(seen, order === 'asc' ? ['a', 'b', 'c', 'd', 'e', 'late'] : ['e', 'd', 'c', 'b', 'a'])
  })
}

t.test('a last page that is full has no cursor', async t => {
  const host = await hostWith(t, ['a', 'b'])
  t.equal((await host.request('GET', '/snapshots?limit=2')).json().nextCursor, null)
  t.type((await host.request('GET', '/snapshots?limit=1')).json().nextCursor, 'string')
})

t.test('a page can be continued where the snapshot at its end has been deleted', async t => {
  const host = await hostWith(t, ['a', 'b', 'c'])
  const { nextCursor } = (await host.request('GET', '/snapshots?limit=2')).json()
  await host.request('DELETE', '/snapshots/b')
  t.same(await names(host, `?cursor=${nextCursor as string}`), ['a'])
})

t.test('the list can be filtered by status', async t => {
  const host = await hostWith(t, ['plain', 'restored'])
  await host.request('POST', '/snapshots/restored/restore')
  rmSync(host.path)
  await host.request('POST', '/snapshots', { name: 'failed' })
  t.same(await names(host, '?status=COMPLETED'), ['plain'])
  t.same(await names(host, '?status=SUCCESS'), ['restored'])
  t.same(await names(host, '?status=FAILED'), ['failed'])
  t.same(await names(host, '?status=CREATING'), [])
  t.same(await names(host), ['failed', 'restored', 'plain'])
})

t.test('deleted snapshots are not listed', async t => {
  const host = await hostWith(t, ['a', 'b'])
  await host.request('DELETE', '/snapshots/a')
  t.same(await names(host), ['b'])
})

for (const query of ['limit=0', 'limit=1001', 'limit=-1', 'limit=1.5', 'limit=true', 'limit=many', 'limit=', 'order=newest', 'status=GOOD', 'status=completed', 'cursor=nonsense', 'cursor=1.2', 'cursor=', 'page=2', 'limit=1&limit=2']) {
  t.test(`GET /snapshots?${query} is 400`, async t => {
    const { request } = await startHost(t)
    const response = await request('GET', `/snapshots?${query}`)
    t.equal(response.statusCode, 400)
    t.match(response.json(), { statusCode: 400, code: 'FST_SNAPSHOT_INVALID_REQUEST', error: 'Bad Request', message: new RegExp(`^Invalid request: querystring/${/^\w+/.exec(query)?.[0] ?? ''}: `) })
  })
}

const IN_WORDS: Record<string, string> = {
  'limit=0': 'querystring/limit: it must be a whole number from 1 to 1000',
  'cursor=nonsense': 'querystring/cursor: it must be the nextCursor of the page before',
  'status=GOOD': 'querystring/status: it must be one of CREATING, COMPLETED, SUCCESS, FAILED',
  'order=newest': 'querystring/order: it must be one of asc, desc',
  'page=2': 'querystring/page: it is not known; known are limit, cursor, status, order'
}
for (const [query, words] of Object.entries(IN_WORDS)) {
  t.test(`GET /snapshots?${query} says what is allowed`, async t => {
    const { request } = await startHost(t)
    t.equal((await request('GET', `/snapshots?${query}`)).json().message, `Invalid request: ${words}`)
  })
}

t.test('limit may be up to 1000', async t => {
  const { request } = await startHost(t)
  t.equal((await request('GET', '/snapshots?limit=1000')).statusCode, 200)
})

t.test('the list says how it can be read by a HEAD request', async t => {
  const { request } = await startHost(t)
  const response = await request('HEAD', '/snapshots')
  t.equal(response.statusCode, 200)
  t.equal(response.body, '')
})
