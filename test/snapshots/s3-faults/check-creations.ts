import { join } from 'node:path'
import type { Test } from 'tap'
import type { CreateOptions, SnapshotWriter } from '../../../src/index.ts'
import { sha256OfFile } from '../../helpers/round-trip.ts'
import { allSnapshots, bitsOf, countRequests, deployOnS3, nameOf, outcomeOf, trouble, type S3Deployment, type S3Server, type Trouble } from '../../helpers/s3-deployment.ts'
import { keysOf } from '../../storage/conformance/helpers.ts'

interface Creation { blobBytes?: number, isChanged?: boolean, options?: CreateOptions }

const creations: Record<string, Creation> = {
  'a full one with labels': { options: { full: true, labels: { for: 'test' } } },
  'a full one in parts': { blobBytes: 6 * 2 ** 20, options: { full: true } },
  'one that shares pages with earlier ones': { blobBytes: 300_000, options: { labels: { for: 'test' } } },
  'one of an unchanged database': { isChanged: false }
}

/** A creation with something going wrong at each of its requests is a success or a clear error, and what is COMPLETED can be restored. */
export function creationFaults (t: Test, server: S3Server, troubles: Trouble[]): void {
  for (const [what, creation] of Object.entries(creations)) {
    void t.test(`creating ${what}`, async t => {
      const deployment = await deployOnS3(t, server, creation.blobBytes)
      const contents = await createWithFaults(t, deployment, creation, troubles)
      await checkAll(t, deployment, contents)
      await checkBlankMachine(t, deployment, contents)
      await checkNothingIsLeft(t, deployment)
    })
  }
}

/** @returns the digest of what each snapshot was made of, by its id; of those that failed, too */
async function createWithFaults (t: Test, { application, proxy, writer }: S3Deployment, { options = {}, isChanged = true }: Creation, troubles: Trouble[]): Promise<Map<string, string>> {
  const contents = new Map<string, string>()
  let number = 0
  const create = async (through: SnapshotWriter): Promise<void> => {
    if (isChanged) application.exec(`UPDATE items SET text = 'for snapshot ${++number}' WHERE id = 1`)
    await through.createSnapshot(`s${contents.size}`, options)
  }
  const note = async (through: SnapshotWriter): Promise<string> => {
    const { id, status } = await through.getSnapshot(`s${contents.size}`)
    contents.set(id, bitsOf(application))
    return status
  }
  const first = writer('direct')
  await create(first)
  await note(first)
  await first.close()
  const counting = writer('patient')
  const count = await countRequests(proxy, async () => { await create(counting) })
  await note(counting)
  await counting.close()
  t.ok(count > 1, `it takes ${count} requests`)

  for (const each of troubles) {
    const faulty = writer('faulty')
    for (let nth = 1; nth <= count; nth++) {
      const where = `${nameOf(each)} at request ${nth}`
      trouble(proxy, each, nth)
      const outcome = await outcomeOf(t, where, create(faulty))
      proxy.decide = () => undefined
      if ('error' in outcome) t.match(outcome.error, { code: 'FST_SNAPSHOT_CREATE_FAILED', message: /bucket/ }, where)
      t.equal(await note(faulty), 'error' in outcome ? 'FAILED' : 'COMPLETED', where)
    }
    await faulty.close()
  }
  return contents
}

/** Everything COMPLETED is sound, and a creation works. */
async function checkAll (t: Test, { application, writer }: S3Deployment, contents: Map<string, string>): Promise<void> {
  const sound = writer('direct')
  const next = await sound.createSnapshot('next')
  contents.set(next.id, bitsOf(application))
  for (const { id, name, status, replicas } of await allSnapshots(sound)) {
    const file = join(t.testdirName, `${id}.db`)
    if (status === 'FAILED') {
      await t.rejects(sound.restoreToFile(id, file), { code: 'FST_SNAPSHOT_NOT_RESTORABLE' })
      continue
    }
    t.same(replicas, [{ storage: 's3', state: 'STORED' }])
    await sound.restoreToFile(id, file)
    t.equal(sha256OfFile(file), contents.get(id), `${name} restores bit for bit`)
    t.match(await sound.verifySnapshot(id), { isHealthy: true, errors: [] })
  }
  await sound.close()
}

/** What a machine that has nothing but the bucket lists can be restored, too. */
async function checkBlankMachine (t: Test, { writer }: S3Deployment, contents: Map<string, string>): Promise<void> {
  const folder = join(t.testdirName, 'blank')
  const blank = writer('direct', { snapshotDir: folder, database: join(folder, 'app.db') })
  const found = await allSnapshots(blank)
  for (const { id, name, replicas } of found) {
    const file = join(folder, `${id}.db`)
    t.same(replicas, [{ storage: 's3', state: 'STORED' }], name)
    await blank.restoreToFile(id, file)
    t.equal(sha256OfFile(file), contents.get(id), `${name} restores on a blank machine`)
  }
  await blank.close()
}

async function checkNothingIsLeft (t: Test, { writer, direct, openUploads }: S3Deployment): Promise<void> {
  const sound = writer('direct')
  for (const { id } of await allSnapshots(sound)) await sound.deleteSnapshot(id)
  await sound.settle()
  t.same(await keysOf(direct, ''), [], 'once all are deleted nothing is stored')
  t.same(await openUploads(), [], 'and no part of an upload')
}
