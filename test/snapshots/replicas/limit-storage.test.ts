import { rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SnapshotRow } from '../../../src/catalog/schema.ts'
import { errors } from '../../../src/index.ts'
import { beyondLimits } from '../../../src/snapshots/replicas/limit-storage.ts'
import { filesIn } from '../../helpers/damage.ts'
import { packsIn } from '../../helpers/sharing.ts'
import { setUpTwo, waitForStates, type TwoStorages } from '../../helpers/two-storages.ts'
import { writerFor } from '../../helpers/round-trip.ts'

const now = Date.parse('2026-01-10T00:00:00Z')
const DAY = 86_400_000
/** The newest first, a day apart. */
const rows = ['ok', 'ok', 'ok', 'ok'].map((integrity, index) => ({ id: String(index), integrity, createdAt: new Date(now - index * DAY).toISOString() })) as unknown as SnapshotRow[]
const idsBeyond = (limits: { keepLast?: number, maxAge?: number }, of = rows): string[] => beyondLimits(of, { keepLast: Infinity, maxAge: Infinity, ...limits }, now).map(({ id }) => id)

t.test('without limits nothing is beyond them', async t => {
  t.same(idsBeyond({}), [])
})

t.test('by number, by age, or both', async t => {
  t.same(idsBeyond({ keepLast: 2 }), ['2', '3'])
  t.same(idsBeyond({ maxAge: 2 * DAY }), ['3'])
  t.same(idsBeyond({ keepLast: 3, maxAge: DAY }), ['2', '3'])
})

t.test('the newest sound one stays, whatever its age and place', async t => {
  t.same(idsBeyond({ maxAge: 1 }, rows.slice(2)), ['3'])
  const damaged = rows.map((row, index) => index === 0 ? { ...row, integrity: 'failed' as const } : row)
  t.same(idsBeyond({ keepLast: 1 }, damaged), ['2', '3'])
})

/** Local files that keep one snapshot only, with `a` in both storages. */
async function setUp (t: Test): Promise<TwoStorages> {
  const two = setUpTwo(t)
  await two.writer.close()
  const writer = writerFor(t, two.path, { storage: [{ storage: two.local, keepLast: 1 }, two.remote] })
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  return { ...two, writer }
}

for (const [what, harm, state] of [
  ['has nothing any more', (root: string) => { rmSync(root, { recursive: true }) }, 'MISSING'],
  ['has the manifest alone', (root: string) => { rmSync(packsIn(root)[0]!) }, 'MISSING'],
  ['has a pack that is cut', (root: string) => { truncateSync(packsIn(root)[0]!, 100) }, 'DAMAGED']
] as const) {
  t.test(`nothing is removed because of a storage that ${what}: that gets it once more, and health says so`, async t => {
    const { writer, remote, backups } = await setUp(t)
    harm(remote.root)
    const gate = Promise.withResolvers<void>()
    remote.beforePut = async () => { await gate.promise }
    await writer.createSnapshot('b', { full: true })
    await waitForStates(writer, 'a', { local: 'STORED', remote: state })
    t.match(writer.health(), { status: 'degraded', reasons: [/Copies in storage remote that are damaged or missing: 1/] })
    gate.resolve()
    await waitForStates(writer, 'a', { local: 'STORED', remote: 'STORED' })
    t.match(await writer.verifySnapshot('a'), { isHealthy: true, replicas: [{ storage: 'local' }, { storage: 'remote' }] })
    await writer.completeReplicas()
    await waitForStates(writer, 'a', { remote: 'STORED' })
    t.equal(packsIn(backups).length, 1)
  })
}

t.test('nor because of one that cannot be asked', async t => {
  const { writer, remote, backups } = await setUp(t)
  let asked = 0
  remote.get = async () => {
    asked++
    throw new errors.StorageUnavailableError('remote', 'it is down')
  }
  for (const name of ['b', 'c']) await writer.createSnapshot(name)
  await writer.close()
  t.equal(filesIn(join(backups, 'app', 'snapshots')).length, 3)
  t.ok(asked > 0)
})

t.test('a storage that gives wrong answers ends the pass, and nothing is removed', async t => {
  const { writer, remote, backups } = await setUp(t)
  remote.head = async () => { throw new RangeError('wrong') }
  await writer.createSnapshot('b')
  await t.rejects(writer.completeReplicas())
  t.equal(filesIn(join(backups, 'app', 'snapshots')).length, 2)
})
